"""Five days, ten thousand documents, and processes that die: FTS-GDPR-1; case S-4.

Nothing that is older than its limit can be read, and nothing that is younger is lost.
"""

import asyncio
import multiprocessing
import random
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any, TypeVar

import pytest
from sqlalchemy import select

from fts.audit.models import event
from fts.clients.definition import load_folder
from fts.clients.management import apply, plan
from fts.configuration import load
from fts.db.migrate import migrate
from fts.documents import service as documents
from fts.keyring import Keyring
from fts.services import Services, wired
from fts.upkeep import remove_orphans, sweep
from tests.e2e.kills.keeping import SharedClock, content, documents_asked, hours, seed, stored, sweeping, upload
from tests.support.embedded import OPERATOR
from tests.support.gateway import write_client

DAYS = 5
STEPS = 24 * DAYS
DOCUMENTS = documents_asked(10_000)
RETENTION = {"one": 1, "six": 6, "day": 24, "days": 71, "most": 120}
"""Hours of each client."""

_PROCESSES = multiprocessing.get_context("forkserver")
_PROCESSES.set_forkserver_preload(["tests.e2e.kills.keeping"])


Kind = TypeVar("Kind", bound="House")


@dataclass
class House:
    """The gateway's data, and what was taken in."""

    config: Path
    data: Path
    time: Path
    clock: SharedClock
    chance: random.Random
    taken: dict[tuple[str, str], datetime] = field(default_factory=dict)
    kills: int = 0

    def upload(self, wanted: list[tuple[str, str]], *, kill: bool) -> None:
        """Upload; where the process is killed, only what it told of was taken in for sure."""
        mine, theirs = _PROCESSES.Pipe(duplex=False)
        process = _PROCESSES.Process(target=upload, args=(self.config, self.time, wanted, theirs))
        process.start()
        theirs.close()
        deadline = time.monotonic() + self.chance.uniform(0.02, 0.3) if kill else None
        with closing(mine):
            while True:
                left = None if deadline is None else max(0.0, deadline - time.monotonic())
                try:
                    if not mine.poll(left):
                        break
                    client_id, document_id, expires_at = mine.recv()
                except EOFError:
                    break
                self.taken[client_id, document_id] = expires_at
            if deadline is not None:
                self._kill(process)
            process.join()
            try:
                while mine.poll(0):
                    client_id, document_id, expires_at = mine.recv()
                    self.taken[client_id, document_id] = expires_at
            except EOFError:
                pass
        assert deadline is not None or process.exitcode == 0
        process.close()

    @contextmanager
    def sweepers(self, count: int) -> Iterator[None]:
        """Run processes that sweep, and kill them at a random moment."""
        running = [_PROCESSES.Process(target=sweeping, args=(self.config, self.time, 10_000)) for _ in range(count)]
        for process in running:
            process.start()
        try:
            yield
            time.sleep(self.chance.uniform(0.0, 0.15))
        finally:
            for process in running:
                self._kill(process)
                process.join()
                process.close()

    def stored(self) -> tuple[set[str], set[str]]:
        """Return the names of all objects and of all keys that are kept."""
        return stored(self.data)

    def _kill(self, process: ForkServerProcess) -> None:
        if process.is_alive():
            process.kill()
            self.kills += 1


@pytest.fixture
def house(tmp_path: Path) -> House:
    return settled(House, tmp_path)


def settled(kind: type[Kind], directory: Path, more: str = "") -> Kind:
    """Make a gateway's data with a client for each retention time; `more` is added to the configuration."""
    chance = random.Random(seed())  # noqa: S311 - repeatable by its seed
    config = directory / "gateway.toml"
    config.write_text(
        'environment = "TA"\noperator = "Test"\npublic_url = "https://x.example"\ndata = "data"\n'
        'master_key = "master.key"\ntrust_anchors = "root.pem"\ntsa_url = "http://127.0.0.1:1/tsa"\n' + more
    )
    Keyring.create_file(directory / "master.key")
    (directory / "data").mkdir()
    migrate(load(config).database_url())
    clock = SharedClock(directory / "time")
    clock.set(datetime.now(UTC) - timedelta(days=2 * DAYS + 1))
    for client_id, retention in RETENTION.items():
        write_client(directory / "clients", client_id, retention_hours=retention)
    made = kind(config, directory / "data", directory / "time", clock, chance)

    async def register(services: Services) -> None:
        await apply(services, await plan(services, load_folder(directory / "clients")), OPERATOR)

    with_services(made, register)
    return made


