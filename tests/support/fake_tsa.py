"""A timestamping authority on loopback that misbehaves as told, down to its sockets."""

import asyncio
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import Final

Answer = Callable[[bytes], bytes]
"""Makes a reply to a query."""
REPLY_TYPE: Final = "application/timestamp-reply"


@dataclass(frozen=True, slots=True)
class Manner:
    """How one request is answered."""

    answer: Answer
    status: int = 200
    media_type: str = REPLY_TYPE
    headers: Sequence[str] = ()
    before_seconds: float = 0.0
    """Pause before the answer."""
    drip_seconds: float = 0.0
    """Pause after each of its first octets."""
    reset: bool = False
    """Ends the connection with RST in place of an answer."""
    cut: bool = False
    """Ends it half-way through the body."""


@dataclass
class FakeTsa:
    """A running authority: `manners` in turn, the last one for good."""

    manners: list[Manner]
    port: int = 0
    asked: int = 0
    queries: list[bytes] = field(default_factory=list)
    heads: list[list[str]] = field(default_factory=list)
    """Request line and fields of each."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/tsa"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection."""
        try:
            while head := await _head(reader):
                length = next(int(line[15:]) for line in head if line.lower().startswith("content-length:"))
                query = await reader.readexactly(length)
                manner = self.manners[min(self.asked, len(self.manners) - 1)]
                self.asked += 1
                self.queries.append(query)
                self.heads.append(head)
                await self._answer(manner, query, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            return
        finally:
            writer.close()

    async def _answer(self, manner: Manner, query: bytes, writer: asyncio.StreamWriter) -> None:
        if manner.reset:
            raw = writer.get_extra_info("socket")
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
            raise ConnectionResetError
        await asyncio.sleep(manner.before_seconds)
        body = manner.answer(query)
        head = [f"HTTP/1.1 {manner.status} X", f"content-type: {manner.media_type}", f"content-length: {len(body)}"]
        writer.write("\r\n".join([*head, *manner.headers, "", ""]).encode())
        if manner.cut:
            writer.write(body[: len(body) // 2])
            await writer.drain()
            raise ConnectionResetError
        while manner.drip_seconds and body:
            writer.write(body[:1])
            await writer.drain()
            body = body[1:]
            await asyncio.sleep(manner.drip_seconds)
        writer.write(body)
        await writer.drain()


@asynccontextmanager
async def fake_tsa(*manners: Manner) -> AsyncIterator[FakeTsa]:
    """Run one on a free port."""
    tsa = FakeTsa(list(manners))
    connections: set[asyncio.Task[None]] = set()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(tsa.serve(reader, writer))
        connections.add(task)
        task.add_done_callback(connections.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    tsa.port = server.sockets[0].getsockname()[1]
    try:
        yield tsa
    finally:
        server.close()
        for task in list(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()


@contextmanager
def fake_tsa_apart(*manners: Manner) -> Iterator[FakeTsa]:
    """Run one in a thread of its own."""
    loop = asyncio.new_event_loop()
    started: Future[FakeTsa] = Future()
    stop = asyncio.Event()

    async def work() -> None:
        async with fake_tsa(*manners) as tsa:
            started.set_result(tsa)
            await stop.wait()

    def serve() -> None:
        loop.run_until_complete(work())
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield started.result(10)
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()


async def _head(reader: asyncio.StreamReader) -> list[str]:
    lines = []
    while (line := await reader.readline()) not in (b"\r\n", b""):
        lines.append(line.decode("latin-1").strip())
    return lines
