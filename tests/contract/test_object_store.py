"""What every object store must do."""

import asyncio
from pathlib import Path

import pytest

from storage.files import FileStore
from storage.ports import ObjectMissingError, ObjectStore, StorageError

NAME = "town/0123456789abcdef"


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return FileStore(tmp_path / "objects")


def written(directory: Path, data: bytes) -> Path:
    path = directory / "source"
    path.write_bytes(data)
    return path


async def names(store: ObjectStore) -> list[str]:
    return [stored.name async for stored in store.listing()]


def test_an_object_comes_back_as_it_was_put(store: ObjectStore, tmp_path: Path) -> None:
    async def work() -> None:
        data = bytes(range(256)) * 10_000
        await store.put(NAME, written(tmp_path, data))
        await store.fetch(NAME, tmp_path / "fetched")
        assert (tmp_path / "fetched").read_bytes() == data
        with await store.open(NAME) as file:
            file.seek(256)
            assert file.read(4) == bytes([0, 1, 2, 3])
        [stored] = [stored async for stored in store.listing()]
        assert (stored.name, stored.size) == (NAME, len(data))

    asyncio.run(work())


def test_a_deleted_object_is_gone_and_deleting_it_again_is_no_error(store: ObjectStore, tmp_path: Path) -> None:
    async def work() -> None:
        await store.put(NAME, written(tmp_path, b"x"))
        await store.delete(NAME)
        await store.delete(NAME)
        assert await names(store) == []
        with pytest.raises(ObjectMissingError):
            await store.open(NAME)
        with pytest.raises(ObjectMissingError):
            await store.fetch(NAME, tmp_path / "none")

    asyncio.run(work())


@pytest.mark.parametrize(
    "name",
    ["", "x", "../x/y", "a/../b", "a/b/c", "/etc/passwd", "a/..", "a/b\0", "a/ b", "a/%2e%2e", "a/b\n", "a" * 200],
)
def test_a_name_is_never_a_way_out(store: ObjectStore, tmp_path: Path, name: str) -> None:
    """Case F-3."""

    async def work() -> None:
        with pytest.raises(ValueError, match="no name"):
            await store.put(name, written(tmp_path, b"x"))
        with pytest.raises(ValueError, match="no name"):
            await store.open(name)
        with pytest.raises(ValueError, match="no name"):
            await store.delete(name)

    asyncio.run(work())


def test_what_cannot_be_stored_leaves_nothing_behind(store: ObjectStore, tmp_path: Path) -> None:
    async def work() -> None:
        with pytest.raises(StorageError):
            await store.put(NAME, tmp_path / "there is no such file")
        assert await names(store) == []

    asyncio.run(work())


def test_the_check_leaves_nothing_behind(store: ObjectStore) -> None:
    async def work() -> None:
        await store.check()
        assert await names(store) == []

    asyncio.run(work())
