"""Messages between processes: whole, or the end."""

import asyncio
import socket
import struct

import pytest

from fts.frames import Message, encode, read, receive

MESSAGE: Message = {"document": "a \udce9 name.pdf", "numbers": [1, 2], "nothing": None}


def read_from(octets: bytes) -> Message:
    async def work() -> Message:
        reader = asyncio.StreamReader()
        reader.feed_data(octets)
        reader.feed_eof()
        return await read(reader)

    return asyncio.run(work())


def receive_from(octets: bytes) -> Message | None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(octets)
        theirs.shutdown(socket.SHUT_WR)
        return receive(ours)


def test_message_comes_back_as_it_was() -> None:
    assert read_from(encode(MESSAGE)) == MESSAGE
    assert receive_from(encode(MESSAGE)) == MESSAGE


@pytest.mark.parametrize("octets", [b"", encode(MESSAGE)[:3], encode(MESSAGE)[:-1]])
def test_cut_message_is_the_end(octets: bytes) -> None:
    assert receive_from(octets) is None
    with pytest.raises(EOFError):
        read_from(octets)


@pytest.mark.parametrize(
    "octets",
    [struct.pack(">I", 2**31) + b"{}", struct.pack(">I", 2) + b"[]", struct.pack(">I", 2) + b"\xff{"],
    ids=["too long", "no object", "no JSON"],
)
def test_what_is_no_message_ends_the_exchange(octets: bytes) -> None:
    with pytest.raises(EOFError):
        read_from(octets)
    with pytest.raises(EOFError):
        receive_from(octets)
