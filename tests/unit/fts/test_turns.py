"""One client's uploads keep no other's waiting: fair intake (FTS-SIG-8, FTS-SEAL-4)."""

import asyncio
import base64
import hashlib
from collections.abc import AsyncIterator
from pathlib import Path

import httpx

from fts.documents.turns import Turns
from tests.support.embedded import Embedded, embedded

DATA = b"%PDF-1.7 a document"
MOST = 2


async def put(http: httpx.AsyncClient, document_id: str, body: AsyncIterator[bytes]) -> httpx.Response:
    digest = base64.b64encode(hashlib.sha256(DATA).digest()).decode()
    headers = {
        "content-type": "application/pdf",
        "content-digest": f"sha-256=:{digest}:",
        "content-disposition": "attachment; filename=a.pdf",
    }
    return await http.put(f"/v1/documents/{document_id}", content=body, headers=headers)


def test_a_client_that_floods_waits_for_itself(tmp_path: Path) -> None:
    reading: list[str] = []

    async def case(gateway: Embedded) -> None:
        flood, other = gateway.http(await gateway.register("flood")), gateway.http(await gateway.register("other"))
        begun, gate = asyncio.Event(), asyncio.Event()

        async def body(name: str) -> AsyncIterator[bytes]:
            reading.append(name)
            if len(reading) == MOST:
                begun.set()
            await gate.wait()
            yield DATA

        async def whole() -> AsyncIterator[bytes]:
            yield DATA

        sent = [asyncio.create_task(put(flood, f"d{number}", body(f"d{number}"))) for number in range(8)]
        await begun.wait()
        answer = await put(other, "mine", whole())
        assert answer.status_code == 202, answer.text
        assert len(reading) == MOST, "nothing is read of those whose turn it is not"
        gate.set()
        assert {answer.status_code for answer in await asyncio.gather(*sent)} == {202}
        assert len(reading) == len(sent)

    async def work() -> None:
        limits = {"client_uploads": MOST, "inspection_wait_seconds": 0.0}
        async with embedded(tmp_path, limits=limits) as gateway:
            await case(gateway)

    asyncio.run(work())


def test_who_gives_up_waiting_leaves_nothing() -> None:
    async def work() -> None:
        turns = Turns(1)
        async with turns.of("town"):
            waiting = asyncio.create_task(turns.of("town").__aenter__())
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.gather(waiting, return_exceptions=True)
        assert turns._gates == {}
        async with turns.of("town"):
            assert len(turns._gates) == 1

    asyncio.run(work())
