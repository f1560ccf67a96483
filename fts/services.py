"""What the routes of a web process and the tasks of a worker share: the composition of the stateful part."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fts.changes import Changes
from fts.clients.service import accounts
from fts.configuration import Configuration, Role
from fts.custody import probe, vault_of
from fts.db.database import Database
from fts.documents.turns import Turns
from fts.incidents.service import Desk
from fts.jobs.bell import Bell
from fts.jobs.ports import Doorbell
from fts.keyring import Keyring
from fts.limits import GatewayLimits
from fts.master_key import keyring_of
from fts.steady import SteadyClock
from storage.vault import Vault
from timestamping.clock import Clock


@dataclass(frozen=True, slots=True)
class Services:
    """The wired parts of one process."""

    configuration: Configuration
    database: Database
    vault: Vault
    keyring: Keyring
    bell: Doorbell
    changes: Changes
    clock: Clock
    desk: Desk
    """Takes in security events."""
    uploads: Turns

    @property
    def limits(self) -> GatewayLimits:
        """The bounds."""
        return self.configuration.limits

    @contextmanager
    def spool(self, what: str) -> Iterator[Path]:
        """Give an empty directory that lives as long as a request or a job."""
        directory = spool_directory(self.configuration)
        with tempfile.TemporaryDirectory(dir=directory, prefix=f"{what}-{os.getpid()}-") as path:
            yield Path(path)


@asynccontextmanager
async def wired(
    configuration: Configuration, role: Role | None = None, clock: Clock | None = None
) -> AsyncIterator[Services]:
    """Wire the parts, and close what they hold at the end; the database is reached as `role`.

    Raises:
        KeyringError: the master key cannot be read.
        RefusalError: CONFIGURATION_INVALID.
    """
    configuration.data.mkdir(parents=True, exist_ok=True, mode=0o700)
    spool_directory(configuration).mkdir(parents=True, exist_ok=True, mode=0o700)
    keyring = keyring_of(configuration)
    clock = clock or SteadyClock()
    bell = Bell(configuration.data / "bell")
    database = Database(configuration.database_url(role), clock, keyring, bell.ring)
    try:
        yield Services(
            configuration,
            database,
            vault_of(configuration, keyring),
            keyring,
            bell,
            Changes(),
            clock,
            Desk(database, clock),
            Turns(configuration.limits.client_uploads),
        )
    finally:
        bell.close()
        await database.close()


async def probe_buckets(services: Services) -> None:
    """Try the store in the bucket of each client whose account has not ended.

    Raises:
        RefusalError: STORE_UNFIT, in PROD; CONFIGURATION_INVALID, there is no credential for a bucket.
        StorageError: the store does not work.
    """
    async with services.database.read() as connection:
        known = (await accounts(connection)).values()
    buckets = [account.definition.bucket for account in known if account.offboarded_at is None]
    await probe(services.configuration, services.vault, buckets)


def spool_directory(configuration: Configuration) -> Path:
    """Return the directory of temporary files."""
    return configuration.spool or configuration.data / "spool"


def clear_spool(configuration: Configuration) -> None:
    """Remove what processes that are gone left in the spool; names there carry the process id: `<what>-<id>-...`."""
    for path in spool_directory(configuration).iterdir():
        _, owner, *_ = (*path.name.split("-"), "")
        if not (owner.isdigit() and Path(f"/proc/{owner}").exists()):
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
