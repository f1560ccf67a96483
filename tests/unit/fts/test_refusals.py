"""What a client asked for and did not get is in the trail: FTS-AUD-1."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx
import pytest
from sqlalchemy import select
from sqlalchemy.exc import OperationalError

from fts.audit.models import event
from tests.support.embedded import Embedded, embedded

HEADERS = {
    "content-type": "application/pdf",
    "content-digest": "sha-256=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:",
    "content-disposition": "attachment; filename=a.pdf",
}
Case = Callable[[Embedded, httpx.AsyncClient], Awaitable[None]]


def run(tmp_path: Path, case: Case) -> None:
    async def work() -> None:
        async with embedded(tmp_path) as gateway:
            await case(gateway, gateway.http(await gateway.register("town")))

    asyncio.run(work())


async def refusals(gateway: Embedded) -> list[tuple[Any, ...]]:
    columns = (event.c.client_id, event.c.document_id, event.c.reference, event.c.data)
    async with gateway.services.database.read() as connection:
        return list(map(tuple, await connection.execute(select(*columns).where(event.c.kind == "request.refused"))))


def test_an_upload_that_is_not_what_its_digest_says(tmp_path: Path) -> None:
    async def case(gateway: Embedded, http: httpx.AsyncClient) -> None:
        answer = await http.put("/v1/documents/contract-1", content=b"%PDF-1.7", headers=HEADERS)
        problem = answer.json()
        assert answer.status_code == 422
        data = {"method": "PUT", "route": "/v1/documents/{document_id}", "status": 422, "code": problem["code"]}
        assert await refusals(gateway) == [("town", None, problem["reference"], data)]

    run(tmp_path, case)


def test_what_is_only_read_or_comes_from_nobody_leaves_none(tmp_path: Path) -> None:
    async def case(gateway: Embedded, http: httpx.AsyncClient) -> None:
        assert (await http.get("/v1/documents/contract-1")).status_code == 404
        assert (await gateway.http().put("/v1/documents/contract-1", content=b"x")).status_code == 401
        assert await refusals(gateway) == []

    run(tmp_path, case)


@pytest.mark.parametrize("name", ["a%0ab", "%C2%9Bb", "x" * 65])
def test_a_name_that_is_none_is_not_repeated(tmp_path: Path, name: str) -> None:
    async def case(gateway: Embedded, http: httpx.AsyncClient) -> None:
        answer = await http.delete(f"/v1/documents/{name}")
        assert answer.json()["code"] == "REQUEST_INVALID"
        [(client, document, _, data)] = await refusals(gateway)
        assert (client, document, data["code"]) == ("town", None, "REQUEST_INVALID")

    run(tmp_path, case)


def test_the_answer_is_the_same_where_it_cannot_be_recorded(tmp_path: Path) -> None:
    async def case(gateway: Embedded, http: httpx.AsyncClient) -> None:
        with patch("fts.http.refusals.record", side_effect=OperationalError("INSERT", None, Exception("full"))):
            answer = await http.put("/v1/documents/contract-1", content=b"%PDF-1.7", headers=HEADERS)
        assert answer.status_code == 422
        assert await refusals(gateway) == []

    run(tmp_path, case)
