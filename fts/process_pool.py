"""The processes that read untrusted documents, as the gateway sees them (design, section 4)."""

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from typing import Final, Self

from cryptography.hazmat.primitives.serialization import Encoding

from fts.errors import DocumentTooComplexError, RefusalError
from fts.frames import Message, encode, read
from fts.settings import Settings
from fts.tsa_messages import message_of

Announce = Callable[[str], None]

_DOCUMENTS_PER_PROCESS: Final = 200


class DocumentProcesses:
    """A zygote and up to `size` document processes; an asynchronous context manager.

    Enter it before the process touches a card: the zygote is a program of its own, started without secrets, and
    every document process is forked from it.
    """

    def __init__(self, settings: Settings, size: int = 1) -> None:
        self._configuration = _configuration(settings)
        self._idle: asyncio.LifoQueue[DocumentProcess] = asyncio.LifoQueue()
        self._size = size

    async def __aenter__(self) -> Self:
        ours, theirs = socket.socketpair()
        self._control = ours
        with theirs:
            self._zygote = await asyncio.create_subprocess_exec(
                sys.executable,
                "-I",
                "-m",
                "fts.document_process",
                stdin=theirs.fileno(),
                stdout=asyncio.subprocess.DEVNULL,
                start_new_session=True,
                env={name: value for name, value in os.environ.items() if name != "SOFTHSM2_CONF"},
            )
        try:
            for _ in range(self._size):
                self._idle.put_nowait(await self._fork())
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_exception: object) -> None:
        """End all of them, whatever they do."""
        self._control.close()
        while not self._idle.empty():
            self._idle.get_nowait().close()
        with suppress(ProcessLookupError):
            os.killpg(self._zygote.pid, signal.SIGKILL)
        await self._zygote.wait()

    @asynccontextmanager
    async def process(self) -> AsyncIterator["DocumentProcess"]:
        """Lend a process for one document; one that ended or served long enough is replaced."""
        process = await self._idle.get()
        try:
            if process.spent:
                process.close()
                process = await self._fork()
            yield process
        finally:
            self._idle.put_nowait(process)

    async def _fork(self) -> "DocumentProcess":
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [b"f"], [theirs.fileno()])
            except OSError as error:
                ours.close()
                raise _no_zygote() from error
        reader, writer = await asyncio.open_connection(sock=ours)
        writer.write(self._configuration)
        return DocumentProcess(reader, writer)


class DocumentProcess:
    """One document process: a request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._served = 0
        self._is_ready = False
        self._in_order = True

    @property
    def spent(self) -> bool:
        """Whether it must be replaced."""
        return not self._in_order or self._served >= _DOCUMENTS_PER_PROCESS

    def close(self) -> None:
        """Close the channel; the process ends when it notices."""
        self._writer.close()

    async def call(self, request: Message, announce: Announce) -> Message:
        """Send a request and return its result; `announce` hears the steps on the way.

        Raises:
            RefusalError: the process answered that it cannot be done.
            DocumentTooComplexError: the process ended over the document.
        """
        in_order, self._in_order = self._in_order, False
        await self._wait_until_ready()
        self._served += request["task"] != "finish"
        try:
            self._writer.write(encode(request))
            await self._writer.drain()
            message = await read(self._reader)
            while "step" in message:
                announce(message["step"])
                message = await read(self._reader)
        except (EOFError, ConnectionError) as error:
            raise DocumentTooComplexError("reading the document took more time or memory than it may") from error
        self._in_order = in_order and not message["ends"]
        if "error" in message:
            raise RefusalError(**message["error"])
        result: Message = message["result"]
        return result

    async def _wait_until_ready(self) -> None:
        if not self._is_ready:
            try:
                await read(self._reader)
            except (EOFError, ConnectionError) as error:
                raise _no_zygote() from error
            self._is_ready = True


def _configuration(settings: Settings) -> bytes:
    return encode(
        {
            "anchors": [anchor.public_bytes(Encoding.DER).hex() for anchor in settings.anchors],
            "tsa_url": settings.tsa_url,
            "allowed_urls": settings.allowed_urls,
            "limits": asdict(settings.limits),
            "further_tsas": [message_of(tsa) for tsa in settings.further_tsas],
        }
    )


def _no_zygote() -> RefusalError:
    return RefusalError("INTERNAL_ERROR", "the process for reading documents did not start", "See the messages above.")
