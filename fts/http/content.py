"""Octets of a stored object as an answer: whole, or one range of it (RFC 9110, clause 14)."""

import asyncio
import base64
import re
from collections.abc import AsyncIterator
from typing import BinaryIO, Final
from urllib.parse import quote

from starlette.background import BackgroundTask
from starlette.responses import Response, StreamingResponse

from fts.problems import ProblemError
from storage.envelope import EnvelopeError

_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
_CHUNK: Final = 1 << 18


def content_response(
    file: BinaryIO,
    size: int,
    sha256: bytes,
    name: str,
    requested: str | None,
    *,
    media_type: str = "application/pdf",
) -> Response:
    """Return the content of `file`, which is read once and closed at the end; only a single range is honoured.

    Raises:
        ProblemError: RANGE_NOT_SATISFIABLE.
    """
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": f'"{sha256.hex()}"',
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
        "Repr-Digest": f"sha-256=:{base64.b64encode(sha256).decode()}:",
        "Cache-Control": "private, no-store",
    }
    start, end, status = 0, size, 200
    matched = _RANGE.fullmatch(requested or "")
    if matched and matched[0] != "bytes=-":
        first, last = matched[1], matched[2]
        if first:
            start, end = int(first), min(size, int(last) + 1) if last else size
        else:
            start = max(0, size - int(last))
        if start >= end:
            file.close()
            raise ProblemError("RANGE_NOT_SATISFIABLE", f"the content has {size} octets")
        status = 206
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
    else:
        headers["Content-Digest"] = headers["Repr-Digest"]
    headers["Content-Length"] = str(end - start)
    body = _pieces(file, start, end)
    return StreamingResponse(body, status, headers, media_type=media_type, background=BackgroundTask(_close, file))


async def _pieces(file: BinaryIO, start: int, end: int) -> AsyncIterator[bytes]:
    """Yield a part of what is read once: what stands before it is read, too, since it is authenticated in order."""
    position = 0
    try:
        while position < end:
            piece = await asyncio.to_thread(_read, file, min(_CHUNK, end - position), end - position)
            if not piece:
                raise EnvelopeError("the stored object is shorter than it was")
            if position + len(piece) > start:
                yield piece[max(0, start - position) :]
            position += len(piece)
    finally:
        await _close(file)


def _read(file: BinaryIO, most: int, left: int) -> bytes:
    """Read; what is read to its end is closed at once, before it needs another hand-over."""
    piece = file.read(most)
    if len(piece) >= left:
        file.close()
    return piece


async def _close(file: BinaryIO) -> None:
    if not file.closed:
        await asyncio.to_thread(file.close)
