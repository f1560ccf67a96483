"""What comes to light while a request is answered is reported to the client concerned: FTS-GDPR-6; case F-5."""

import asyncio
import base64
import hashlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from fts.clients.management import Issued
from fts.documents import service as documents
from fts.documents.models import document as document_table
from fts.incidents.models import incident as table
from fts.incidents.service import incident_of
from storage.keys import KeyMissingError
from storage.ports import ObjectMissingError
from tests.samples.sound import SOUND
from tests.support.embedded import Embedded, embedded

DATA = SOUND["one_page"]() + b"%" + bytes(3_000_000)
Case = Callable[[Embedded, httpx.AsyncClient], Awaitable[None]]


def run(tmp_path: Path, case: Case) -> None:
    async def work() -> None:
        async with embedded(tmp_path, limits={"inspection_wait_seconds": 0.0}) as gateway:
            issued: Issued = await gateway.register("town")
            http = gateway.http(issued)
            digest = base64.b64encode(hashlib.sha256(DATA).digest()).decode()
            headers = {
                "content-type": "application/pdf",
                "content-digest": f"sha-256=:{digest}:",
                "content-disposition": "attachment; filename=a.pdf",
            }
            (await http.put("/v1/documents/d", content=DATA, headers=headers)).raise_for_status()
            await case(gateway, http)

    asyncio.run(work())


async def incidents(gateway: Embedded) -> list[tuple[str, str | None, str]]:
    """Return kind, client and what was concerned of all incidents."""
    await gateway.services.desk.close()
    async with gateway.services.database.read() as connection:
        found = [incident_of(row, gateway.services.keyring) for row in await connection.execute(select(table))]
    return [(one.kind, one.client_id, one.concerned) for one in found]


@pytest.mark.parametrize("path", ["/v1/documents/d/content", "/v1/export"])
@pytest.mark.parametrize("place", [20, 400, 2_500_000, -1])
def test_a_change_is_reported_wherever_in_the_object_it_is(tmp_path: Path, path: str, place: int) -> None:
    """In the head of the object, or while its octets are on their way already."""

    async def case(gateway: Embedded, http: httpx.AsyncClient) -> None:
        [file] = (tmp_path / "data" / "objects" / "town").iterdir()
        octets = bytearray(file.read_bytes())
        octets[place] ^= 1
        file.write_bytes(octets)
        # the transport inside the process asserts that an answer comes to its end: this one must not
        with suppress(AssertionError):
            await http.get(path)
        assert await incidents(gateway) == [("document_changed", "town", path)]

    run(tmp_path, case)


def test_an_object_that_is_gone_is_reported(tmp_path: Path) -> None:
    async def case(gateway: Embedded, http: httpx.AsyncClient) -> None:
        [file] = (tmp_path / "data" / "objects" / "town").iterdir()
        file.unlink()
        assert (await http.get("/v1/documents/d/content")).json()["code"] == "DOCUMENT_CHANGED"
        assert await incidents(gateway) == [("document_changed", "town", "/v1/documents/d/content")]

    run(tmp_path, case)


def test_what_is_destroyed_while_it_is_asked_for_is_no_change(tmp_path: Path) -> None:
    """FTS-GDPR-2: between the look at the row and the object, the document is destroyed; nobody is alarmed."""

    async def case(gateway: Embedded, http: httpx.AsyncClient) -> None:
        services = gateway.services
        async with services.database.read() as connection:
            found = await documents.get(services.vault, connection, "town", "d", services.clock())
        assert (await http.delete("/v1/documents/d")).status_code == 204
        with pytest.raises(KeyMissingError):
            await services.vault.open(found.key, found.object)
        key_id, kept = await services.vault.new_key("town")
        with pytest.raises(ObjectMissingError):
            await services.vault.open(await services.vault.key("town", key_id), found.object)
        assert kept.is_kept()
        assert await incidents(gateway) == []

    run(tmp_path, case)


def test_a_guessed_link_is_told_to_the_client_whose_signing_it_is(tmp_path: Path) -> None:
    async def case(gateway: Embedded, http: httpx.AsyncClient) -> None:
        services = gateway.services
        async with services.database.write() as work:
            document = await documents.get(services.vault, work.connection, "town", "d", work.now)
            await documents.judge(
                work,
                document,
                state="ready",
                pages=1,
                signatures=0,
                effective_object=document.object,
                effective_sha256=document.sha256,
            )
            assert (await work.connection.execute(select(document_table.c.state))).scalar_one() == "ready"
        order = {"document": "d", "return_url": "https://town.example/return"}
        signing = (await http.post("/v1/signings", json=order)).raise_for_status().json()
        browser = gateway.http(headers={"origin": gateway.base})
        refused = await browser.post(f"/sign/{signing['id']}/session", json={"secret": "guessed"})
        assert refused.json()["code"] == "LINK_INVALID"
        assert [found[:2] for found in await incidents(gateway)] == [("link_refused", "town")]

    run(tmp_path, case)
