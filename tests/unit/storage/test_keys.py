"""The key store: deleting a key is destruction (FTS-GDPR-1)."""

import asyncio
import os
from pathlib import Path

import pytest

from storage.files import FileStore
from storage.keys import FileKeyStore, KeyMissingError
from storage.vault import Vault

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


class Plain:
    """Wraps nothing."""

    def wrap(self, octets: bytes, _context: str) -> bytes:
        return octets

    def unwrap(self, wrapped: bytes, _context: str) -> bytes:
        return wrapped


@pytest.mark.parametrize("how", ["key", "owner", "overwritten"])
def test_what_is_being_read_ends_with_its_key(tmp_path: Path, how: str) -> None:
    """Not one octet more is decrypted, though the stream had been opened before."""

    async def work() -> None:
        vault = Vault(FileStore(tmp_path / "objects"), FileKeyStore(tmp_path / "keys"), Plain())
        key_id, key = await vault.new_key("town")
        (tmp_path / "plain").write_bytes(os.urandom(3 << 20))
        await vault.put(key, "town/object", tmp_path / "plain")
        with await vault.open(await vault.key("town", key_id), "town/object") as stream:
            assert len(stream.read(1 << 18)) == 1 << 18
            if how == "key":
                await vault.keys.delete("town", key_id)
            elif how == "owner":
                await vault.keys.delete_owner("town")
            else:
                (tmp_path / "keys" / "town" / key_id).write_bytes(b"")
            with pytest.raises(KeyMissingError, match="destroyed while it was read"):
                stream.read(1)

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
