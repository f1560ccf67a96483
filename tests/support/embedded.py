"""The gateway's web tier inside the test's process: any peer address, any clock, no server."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from fts.audit.service import Actor
from fts.clients.definition import load_folder
from fts.clients.management import Issued, apply, plan
from fts.configuration import Configuration
from fts.http.outermost import Outermost
from fts.keyring import Keyring
from fts.services import Services
from fts.web import application
from tests.support.gateway import write_client
from tests.support.migrated import migrated

HERE = "203.0.113.7"
OPERATOR = Actor("operator", name="test")
KEY_TOKEN = {"module": "/usr/lib/token.so", "token": "FTS", "label": "master", "pin_file": "/etc/fts/pin"}
"""What PROD must be configured with."""


class HandClock:
    """Time that moves by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def go(self, **by: float) -> None:
        self.now += timedelta(**by)


@dataclass
class Embedded:
    """A running web tier."""

    app: Outermost
    services: Services
    clients: Path
    base: str
    opened: list[httpx.AsyncClient] = field(default_factory=list)

    async def register(self, client_id: str, **more: Any) -> Issued:
        """Make a client from a file."""
        write_client(self.clients, client_id, **{"return_urls": ["https://town.example/return"], **more})
        issued = await apply(self.services, await plan(self.services, load_folder(self.clients)), OPERATOR)
        return next(one for one in issued if one.client_id == client_id)

    def http(self, issued: Issued | None = None, peer: str = HERE, **more: Any) -> httpx.AsyncClient:
        """Return a caller at an address, with credentials or without."""
        auth = None if issued is None else (issued.client_id, issued.secret)
        transport = httpx.ASGITransport(self.app, client=(peer, 50_000), raise_app_exceptions=False)
        self.opened.append(httpx.AsyncClient(transport=transport, base_url=self.base, auth=auth, **more))
        return self.opened[-1]


@asynccontextmanager
async def embedded(directory: Path, clock: HandClock | None = None, **more: Any) -> AsyncIterator[Embedded]:
    """Run a web tier in `directory`; `more` are members of its configuration.

    As PROD it has a plain file's keyring in place of a token's (that is in `tests/contract/test_master_key.py`).
    """
    if more.get("environment") == "PROD":
        more = {"master_key_token": KEY_TOKEN} | more
    values: dict[str, Any] = {
        "environment": "TA",
        "operator": "Test operator",
        "public_url": "https://gateway.example",
        "data": directory / "data",
        "master_key": directory / "master.key",
        "trust_anchors": directory / "root.pem",
        "tsa_url": "http://127.0.0.1:1/tsa",
        **more,
    }
    configuration = Configuration.model_validate(values)
    configuration.data.mkdir(exist_ok=True)
    if not configuration.master_key.exists():
        Keyring.create_file(configuration.master_key)
    await asyncio.to_thread(migrated, configuration.database_url())
    app = application(configuration, clock)
    keyring = Keyring.from_file(configuration.master_key)
    async with AsyncExitStack() as stack:
        with patch("fts.services.keyring_of", return_value=keyring):
            await stack.enter_async_context(_lifespan(app))
        inner: Any = app
        services: Services = inner._app.state.services
        running = Embedded(app, services, directory / "clients", configuration.public_url)
        try:
            yield running
        finally:
            for http in running.opened:
                await http.aclose()


@asynccontextmanager
async def _lifespan(app: Outermost) -> AsyncIterator[None]:
    sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    serving = asyncio.create_task(_served(app, received.get, sent.put))
    await received.put({"type": "lifespan.startup"})
    assert (await sent.get())["type"] == "lifespan.startup.complete"
    try:
        yield
    finally:
        await received.put({"type": "lifespan.shutdown"})
        await sent.get()
        await serving


async def _served(
    app: Outermost, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Awaitable[None]]
) -> None:
    await app({"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}, receive, send)


def code(answer: httpx.Response) -> str:
    """Return the code of a refusal."""
    found: str = json.loads(answer.content)["code"]
    return found
