"""A store that fails for one document keeps no other from its end: FTS-GDPR-1, FTS-GDPR-2."""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from sqlalchemy import func, select, text

from fts.clients.management import offboard
from fts.clients.service import security_mails
from fts.destruction import delete_all
from fts.documents.models import destruction as orders
from fts.errors import RefusalError
from fts.upkeep import sweep
from storage.ports import StorageError
from tests.support.embedded import OPERATOR, Embedded, HandClock, code, embedded

FAILURES = (StorageError("the bucket is away"), RefusalError("CONFIGURATION_INVALID", "no credential", "Add it."))
Case = Callable[[Embedded, HandClock, httpx.AsyncClient], Awaitable[None]]


def run(tmp_path: Path, case: Case) -> None:
    clock = HandClock()

    async def work() -> None:
        async with embedded(tmp_path, clock, limits={"inspection_wait_seconds": 0.0}) as gateway:
            http = gateway.http(await gateway.register("town"))
            for number in range(4):
                data = f"%PDF-1.7 {number}".encode()
                digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
                headers = {
                    "content-type": "application/pdf",
                    "content-digest": f"sha-256=:{digest}:",
                    "content-disposition": "attachment; filename=a.pdf",
                }
                (await http.put(f"/v1/documents/d{number}", content=data, headers=headers)).raise_for_status()
            await case(gateway, clock, http)

    asyncio.run(work())


def failing(gateway: Embedded, failure: Exception) -> Callable[[str], Awaitable[None]]:
    """Return a deletion of objects that fails for the one that is deleted first, always."""
    delete, broken = gateway.services.vault.objects.delete, list[str]()

    async def deleted(name: str) -> None:
        broken[:] = broken or [name]
        if name in broken:
            raise failure
        await delete(name)

    return deleted


def left(tmp_path: Path) -> tuple[int, int]:
    """Return how many objects and keys there are."""
    data = tmp_path / "data"
    return len(list((data / "objects" / "town").iterdir())), len(list((data / "keys" / "town").iterdir()))


async def open_orders(gateway: Embedded) -> int:
    async with gateway.services.database.read() as connection:
        return (await connection.execute(select(func.count()).select_from(orders))).scalar_one()


@pytest.mark.parametrize("failure", FAILURES)
def test_all_that_is_over_goes_though_one_object_cannot(tmp_path: Path, failure: Exception) -> None:
    async def case(gateway: Embedded, clock: HandClock, _http: httpx.AsyncClient) -> None:
        objects = gateway.services.vault.objects
        clock.go(hours=121)
        with patch.object(objects, "delete", failing(gateway, failure)):
            await sweep(gateway.services)
            assert left(tmp_path) == (1, 0), "what cannot be deleted is unreadable"
            assert await open_orders(gateway) == 1
        clock.go(seconds=10)
        await sweep(gateway.services)
        assert (left(tmp_path), await open_orders(gateway)) == ((0, 0), 0)

    run(tmp_path, case)


@pytest.mark.parametrize("failure", FAILURES)
def test_orders_that_were_interrupted_do_not_wait_for_one_that_fails(tmp_path: Path, failure: Exception) -> None:
    async def case(gateway: Embedded, clock: HandClock, _http: httpx.AsyncClient) -> None:
        services = gateway.services
        clock.go(hours=121)
        with patch.object(services.vault.keys, "delete", side_effect=StorageError("the key store is away")):
            await sweep(services)
        assert (left(tmp_path), await open_orders(gateway)) == ((4, 4), 4)
        clock.go(seconds=10)
        with patch.object(services.vault.objects, "delete", failing(gateway, failure)):
            await sweep(services)
        assert (left(tmp_path), await open_orders(gateway)) == ((1, 0), 1)

    run(tmp_path, case)


def test_destroying_all_orders_all_though_the_store_fails(tmp_path: Path) -> None:
    async def case(gateway: Embedded, clock: HandClock, http: httpx.AsyncClient) -> None:
        services = gateway.services
        with patch.object(services.vault.keys, "delete", side_effect=StorageError("the key store is away")):
            answer = await http.delete("/v1/documents")
        assert code(answer) == "STORE_UNAVAILABLE"
        for number in range(4):
            assert code(await http.get(f"/v1/documents/d{number}")) == "DOCUMENT_NOT_FOUND"
        clock.go(seconds=10)
        await sweep(services)
        assert left(tmp_path) == (0, 0)

    run(tmp_path, case)


def test_of_contact_persons_only_the_address_for_security_events_outlives_the_contract(tmp_path: Path) -> None:
    """FTS-GDPR-2, FTS-GDPR-6."""

    async def case(gateway: Embedded, _clock: HandClock, _http: httpx.AsyncClient) -> None:
        people = [
            {"name": "Anna Duty", "mail": "soc@town.example", "role": "security"},
            {"name": "Bert Technician", "mail": "bert@town.example", "role": "technical"},
        ]
        await gateway.register("village", contacts=people)
        await offboard(gateway.services, "village", OPERATOR)
        async with gateway.services.database.read() as connection:
            kept = str((await connection.execute(text("SELECT definition FROM client WHERE id = 'village'"))).scalar())
            assert await security_mails(connection, "village") == ["soc@town.example"]
        assert "Anna" not in kept
        assert "Bert" not in kept
        assert "bert@" not in kept

    run(tmp_path, case)


def test_the_report_of_an_offboarding_counts_what_a_sweep_destroyed_meanwhile(tmp_path: Path) -> None:
    """FTS-OPS-6: the worker's sweep ends what is left of an account, perhaps before the command does."""

    async def case(gateway: Embedded, _clock: HandClock, _http: httpx.AsyncClient) -> None:
        async def after_the_sweep(*arguments: Any, **more: Any) -> dict[str, Any]:
            await sweep(gateway.services)
            return await delete_all(*arguments, **more)

        with patch("fts.clients.management.delete_all", after_the_sweep):
            report = await offboard(gateway.services, "town", OPERATOR)
        assert (report["documents"], report["objects"], report["credentials"]) == (4, 4, 1)
        again = await offboard(gateway.services, "town", OPERATOR)
        assert (again["documents"], again["objects"], again["credentials"]) == (0, 0, 0)

    run(tmp_path, case)
