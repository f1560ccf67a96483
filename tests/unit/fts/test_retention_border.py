"""The last second of a document and the first without it (FTS-GDPR-1, FTS-GDPR-2; case S-4)."""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import httpx
import pytest

from fts.audit.service import Event, trail
from fts.services import Services, wired
from fts.upkeep import sweep
from storage.ports import StorageError
from tests.support.embedded import Embedded, HandClock, code, embedded
from tests.support.gateway import named

Case = Callable[[Embedded, HandClock], Awaitable[None]]
DATA = b"%PDF-1.7 anything: nobody inspects it here"
DAYS = 5


def run(tmp_path: Path, case: Case) -> None:
    async def work() -> None:
        clock = HandClock()
        async with embedded(tmp_path, clock, limits={"inspection_wait_seconds": 0.01}) as gateway:
            await case(gateway, clock)

    asyncio.run(work())


async def taken(http: httpx.AsyncClient, document: str, data: bytes = DATA) -> None:
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    headers = {
        "content-type": "application/pdf",
        "content-digest": f"sha-256=:{digest}:",
        "content-disposition": named("x.pdf"),
    }
    answer = await http.put(f"/v1/documents/{document}", content=data, headers=headers)
    assert answer.status_code == 202, answer.text


def kept(tmp_path: Path) -> tuple[int, int]:
    """Return how many objects and keys are on the disk."""
    data = tmp_path / "data"
    return len(list((data / "objects").glob("town/*"))), len(list((data / "keys").glob("town/*")))


async def events(services: Services, document: str) -> list[Event]:
    found = await trail(services.database, services.keyring, client_id="town", document_id=document)
    return [event for event in found if event.kind not in ("document.uploaded", "document.downloaded")]


@pytest.mark.parametrize("hours", [1, 24 * DAYS])
def test_the_border_is_exact(tmp_path: Path, hours: int) -> None:
    """4 d 23 h, and the last microsecond: whole. That second: unreadable, and destroyed by the next sweep."""

    async def case(gateway: Embedded, clock: HandClock) -> None:
        town = await gateway.register("town", retention_hours=hours)
        http, services = gateway.http(town), gateway.services
        await taken(http, "one")
        clock.go(hours=hours - 1)
        await sweep(services)
        assert (await http.get("/v1/documents/one/content")).content == DATA
        clock.go(hours=1, microseconds=-1)
        await sweep(services)
        assert (await http.get("/v1/documents/one/content")).content == DATA
        assert kept(tmp_path) == (1, 1)
        clock.go(microseconds=1)
        for path in ("/v1/documents/one", "/v1/documents/one/content"):
            assert code(await http.get(path)) == "DOCUMENT_NOT_FOUND", "before any sweep"
        assert b"documents/one" not in (await http.get("/v1/export")).content
        assert kept(tmp_path) == (1, 1)
        await sweep(services)
        assert kept(tmp_path) == (0, 0)
        expired, destroyed = await events(services, "one")
        assert (expired.kind, destroyed.kind) == ("document.expired", "document.destroyed")
        assert expired.data == {"objects": 1, "sha256": [hashlib.sha256(DATA).hexdigest()]}
        assert destroyed.data == {"objects": 1}
        assert expired.at == destroyed.at == clock()
        assert (await http.get("/v1/usage")).status_code == 200, "the account and what is agreed stay"
        await taken(http, "one")

    run(tmp_path, case)


def test_nothing_is_younger_by_being_sent_again(tmp_path: Path) -> None:
    """The five days count from the first upload."""

    async def case(gateway: Embedded, clock: HandClock) -> None:
        http = gateway.http(await gateway.register("town"))
        await taken(http, "one")
        clock.go(days=DAYS, seconds=-1)
        await taken(http, "one")
        clock.go(seconds=1)
        assert code(await http.get("/v1/documents/one")) == "DOCUMENT_NOT_FOUND"

    run(tmp_path, case)


class Dying:
    """A store whose process dies at the n-th deletion."""

    def __init__(self, inner: Any, survives: int) -> None:
        self._inner, self._left = inner, survives

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    async def delete(self, *arguments: Any) -> None:
        if not self._left:
            raise StorageError("the process is gone")
        self._left -= 1
        await self._inner.delete(*arguments)


@pytest.mark.parametrize("dies", ["before the key", "after the key", "never"])
def test_two_replicas_and_one_that_dies(tmp_path: Path, dies: str) -> None:
    """Two at once, one perhaps half-way: each document is destroyed once, and recorded once."""

    async def case(gateway: Embedded, clock: HandClock) -> None:
        http, count = gateway.http(await gateway.register("town")), 12
        for number in range(count):
            await taken(http, f"d{number}", DATA + b"%" * number)
        clock.go(days=DAYS)
        async with AsyncExitStack() as stack:
            replicas = [
                await stack.enter_async_context(wired(gateway.services.configuration, "worker", clock)) for _ in "ab"
            ]
            vault = replicas[0].vault
            if dies == "before the key":
                vault.keys = Dying(vault.keys, 3)
            if dies == "after the key":
                vault.objects = Dying(vault.objects, 3)
            await asyncio.gather(*(sweep(replica) for replica in replicas))
            clock.go(seconds=10)
            await sweep(replicas[1])
            assert kept(tmp_path) == (0, 0)
            for number in range(count):
                found = await events(gateway.services, f"d{number}")
                assert [event.kind for event in found] == ["document.expired", "document.destroyed"], f"d{number}"
                assert found[0].data["sha256"] == [hashlib.sha256(DATA + b"%" * number).hexdigest()]

    run(tmp_path, case)
