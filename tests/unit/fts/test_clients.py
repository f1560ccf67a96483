"""Clients as reviewed files: FTS-OPS-6, FTS-GDPR-1, FTS-GDPR-7, FTS-ENV-4."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from fts.audit.models import event
from fts.clients.definition import load_folder
from fts.clients.management import apply, offboard, plan, rotate, suspend, withdraw
from fts.clients.models import credential
from fts.errors import RefusalError
from tests.support.embedded import OPERATOR, Embedded, HandClock, embedded
from tests.support.gateway import write_client

Case = Callable[[Embedded], Awaitable[None]]
CONTACT = {"name": "Duty officer", "mail": "security@town.example", "role": "security"}
HTTPS = ["https://town.example/return"]


def run(tmp_path: Path, case: Case, **configuration: Any) -> None:
    async def work() -> None:
        async with embedded(tmp_path, HandClock(), **configuration) as gateway:
            await case(gateway)

    asyncio.run(work())


def test_the_plan_says_what_would_change_and_changes_nothing(tmp_path: Path) -> None:
    async def case(gateway: Embedded) -> None:
        write_client(gateway.clients, "town", return_urls=HTTPS)
        planned = await plan(gateway.services, load_folder(gateway.clients))
        [change] = planned.changes
        assert (change.client_id, change.action) == ("town", "create")
        again = await plan(gateway.services, load_folder(gateway.clients))
        assert again.changes == planned.changes, "nothing was changed"
        await apply(gateway.services, planned, OPERATOR)
        write_client(gateway.clients, "town", return_urls=HTTPS, retention_hours=48)
        [change] = (await plan(gateway.services, load_folder(gateway.clients))).changes
        assert (change.action, change.members) == ("change", {"retention_hours": (120, 48)})

    run(tmp_path, case)


def test_what_is_applied_is_recorded_with_who_did_it(tmp_path: Path) -> None:
    async def case(gateway: Embedded) -> None:
        await gateway.register("town")
        write_client(gateway.clients, "town", return_urls=HTTPS, retention_hours=48)
        await apply(gateway.services, await plan(gateway.services, load_folder(gateway.clients)), OPERATOR)
        assert (await plan(gateway.services, load_folder(gateway.clients))).unchanged == ("town",)
        async with gateway.services.database.read() as connection:
            rows = (await connection.execute(select(event).order_by(event.c.id))).all()
        assert [(row.kind, row.actor, row.client_id) for row in rows] == [
            ("client.created", "operator", "town"),
            ("client.secret_issued", "operator", "town"),
            ("client.changed", "operator", "town"),
        ]
        assert rows[-1].data == {"members": ["retention_hours"]}
        assert all(row.personal_sha256 is not None for row in rows), "who, sealed"

    run(tmp_path, case)


def test_a_file_that_disappears_changes_nothing(tmp_path: Path) -> None:
    async def case(gateway: Embedded) -> None:
        town = await gateway.register("town")
        await gateway.register("other")
        (gateway.clients / "town.toml").unlink()
        planned = await plan(gateway.services, load_folder(gateway.clients))
        assert (planned.changes, planned.without_file) == ((), ("town",))
        assert (await gateway.http(town).get("/v1/usage")).status_code == 200

    run(tmp_path, case)


@pytest.mark.parametrize(
    ("members", "fault"),
    [
        ({"retention_hours": 121}, "retention_hours"),
        ({"retention_hours": 0}, "retention_hours"),
        ({"contacts": []}, "contacts"),
        ({"contacts": [{**CONTACT, "role": "technical"}]}, "security"),
        ({"contacts": [{**CONTACT, "mail": "nobody"}]}, "mail"),
        ({"contacts": [{**CONTACT, "mail": "a@b.example\nBcc: x@y.example"}]}, "mail"),
        ({"networks": ["10.0.0.1/8"]}, "networks"),
        ({"networks": ["everywhere"]}, "networks"),
        ({"networks": ["::ffff:192.0.2.0/120"]}, "IPv4 network"),
        ({"bucket": "../x"}, "bucket"),
        ({"bucket": "UPPER"}, "bucket"),
        ({"place": "US", "place_agreement": "x"}, "EEA"),
        ({"place": "DE"}, "place_agreement"),
        ({"place": "DE", "place_agreement": "FTS-2"}, "place: DE was agreed, but data is kept in BE"),
        ({"return_urls": []}, "return_urls"),
        ({"return_urls": ["http://town.example/"]}, "https://"),
        ({"return_urls": ["https://u:p@town.example/"]}, "credentials"),
        ({"return_urls": ["https://town.example/#x"]}, "fragment"),
        ({"return_urls": ["https://[::1"]}, "no URL"),
        ({"return_urls": ["javascript:alert(1)"]}, "https://"),
        ({"webhook_url": "https://town.example/a b"}, "no URL"),
        ({"profiles": ["PADES_X"]}, "profiles"),
        ({"profiles": []}, "profiles"),
        ({"scopes": []}, "scopes"),
        ({"capacity": {"upload": {"per_minute": 0, "burst": 1, "per_day": 1}}}, "per_minute"),
        ({"capacity": {"fly": {"per_minute": 1, "burst": 1, "per_day": 1}}}, "capacity"),
        ({"surprise": 1}, "surprise"),
        ({"name": "a\u202eb"}, "name"),
        ({"id": "other"}, "must be called other.toml"),
    ],
)
def test_what_is_wrong_in_a_file_is_named(tmp_path: Path, members: dict[str, Any], fault: str) -> None:
    async def case(gateway: Embedded) -> None:
        write_client(gateway.clients, "town", **{"return_urls": HTTPS, **members})
        with pytest.raises(RefusalError, match=fault) as caught:
            await plan(gateway.services, load_folder(gateway.clients))
        assert caught.value.code == "CLIENT_INVALID"

    run(tmp_path, case)


def test_no_two_clients_have_one_bucket(tmp_path: Path) -> None:
    async def case(gateway: Embedded) -> None:
        await gateway.register("town")
        (gateway.clients / "town.toml").unlink()
        write_client(gateway.clients, "thief", return_urls=HTTPS, bucket="town")
        with pytest.raises(RefusalError, match="another client's"):
            await plan(gateway.services, load_folder(gateway.clients))
        write_client(gateway.clients, "twin", return_urls=HTTPS, bucket="town")
        with pytest.raises(RefusalError, match="is that of thief"):
            load_folder(gateway.clients)

    run(tmp_path, case)


def test_a_bucket_stays(tmp_path: Path) -> None:
    async def case(gateway: Embedded) -> None:
        await gateway.register("town")
        write_client(gateway.clients, "town", return_urls=HTTPS, bucket="new")
        with pytest.raises(RefusalError, match="stays town"):
            await plan(gateway.services, load_folder(gateway.clients))

    run(tmp_path, case)


def test_two_secrets_while_they_rotate(tmp_path: Path) -> None:
    async def case(gateway: Embedded) -> None:
        first = await gateway.register("town")
        second = await rotate(gateway.services, "town", OPERATOR, None)
        for secret in (first, second):
            assert (await gateway.http(secret).get("/v1/usage")).status_code == 200
        with pytest.raises(RefusalError, match="2 secrets already") as caught:
            await rotate(gateway.services, "town", OPERATOR, None)
        assert caught.value.code == "CLIENT_SECRETS"
        await withdraw(gateway.services, "town", first.credential_id, OPERATOR)
        assert (await gateway.http(first).get("/v1/usage")).status_code == 401
        assert (await gateway.http(second).get("/v1/usage")).status_code == 200
        await rotate(gateway.services, "town", OPERATOR, None)
        with pytest.raises(RefusalError):
            await withdraw(gateway.services, "town", first.credential_id, OPERATOR)

    run(tmp_path, case)


def test_secrets_are_kept_as_keyed_hashes(tmp_path: Path) -> None:
    async def case(gateway: Embedded) -> None:
        town = await gateway.register("town")
        assert len(town.secret) >= 43, "256 bits"
        async with gateway.services.database.read() as connection:
            [row] = (await connection.execute(select(credential))).all()
        assert town.secret not in str(row)
        assert len(row.mac) == 32

    run(tmp_path, case)


def test_a_suspended_client_may_come_back(tmp_path: Path) -> None:
    async def case(gateway: Embedded) -> None:
        town = await gateway.register("town")
        await suspend(gateway.services, "town", OPERATOR)
        assert (await gateway.http(town).get("/v1/usage")).status_code == 401
        await suspend(gateway.services, "town", OPERATOR, resume=True)
        assert (await gateway.http(town).get("/v1/usage")).status_code == 200

    run(tmp_path, case)


def test_an_id_is_not_used_again(tmp_path: Path) -> None:
    async def case(gateway: Embedded) -> None:
        await gateway.register("town")
        await offboard(gateway.services, "town", OPERATOR)
        with pytest.raises(RefusalError, match="not used again"):
            await plan(gateway.services, load_folder(gateway.clients))
        for refused in (suspend(gateway.services, "town", OPERATOR), rotate(gateway.services, "x", OPERATOR, None)):
            with pytest.raises(RefusalError) as caught:
                await refused
            assert caught.value.code == "CLIENT_UNKNOWN"

    run(tmp_path, case)


def test_production_asks_for_networks(tmp_path: Path) -> None:
    mail = {"host": "127.0.0.1", "port": 1, "sender": "fts@gateway.example", "operators": ["duty@gateway.example"]}

    async def case(gateway: Embedded) -> None:
        write_client(gateway.clients, "town", return_urls=HTTPS)
        with pytest.raises(RefusalError, match="FTS-ENV-4"):
            await plan(gateway.services, load_folder(gateway.clients))
        for network in ("0.0.0.0/0", "128.0.0.0/1", "203.0.0.0/15", "::/0", "2001::/31"):
            write_client(gateway.clients, "town", return_urls=HTTPS, networks=["192.0.2.7/32", network])
            with pytest.raises(RefusalError, match=r"everybody's.*FTS-ENV-4"):
                await plan(gateway.services, load_folder(gateway.clients))
        write_client(gateway.clients, "town", return_urls=HTTPS, networks=["203.0.0.0/16", "2001:db8::/32"])
        assert [change.action for change in (await plan(gateway.services, load_folder(gateway.clients))).changes]

    run(tmp_path, case, environment="PROD", mail=mail, key_store=tmp_path / "keys")
