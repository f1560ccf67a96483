"""The wiring of objects and keys, and the small values of a row that are kept under a document's key."""

import asyncio
import json
import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from fts.configuration import S3, Configuration
from fts.errors import RefusalError
from fts.keyring import Keyring, KeyringError
from storage.envelope import DocumentKey, EnvelopeError
from storage.files import FileStore
from storage.keys import FileKeyStore
from storage.ports import ObjectStore
from storage.s3_settings import S3Credentials, S3Endpoint
from storage.vault import Vault

_PROBED: Final = "fts-check"
"""The bucket of our own that is tried."""
_PROBES: Final = 4
"""Buckets that are tried at a time."""
_LOG: Final = logging.getLogger("fts.custody")


class KeyringMaster:
    """Wraps the documents' keys with the keyring (`storage.vault.MasterKey`)."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    def wrap(self, octets: bytes, context: str) -> bytes:
        """See `MasterKey.wrap`."""
        return self._keyring.seal("documents", octets, context)

    def unwrap(self, wrapped: bytes, context: str) -> bytes:
        """See `MasterKey.unwrap`."""
        try:
            return self._keyring.unseal("documents", wrapped, context)
        except KeyringError as error:
            raise EnvelopeError(str(error)) from error


def vault_of(configuration: Configuration, keyring: Keyring) -> Vault:
    """Return the vault that the configuration describes.

    Raises:
        RefusalError: CONFIGURATION_INVALID, the store's credentials cannot be read.
    """
    keys = FileKeyStore(configuration.key_store or configuration.data / "keys")
    return Vault(_objects(configuration), keys, KeyringMaster(keyring))


async def probe(configuration: Configuration, vault: Vault, buckets: Iterable[str] = ()) -> None:
    """Try what the object store really enforces, in our own bucket and in those of clients; say what it does not.

    Raises:
        RefusalError: STORE_UNFIT, in PROD; CONFIGURATION_INVALID, there is no credential for a bucket.
        StorageError: the store does not work.
    """
    gate = asyncio.Semaphore(_PROBES)

    async def missing_in(bucket: str) -> list[str]:
        async with gate:
            found = await vault.objects.probe(bucket)
        return [f"in the bucket {bucket}: {one.property} ({one.detail})" for one in found if not one.holds]

    probed = await asyncio.gather(*(missing_in(bucket) for bucket in (_PROBED, *buckets)))
    missing = [fault for faults in probed for fault in faults]
    for fault in missing:
        _LOG.error("the object store does not do this %s", fault)
    if missing and configuration.environment == "PROD":
        message = f"the object store does not do this {missing[0]}"
        raise RefusalError("STORE_UNFIT", message, "Set up the store so that it does.")


def seal_members(key: DocumentKey, members: dict[str, Any], context: str) -> bytes:
    """Return members of a row, sealed; `context` names table and row."""
    return key.seal(json.dumps(members, separators=(",", ":")).encode(), context)


def unseal_members(key: DocumentKey, sealed: bytes, context: str) -> dict[str, Any]:
    """Return what `seal_members` sealed.

    Raises:
        EnvelopeError: it was changed, or stood in another row.
    """
    members: dict[str, Any] = json.loads(key.unseal(sealed, context))
    return members


def _objects(configuration: Configuration) -> ObjectStore:
    s3 = configuration.objects
    if s3 is None:
        return FileStore(configuration.data / "objects")
    from storage.s3 import S3Store  # noqa: PLC0415 - 9 MB of a client that the other store does not need

    credentials = _credentials(s3.credentials, s3.prefix, shared_allowed=configuration.environment != "PROD")

    def of(bucket: str) -> S3Credentials:
        found = credentials.get(bucket) or credentials.get("*")
        if found is None:
            raise RefusalError("CONFIGURATION_INVALID", f"the store has no credential for {bucket}", "Add it.")
        return found

    named = None if "*" in credentials else (lambda: list(credentials))
    return S3Store(_endpoint(s3), of, s3.prefix, named)


def _endpoint(s3: S3) -> S3Endpoint:
    return S3Endpoint(s3.endpoint, s3.secure, s3.region, s3.ca_file)


def _credentials(path: Path, prefix: str, *, shared_allowed: bool) -> dict[str, S3Credentials]:
    try:
        if path.stat().st_mode & 0o077:
            raise ValueError("others may read it: chmod 600")
        found = TypeAdapter(dict[str, S3Credentials]).validate_json(path.read_bytes())
    except (OSError, ValidationError, ValueError) as error:
        what = f"{error.error_count()} members are malformed" if isinstance(error, ValidationError) else str(error)
        message = f"objects.credentials: {path.name}: {what}"
        raise RefusalError("CONFIGURATION_INVALID", message, "docs/operation.md shows its form.") from error
    if "*" in found and not prefix:
        message = "objects.prefix: a credential for all buckets needs one, so that others' buckets are left alone"
        raise RefusalError("CONFIGURATION_INVALID", message, "Set objects.prefix.")
    if "*" in found and not shared_allowed:
        message = "objects.credentials: PROD has a credential for each bucket, not one for all"
        raise RefusalError("CONFIGURATION_INVALID", message, "Make one for each client.")
    return found
