"""`/v1/timestamps`, and the door of the gateway's own authority at `/tsa`."""

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Depends, Request
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from fts.http.dependencies import ClientActor, ClientDep, ServicesDep
from fts.http.problem_response import responses
from fts.http.strict import StrictRoute
from fts.problems import ProblemError
from fts.timestamps import service
from fts.timestamps.schemas import BatchOrder, BatchView, ItemView, RefusedView, TimestampOrder, TimestampView
from fts.timestamps.service import Outcome
from fts.timestamps.stamper import Stampers
from timestamping.authority.ports import Caller

if TYPE_CHECKING:
    from timestamping.authority.app import TimestampingApp

router = APIRouter(prefix="/v1/timestamps", tags=["timestamps"], route_class=StrictRoute)

_PROBLEMS = responses(
    "CREDENTIALS_REQUIRED",
    "SCOPE_MISSING",
    "CAPACITY_EXCEEDED",
    "BODY_TOO_LARGE",
    "TIMESTAMP_REFUSED",
    "TIMESTAMP_OPTION_REFUSED",
    "TIMESTAMP_SUSPENDED",
    "TIMESTAMP_UNAVAILABLE",
    "TIMESTAMP_INVALID",
)


def _stampers(request: Request) -> Stampers:
    stampers: Stampers = request.app.state.stampers
    return stampers


StampersDep = Annotated[Stampers, Depends(_stampers)]


@router.post("", status_code=201, responses=_PROBLEMS)
async def create(
    services: ServicesDep, client: ClientDep, actor: ClientActor, stampers: StampersDep, order: TimestampOrder
) -> TimestampView:
    """Timestamp a hash. Nothing is kept but the record; the same request again gets another token."""
    stamper = await stampers.stamper()
    return TimestampView.of(await service.stamp(services, stamper, client, actor, order.request()))


@router.post("/batch", status_code=201, responses=_PROBLEMS)
async def create_batch(
    services: ServicesDep, client: ClientDep, actor: ClientActor, stampers: StampersDep, order: BatchOrder
) -> BatchView:
    """Timestamp up to 100 hashes; each counts against the capacity, and each has its own result."""
    stamper = await stampers.stamper()
    requests = [item.request() for item in order.items]
    outcomes = await service.stamp_batch(services, stamper, client, actor, requests)
    return BatchView(results=[_item(outcome) for outcome in outcomes])


def _item(outcome: Outcome) -> ItemView:
    if not isinstance(outcome, ProblemError):
        return ItemView(timestamp=TimestampView.of(outcome))
    problem = outcome.problem
    known = {name: value for name, value in outcome.more.items() if name in RefusedView.model_fields}
    view = RefusedView(code=problem.code, title=problem.title, detail=str(outcome), remedy=problem.remedy, **known)
    return ItemView(problem=view)


class _Door:
    """Hands queries to the authority where there is one (bare ASGI); who may ask was decided outermost."""

    def __init__(self) -> None:
        self._door: TimestampingApp | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        stampers: Stampers = scope["app"].state.stampers
        if stampers.own is None:
            raise ProblemError("NOT_FOUND", "no timestamping authority is configured here")
        if self._door is None:
            from timestamping.authority.app import TimestampingApp  # noqa: PLC0415 - only where there is an authority

            self._door = TimestampingApp(stampers.own.authority, _caller)
        await self._door(scope, receive, send)


def door() -> Route:
    """Return the route of the authority."""
    return Route("/tsa", _Door(), methods=["POST"], include_in_schema=False)


async def _caller(scope: Scope) -> Caller:
    state: dict[str, Any] = scope["state"]
    found = state.get("authenticated")
    address = state["address"]
    return Caller(
        client_id=None if found is None else found.client.id,
        address=None if address is None else str(address),
        reference=state["reference"],
    )
