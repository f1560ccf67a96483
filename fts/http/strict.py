"""Bodies: capped, timed, and JSON that means one thing only (duplicate members, NaN and deep nesting are refused)."""

import json
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect

from fts.limits import GatewayLimits
from fts.problems import ProblemError


class StrictRoute(APIRoute):
    """A route whose JSON body is read strictly."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """Return the handler, behind the strict request."""
        handler = super().get_route_handler()
        takes_json = self.body_field is not None

        async def strict(request: Request) -> Response:
            checked = _StrictRequest(request.scope, request.receive)
            if takes_json:
                await checked.json()  # here, because the framework hides the reason of a failure
            return await handler(checked)

        return strict


class _StrictRequest(Request):
    async def body(self) -> bytes:
        if not hasattr(self, "_body"):
            limits: GatewayLimits = self.app.state.services.limits
            self._body = b"".join([chunk async for chunk in capped(self, limits.json_bytes)])
        return self._body

    async def json(self) -> Any:
        limits: GatewayLimits = self.app.state.services.limits
        return parse(await self.body(), limits.json_depth)


async def capped(request: Request, most: int) -> AsyncIterator[bytes]:
    """Yield a body of at most `most` octets.

    Raises:
        ProblemError: BODY_TOO_LARGE, UPLOAD_INCOMPLETE.
    """
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > most:
        raise ProblemError("BODY_TOO_LARGE", f"at most {most} octets are taken here")
    count = 0
    try:
        async for chunk in request.stream():
            count += len(chunk)
            if count > most:
                raise ProblemError("BODY_TOO_LARGE", f"at most {most} octets are taken here")
            yield chunk
    except ClientDisconnect as error:
        raise ProblemError("UPLOAD_INCOMPLETE", "the connection ended before the body") from error


def parse(body: bytes, depth: int) -> Any:
    """Parse JSON (RFC 8259) strictly.

    Raises:
        ProblemError: REQUEST_INVALID.
    """
    try:
        value = json.loads(body.decode(), object_pairs_hook=_members, parse_constant=_constant)
        _check_depth(value, depth)
    except (ValueError, RecursionError) as error:
        raise ProblemError("REQUEST_INVALID", f"the body is no JSON that is taken here: {error}") from error
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member occurs twice")
    return members


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _check_depth(value: Any, depth: int) -> None:
    if depth < 0:
        raise ValueError("it is nested too deeply")
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            _check_depth(inner, depth - 1)
