"""The signing page on a stand: the gateway's endpoints without documents, workers or database.

Tests move the stand through states that the real line reaches seldom or late; the page cannot tell the difference.
"""

import asyncio
import base64
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, Final

import uvicorn
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

import fts.page
from fts.page.render import Pages
from fts.page.view import PageView

SIGNING: Final = "0" * 32
DIGEST: Final = base64.b64encode(bytes(32)).decode()
_WAIT_SECONDS: Final = 2.0
_START_SECONDS: Final = 10.0
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
VIEW: Final = PageView(
    signing_id=SIGNING,
    reference="K7QX-2M4P",
    environment="TA",
    language="en",
    languages=("nl", "fr", "de", "en"),
    relying_party="Town of Examples",
    help_address="mailto:help@town.example",
    operator="Operator",
    document_name="contract.pdf",
    kind="pdf",
    media_type="application/pdf",
    are_comments_signed=True,
    pages=2,
    document_size=48_213,
    document_sha256="ab" * 32,
    repaired=(),
    earlier_signatures=0,
    level="PAdES LTA",
    deadline=datetime(2026, 11, 24, 17, 5, tzinfo=UTC),
    retention_until=datetime(2026, 11, 24, 17, 5, tzinfo=UTC) + timedelta(days=5),
    state="opened",
    version=1,
    card_agent=None,
)


@dataclass
class Stand:
    """One signing, whose state the test sets; what the page sends is kept in `posts`."""

    view: PageView = VIEW
    state: str = "opened"
    version: int = 1
    problem: dict[str, str] | None = None
    refuse: dict[str, str] | None = None
    """Problem that the next certificates are refused with."""
    posts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    url: str = ""

    def move(self, state: str, problem: dict[str, str] | None = None) -> None:
        """Put the signing into a state."""
        self.state, self.problem = state, problem
        self.version += 1

    def posted(self, what: str) -> list[dict[str, Any]]:
        """Return the bodies that were sent to an endpoint."""
        return [body for name, body in self.posts if name == what]

    def answer(self) -> dict[str, Any]:
        """Return the state as the gateway tells it."""
        has_ended = self.state in {"completed", "declined", "cancelled", "failed", "expired"}
        return {
            "version": self.version,
            "state": self.state,
            "step": {"preparing": "prepare", "finishing": "timestamp"}.get(self.state),
            "digest": DIGEST if self.state == "prepared" else None,
            "digest_algorithm": "SHA256",
            "problem": self.problem,
            "return_url": f"{self.url}/return?status={self.state}" if has_ended else None,
        }

    def application(self) -> Starlette:
        """Return the stand's web application."""
        pages = Pages(environment="TA", operator="Operator")
        static = Path(fts.page.__file__).parent / "static"

        async def page(request: Request) -> Response:
            view = replace(self.view, state=self.state, version=self.version)
            language = request.query_params.get("lang", view.language)
            html = pages.signing(replace(view, language=language))
            return HTMLResponse(html, headers={"Content-Security-Policy": _POLICY})

        async def state(request: Request) -> Response:
            after = int(request.query_params.get("after", "0"))
            until = time.monotonic() + _WAIT_SECONDS
            while self.version <= after and time.monotonic() < until:  # noqa: ASYNC110 - moved by another thread
                await asyncio.sleep(0.02)
            return JSONResponse(self.answer())

        async def post(request: Request) -> Response:
            what = request.path_params["what"]
            self.posts.append((what, await request.json()))
            if what == "certificate":
                self.move("opened", self.refuse) if self.refuse else self.move("prepared")
            elif what == "signature":
                self.move("finishing")
            elif what == "decline":
                self.move("declined")
            return JSONResponse(self.answer(), status_code=202)

        routes = [
            Route("/return", lambda _: PlainTextResponse("back")),
            Route(f"/sign/{SIGNING}", page),
            Route(f"/sign/{SIGNING}/state", state),
            Route(f"/sign/{SIGNING}/pages/{{number:int}}.png", lambda _: Response(_picture(), media_type="image/png")),
            Route(f"/sign/{SIGNING}/pages/{{number:int}}.txt", lambda _: PlainTextResponse("What the page says.")),
            Route(f"/sign/{SIGNING}/{{what}}", post, methods=["POST"]),
            Mount("/static", StaticFiles(directory=static)),
        ]
        return Starlette(routes=routes)


def _picture() -> bytes:
    octets = BytesIO()
    Image.new("L", (210, 297), 250).save(octets, "PNG")
    return octets.getvalue()


@contextmanager
def standing(stand: Stand) -> Iterator[Stand]:
    """Serve the stand on a free port of the loopback."""
    server = uvicorn.Server(
        uvicorn.Config(stand.application(), port=0, log_level="critical", timeout_graceful_shutdown=1)
    )
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + _START_SECONDS
    while not server.started:
        if time.monotonic() > until:
            raise RuntimeError("the stand does not start")
        time.sleep(0.01)
    stand.url = f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield stand
    finally:
        server.should_exit = True
        thread.join(_START_SECONDS)
