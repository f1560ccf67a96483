"""Security events that come to light while a request is answered, with the client whom they are about (FTS-GDPR-6)."""

from typing import Final

from fastapi import Request
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from fts.audit.service import Actor
from fts.clients.service import Authenticated
from fts.incidents.service import Finding, Kind
from fts.services import Services
from fts.signings.models import signing as signings
from storage.envelope import EnvelopeError
from storage.ports import ObjectMissingError

_DAMAGE: Final = (EnvelopeError, ObjectMissingError)
"""What a stored object raises that is not the one that was kept."""


async def notice_refusal(request: Request, kind: Kind) -> None:
    """Take in a request that was refused; whoever asks at the signing page is a signer."""
    route = getattr(request.scope.get("route"), "path", "the page")
    _services(request).desk.notice(Finding(kind, await _whose(request), actor_of(request), route))


def actor_of(request: Request) -> Actor:
    """Return who asks: the client of the credentials, and without any a signer."""
    state = request.state
    address = None if state.address is None else str(state.address)
    found: Authenticated | None = getattr(state, "authenticated", None)
    if found is None:
        return Actor("signer", address, state.reference)
    return Actor("client", address, state.reference, found.credential_id)


async def notice_damage(request: Request, error: Exception) -> None:
    """Take in a failure that means that a stored object was changed, swapped or removed; other failures are none.

    What shows only after the answer began comes wrapped in the framework's RuntimeError.
    """
    if isinstance(error.__cause__ if isinstance(error, RuntimeError) else error, _DAMAGE):
        actor = Actor("system", reference=request.state.reference)
        finding = Finding("document_changed", await _whose(request), actor, request.url.path)
        _services(request).desk.notice(finding)


async def _whose(request: Request) -> str | None:
    """Return the client of the credentials, or the one whose signing it is; None where neither can be told."""
    found: Authenticated | None = getattr(request.state, "authenticated", None)
    if found is not None:
        return found.client.id
    signing_id = request.path_params.get("signing_id")
    if signing_id is None:
        return None
    try:
        async with _services(request).database.read() as connection:
            owner: str | None = await connection.scalar(select(signings.c.client_id).where(signings.c.id == signing_id))
    except (SQLAlchemyError, OSError):
        return None
    return owner


def _services(request: Request) -> Services:
    services: Services = request.app.state.services
    return services
