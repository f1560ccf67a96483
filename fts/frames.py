"""Messages between the gateway and a document process: JSON objects, each behind its length in 4 octets, big-endian."""

import json
import socket
import struct
from asyncio import StreamReader
from contextlib import suppress
from typing import Any

Message = dict[str, Any]

_LENGTH = struct.Struct(">I")
_MOST_BYTES = 64 * 1024 * 1024


def encode(message: Message) -> bytes:
    """Return a message as it goes over the wire."""
    body = json.dumps(message, separators=(",", ":")).encode("ascii")
    return _LENGTH.pack(len(body)) + body


async def read(reader: StreamReader) -> Message:
    """Return the next message.

    Raises:
        EOFError: the other side is gone, or sent what is no message.
    """
    (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
    return _decoded(await reader.readexactly(_checked(length)))


def receive(channel: socket.socket) -> Message | None:
    """Return the next message of a blocking socket, None at its end."""
    head = _exactly(channel, _LENGTH.size)
    if head is None:
        return None
    body = _exactly(channel, _checked(_LENGTH.unpack(head)[0]))
    return None if body is None else _decoded(body)


def _checked(length: int) -> int:
    if length > _MOST_BYTES:
        raise EOFError("the message is too long")
    return length


def _decoded(body: bytes) -> Message:
    with suppress(ValueError):
        message = json.loads(body)
        if isinstance(message, dict):
            return message
    raise EOFError("what came is no message")


def _exactly(channel: socket.socket, count: int) -> bytes | None:
    octets = bytearray()
    while len(octets) < count:
        piece = channel.recv(count - len(octets))
        if not piece:
            return None
        octets += piece
    return bytes(octets)
