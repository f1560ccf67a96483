"""What a client asked for and did not get: a record of its own (FTS-AUD-1: "with which result").

Reading leaves no such record, and what admission refuses never came this far. Of what was sent nothing is kept, its
identifiers included: the reference, which the answer carried too, says which request it was.
"""

import logging
from typing import Final

from fastapi import Request
from sqlalchemy.exc import SQLAlchemyError

from fts.audit.service import record
from fts.clients.service import Authenticated
from fts.http.noticing import actor_of
from fts.problems import Problem
from fts.services import Services

_READING: Final = ("GET", "HEAD", "OPTIONS")
_LOG: Final = logging.getLogger("fts.http")


async def record_refusal(request: Request, problem: Problem) -> None:
    """Record that a change was refused; where that fails, the answer is the same, for nothing was done."""
    found: Authenticated | None = getattr(request.state, "authenticated", None)
    if found is None or request.method in _READING or problem.status >= 500:
        return
    services: Services = request.app.state.services
    route = getattr(request.scope.get("route"), "path", None)
    try:
        async with services.database.write() as work:
            await record(
                work,
                "request.refused",
                actor_of(request),
                client_id=found.client.id,
                method=request.method,
                route=route,
                status=problem.status,
                code=problem.code,
            )
    except (SQLAlchemyError, OSError):
        _LOG.exception("request %s: its refusal is not recorded", request.state.reference)
