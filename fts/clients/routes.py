"""What a client asks about its account as a whole: `/v1/export`, `/v1/usage`, `DELETE /v1/documents`."""

from typing import Any

from fastapi import APIRouter
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field

from fts import export
from fts.clients.capacity import used
from fts.destruction import delete_all
from fts.http.dependencies import ClientActor, ClientDep, ServicesDep
from fts.http.problem_response import responses
from fts.http.strict import StrictRoute

router = APIRouter(prefix="/v1", tags=["account"], route_class=StrictRoute)

_TAR: dict[str, Any] = {export.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}


class OperationUsage(BaseModel):
    """What was used of one operation today, and what is agreed."""

    operation: str = Field(description="`upload`, `sign`, `download`, `read` or `custody`")
    count: int = Field(description="requests let in since midnight UTC, counted in small portions when they come fast")
    octets: int = Field(description="octets taken in since midnight UTC (uploads)")
    available: int = Field(description="requests that would be let in at once, now")
    per_minute: int
    burst: int
    per_day: int
    bytes_per_day: int | None


class UsageView(BaseModel):
    """Usage of a client."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "operations": [
                        {
                            "operation": "upload",
                            "count": 17,
                            "octets": 812_345,
                            "available": 60,
                            "per_minute": 120,
                            "burst": 60,
                            "per_day": 20_000,
                            "bytes_per_day": 107_374_182_400,
                        }
                    ]
                }
            ]
        }
    )

    operations: list[OperationUsage]


class DestructionView(BaseModel):
    """What was destroyed."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"documents": 12, "objects": 31, "in_use": ["contract-2026-17"]}]}
    )

    documents: int
    objects: int = Field(description="originals, results, previews and what was kept between two steps")
    in_use: list[str] = Field(description="documents that stay because a signature is being finished: ask again")


@router.get("/usage", responses=responses("CREDENTIALS_REQUIRED"))
async def usage(services: ServicesDep, client: ClientDep) -> UsageView:
    """Read what was used of the agreed capacity."""
    async with services.database.read() as connection:
        found = await used(connection, client, services.clock())
    return UsageView(
        operations=[
            OperationUsage(
                operation=one.operation,
                count=one.count,
                octets=one.octets,
                available=one.available,
                **one.agreed.model_dump(),
            )
            for one in found
        ]
    )


@router.get(
    "/export",
    response_class=StreamingResponse,
    responses={
        200: {"content": _TAR, "description": "A tar archive with all documents, results, their data and the trail"},
        **responses("CREDENTIALS_REQUIRED"),
    },
)
async def export_all(services: ServicesDep, client: ClientDep, actor: ClientActor) -> StreamingResponse:
    """Get a copy of all that is kept for the client; an archive that breaks off is not complete."""
    ids = await export.begin(services, client, actor)
    headers = {
        "Content-Disposition": f'attachment; filename="{client.id}.tar"',
        "Cache-Control": "private, no-store",
    }
    body = export.archive(services, client, actor, ids)
    return StreamingResponse(body, headers=headers, media_type=export.MEDIA_TYPE)


@router.delete("/documents", responses=responses("CREDENTIALS_REQUIRED"))
async def destroy_all(services: ServicesDep, client: ClientDep, actor: ClientActor) -> DestructionView:
    """Destroy all documents with everything derived from them; signings that wait for a signer are cancelled."""
    return DestructionView(**await delete_all(services, client.id, actor, even_in_use=False))
