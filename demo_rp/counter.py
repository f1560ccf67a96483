"""What the routes share: the parts of the counter, the document in a form, the browser behind a request."""

import hashlib
import re
import secrets
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from http.cookies import SimpleCookie
from pathlib import Path
from typing import BinaryIO, Final, cast
from urllib.parse import quote

import httpx
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request

from demo_rp import limits
from demo_rp.forms import signed_name
from demo_rp.gateway import Gateway, Original
from demo_rp.pages import LANGUAGES, Pages
from demo_rp.settings import Settings
from demo_rp.store import Case, Store
from demo_rp.times import Clock

_COOKIE: Final = "demo_rp_browser"
_COOKIE_VALUE: Final = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True)
class Counter:
    """The parts of the counter."""

    settings: Settings
    gateway: Gateway
    store: Store
    pages: Pages
    clock: Clock


def counter_of(request: Request) -> Counter:
    """Return the parts of the counter that a request is for."""
    return cast("Counter", request.app.state.counter)


def browser_of(request: Request) -> str:
    """Return what the store calls the browser behind a request; empty for one without our cookie."""
    value = request.cookies.get(_COOKIE, "")
    return hashlib.sha256(value.encode()).hexdigest() if _COOKIE_VALUE.fullmatch(value) else ""


def remember(request: Request) -> tuple[str, str]:
    """Return what the store calls the browser behind a request, and the Set-Cookie header that keeps it known."""
    value = request.cookies.get(_COOKIE, "")
    if not _COOKIE_VALUE.fullmatch(value):
        value = secrets.token_urlsafe(32)
    cookie = SimpleCookie({_COOKIE: value})[_COOKIE]
    cookie["path"], cookie["samesite"] = "/", "Lax"
    cookie["max-age"], cookie["httponly"] = str(int(limits.KEPT.total_seconds())), True
    cookie["secure"] = counter_of(request).settings.own_url.startswith("https:")
    return hashlib.sha256(value.encode()).hexdigest(), cookie.OutputString()


def own_case(request: Request) -> Case:
    """Return the signing that a request's path names, if this browser began it.

    Raises:
        HTTPException: NOT_FOUND.
    """
    case = counter_of(request).store.find(request.path_params["id"])
    if case is None or case.browser != browser_of(request):
        raise HTTPException(404, "NOT_FOUND")
    return case


def sample_names(folder: Path | None) -> list[str]:
    """Return the names of the sample documents."""
    if folder is None or not folder.is_dir():
        return []
    return sorted(path.name for path in folder.glob("*.pdf") if path.is_file())[: limits.SAMPLES]


@asynccontextmanager
async def chosen(request: Request) -> AsyncIterator[tuple[Original, str]]:
    """Yield the document and the language that were chosen in the form; an uploaded file goes before a sample.

    Raises:
        HTTPException: CHOICE_MISSING, or REQUEST_INVALID.
    """
    folder = counter_of(request).settings.samples
    async with AsyncExitStack() as stack:
        form = await stack.enter_async_context(request.form(max_files=1, max_fields=4, max_part_size=limits.FORM_BYTES))
        upload, sample, language = form.get("file"), form.get("document"), form.get("language")
        if language not in LANGUAGES:
            raise HTTPException(400, "REQUEST_INVALID")
        if isinstance(upload, UploadFile) and upload.filename:
            name, file = _file_name(upload.filename), upload.file
        elif folder is not None and sample in sample_names(folder):
            name = str(sample)
            file = stack.enter_context(await run_in_threadpool((folder / name).open, "rb"))
        else:
            raise HTTPException(400, "CHOICE_MISSING")
        yield await run_in_threadpool(_original, name, file), str(language)


def attachment(name: str, response: httpx.Response) -> dict[str, str]:
    """Return the headers of a download of a signed document."""
    file_name = quote(signed_name(name), safe="")
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{file_name}"}
    if length := response.headers.get("Content-Length"):
        headers["Content-Length"] = length
    return headers


def _file_name(given: str) -> str:
    """Return a file's name without folders and control characters, its ending in small letters."""
    name = "".join(c for c in re.split(r"[/\\]", given)[-1] if c.isprintable()).strip()
    stem, dot, ending = name.rpartition(".")
    if not dot or not ending or len(ending) > limits.ENDING_CHARACTERS:
        stem, dot, ending = name, "", ""
    return f"{stem[: limits.NAME_CHARACTERS].strip(' .') or 'document'}{dot}{ending.lower()}"


def _original(name: str, file: BinaryIO) -> Original:
    digest, size = hashlib.sha256(), 0
    while piece := file.read(limits.CHUNK_BYTES):
        digest.update(piece)
        size += len(piece)
    return Original(name, file, size, digest.digest())
