"""The key store: deleting a key is destruction (FTS-GDPR-1)."""

import asyncio
import os
from pathlib import Path

import pytest

from storage.keys import FileKeyStore, KeyMissingError

WRAPPED = b"a wrapped key that is forty octets long.."


def test_a_key_is_there_until_it_is_deleted(tmp_path: Path) -> None:
    async def work() -> None:
        store = FileKeyStore(tmp_path / "keys")
        await store.put("town", "k1", WRAPPED)
        assert await store.get("town", "k1") == WRAPPED
        assert await FileKeyStore(tmp_path / "keys").get("town", "k1") == WRAPPED
        await store.delete("town", "k1")
        await store.delete("town", "k1")
        with pytest.raises(KeyMissingError):
            await store.get("town", "k1")
        with pytest.raises(KeyMissingError):
            await store.get("other", "k1")

    asyncio.run(work())


def test_a_deleted_key_is_overwritten_on_the_disk(tmp_path: Path) -> None:
    async def work() -> None:
        store = FileKeyStore(tmp_path / "keys")
        await store.put("town", "k1", WRAPPED)
        os.link(tmp_path / "keys" / "town" / "k1", tmp_path / "held")
        await store.delete("town", "k1")
        assert WRAPPED[:8] not in (tmp_path / "held").read_bytes()

    asyncio.run(work())


def test_an_owner_goes_with_all_keys_and_no_other(tmp_path: Path) -> None:
    async def work() -> None:
        store = FileKeyStore(tmp_path / "keys")
        for owner, key_id in (("town", "k1"), ("town", "k2"), ("other", "k1")):
            await store.put(owner, key_id, WRAPPED)
        await store.delete_owner("town")
        await store.delete_owner("town")
        assert [(stored.owner, stored.key_id) for stored in await store.listing()] == [("other", "k1")]

    asyncio.run(work())


@pytest.mark.parametrize("name", ["", "..", "a/b", "../town", "a\0", ".", "x" * 65, "é", "a b"])
def test_names_are_never_paths(tmp_path: Path, name: str) -> None:
    store = FileKeyStore(tmp_path / "keys")
    for owner, key_id in ((name, "k"), ("town", name)):
        with pytest.raises(ValueError, match="no name of a key"):
            asyncio.run(store.put(owner, key_id, WRAPPED))


def test_what_a_crash_left_is_listed_and_can_be_deleted(tmp_path: Path) -> None:
    async def work() -> None:
        store = FileKeyStore(tmp_path / "keys")
        await store.put("town", "k1", WRAPPED)
        (tmp_path / "keys" / "town" / ".0123456789abcdef").write_bytes(WRAPPED[:7])
        for stored in await store.listing():
            await store.delete(stored.owner, stored.key_id)
        assert await store.listing() == []

    asyncio.run(work())


def test_nobody_else_may_read_it(tmp_path: Path) -> None:
    asyncio.run(FileKeyStore(tmp_path / "keys").put("town", "k1", WRAPPED))
    for path in (tmp_path / "keys", *(tmp_path / "keys").rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path
