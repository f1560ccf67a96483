"""The web tier: an application without state of its own, from a configuration."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from fts import health
from fts.clients import routes as account
from fts.configuration import Configuration
from fts.documents import routes as documents
from fts.http.admission import Admission
from fts.http.outermost import Outermost
from fts.http.problem_response import install
from fts.page.render import Pages
from fts.services import Services, wired
from fts.signings import page_routes
from fts.signings import routes as signings
from fts.timestamps import document_routes as document_timestamps
from fts.timestamps import routes as timestamps
from fts.timestamps.stamper import Stampers, stamping
from fts.tsa.trail import into_trail
from fts.tsa.watch import recording
from timestamping.clock import Clock

_STATIC: Final = Path(__file__).parent / "page" / "static"
_DESCRIPTION: Final = (
    "Upload a PDF, XML or any other file, have it signed in the browser with an eID card, download it with a signature "
    "at level LTA. "
    "Errors are application/problem+json with a stable `code`; times are UTC."
)


class Problem(BaseModel):
    """A refusal (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    remedy: str
    reference: str
    party: str | None = None


def application(configuration: Configuration, clock: Clock | None = None) -> Outermost:
    """Return the gateway's web application."""
    host = configuration.public_url.partition("://")[2]
    app = _routes(configuration, clock)
    return Outermost(
        app,
        lambda: app.state.admission,
        host=host,
        secure=configuration.is_secure,
        most=configuration.limits.connections,
    )


def _clock_recorded(services: Services, stampers: Stampers) -> AbstractAsyncContextManager[None]:
    if stampers.own is None:
        return nullcontext()
    return recording(stampers.own.clock_changes, into_trail(services.database))


def described(configuration: Configuration) -> dict[str, Any]:
    """Return the description of the API (OpenAPI 3.1)."""
    return _description(_routes(configuration, None))


def _routes(configuration: Configuration, clock: Clock | None) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        parts = wired(configuration, "web", clock)
        async with parts as services, stamping(configuration, services.clock) as stampers:
            app.state.services = services
            app.state.stampers = stampers
            app.state.admission = Admission(services)
            tasks = [asyncio.create_task(services.desk.run())]
            await services.bell.listen("web", services.changes.hear)
            async with _clock_recorded(services, stampers):
                yield
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await services.desk.close()

    app = FastAPI(
        title="FTS gateway",
        version="1",
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.state.pages = Pages(environment=configuration.environment, operator=configuration.operator)
    of_clients = (documents, document_timestamps, signings, timestamps, account)
    for router in (*(resource.router for resource in of_clients), page_routes.router, health.router):
        app.include_router(router)
    app.router.routes.append(timestamps.door())
    app.mount("/static", _Static(directory=_STATIC))
    app.add_route("/openapi.json", _openapi, include_in_schema=False)
    install(app)
    return app


class _Static(StaticFiles):
    """Files whose URL carries a version may be kept for a year."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        kept = "public, max-age=31536000, immutable" if b"v=" in scope["query_string"] else "no-cache"
        response.headers["Cache-Control"] = kept
        return response


async def _openapi(request: Request) -> Response:
    return JSONResponse(_description(request.app))


def _description(app: FastAPI) -> dict[str, Any]:
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=_DESCRIPTION, routes=app.routes)
        schemas = schema.setdefault("components", {}).setdefault("schemas", {})
        schemas["Problem"] = Problem.model_json_schema()
        for operations in schema["paths"].values():
            for operation in operations.values():
                operation["responses"].pop("422", None) if _is_default(operation) else None
        schemas.pop("HTTPValidationError", None)
        schemas.pop("ValidationError", None)
        app.openapi_schema = schema
    return app.openapi_schema


def _is_default(operation: dict[str, Any]) -> bool:
    content = operation["responses"].get("422", {}).get("content", {})
    return "application/json" in content and "application/problem+json" not in content