def with_services(house: House, work: Any) -> None:
    async def run() -> None:
        async with wired(load(house.config), "worker", house.clock) as services:
            await work(services)

    asyncio.run(run())


async def check(services: Services, house: House, some: list[tuple[str, str]]) -> None:
    """Check that documents can be read exactly as long as their time lasts."""
    now = house.clock()
    for client_id, document_id in some:
        async with services.database.read() as connection:
            found = await documents.find(services.vault, connection, client_id, document_id, now)
        expires_at = house.taken[client_id, document_id]
        if expires_at <= now:
            assert found is None, f"{document_id} was to be gone at {expires_at}; it is {now}"
        else:
            assert found is not None, f"{document_id} is lost; it was to be kept until {expires_at}; it is {now}"
            with await services.vault.open(found.key, found.object) as stream:
                assert stream.read() == content(document_id)


def test_five_days(house: House) -> None:
    begin, number = house.clock(), 0
    for step in range(STEPS):
        house.clock.set(begin + hours(step) + timedelta(seconds=house.chance.randrange(3600)))
        wanted = []
        while number < DOCUMENTS * (step + 1) // STEPS:
            number += 1
            wanted.append((house.chance.choice(list(RETENTION)), f"d{number}"))
        with house.sweepers(house.chance.choice((1, 2))):
            house.upload(wanted, kill=step % 3 == 2)
        asked = house.chance.sample(sorted(house.taken), min(40, len(house.taken)))
        with_services(house, lambda services, some=asked: check(services, house, some))
        if step % 12 == 11:
            with_services(house, lambda services: check_the_disk(services, house))
    assert house.kills >= 100, "the processes were too fast"
    assert len(house.taken) > DOCUMENTS * 0.6
    everything = sorted(house.taken)
    with_services(house, lambda services: check(services, house, everything))
    house.clock.set(begin + hours(STEPS + 121))
    with_services(house, lambda services: check(services, house, everything))
    house.clock.set(datetime.now(UTC) + hours(2))
    with_services(house, lambda services: check_the_disk(services, house))
    objects, keys = house.stored()
    assert (objects, keys) == (set(), set()), "nothing is left of all documents"
    with_services(house, lambda services: check_the_records(services, house))
    print(f"{len(house.taken)} documents, {house.kills} kills")


async def check_the_records(services: Services, house: House) -> None:
    """Effects and records agree: each document was uploaded, expired and destroyed once, and the trail says so once."""
    told: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    async with services.database.read() as connection:
        columns = (event.c.client_id, event.c.document_id, event.c.kind)
        for client_id, document_id, kind in await connection.execute(select(*columns)):
            if document_id is not None:
                told[client_id, document_id][kind] += 1
    once = {"document.uploaded": 1, "document.expired": 1, "document.destroyed": 1}
    assert [name for name, kinds in told.items() if kinds != once] == []
    assert set(house.taken) <= set(told), "what was taken in is recorded"


async def check_the_disk(services: Services, house: House) -> None:
    """After one sweep that nobody interrupts: what is over has neither key nor object left; the rest has both."""
    await sweep(services)
    await sweep(services)
    await remove_orphans(services)
    now = house.clock()
    objects, keys = house.stored()
    async with services.database.read() as connection:
        for (client_id, document_id), expires_at in house.taken.items():
            if expires_at > now:
                found = await documents.find(services.vault, connection, client_id, document_id, now)
                assert found is not None, f"{document_id} is lost"
                assert found.object in objects
                assert found.key_id in keys
        over = await documents.expired(connection, now, 1)
    assert over == []
