"""Whether the process lives, and whether it can serve."""

from datetime import timedelta

from fastapi import APIRouter, Request
from sqlalchemy import text

from fts.audit.chain import lag
from fts.http.dependencies import ServicesDep
from fts.http.problem_response import responses
from fts.problems import ProblemError
from fts.steady import SteadyClock
from storage.ports import StorageError

router = APIRouter(prefix="/health", tags=["health"])


@router.get("/live")
async def live() -> dict[str, str]:
    """Answer that the process runs."""
    return {"status": "live"}


@router.get("/ready", responses=responses("NOT_READY"))
async def ready(request: Request, services: ServicesDep) -> dict[str, str]:
    """Answer that records are taken, the object store works and the gateway's own authority may issue tokens."""
    try:
        async with services.database.read() as connection:
            await connection.execute(text("SELECT version_num FROM alembic_version"))
    except Exception as error:
        raise ProblemError("NOT_READY", f"the database does not answer ({type(error).__name__})") from error
    if (since := services.desk.unwritten_since) is not None:
        raise ProblemError("NOT_READY", f"the database takes no records since {since.isoformat(timespec='seconds')}")
    behind = await lag(services.database, services.clock())
    if behind > timedelta(seconds=services.limits.trail_lag_seconds):
        raise ProblemError("NOT_READY", f"the trail's sequencer is {behind.total_seconds():.0f} s behind")
    if isinstance(services.clock, SteadyClock) and services.clock.jump is not None:
        raise ProblemError("NOT_READY", "the clock jumped; set it right and restart the process")
    own = request.app.state.stampers.own
    if own is not None and (faults := own.faults()):
        raise ProblemError("NOT_READY", f"the timestamping authority issues nothing: {'; '.join(faults)}")
    try:
        await services.vault.objects.check()
    except StorageError as error:
        raise ProblemError("NOT_READY", f"the object store does not work: {error}") from error
    return {"status": "ready"}
