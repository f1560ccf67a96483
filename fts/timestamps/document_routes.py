"""`/v1/documents/{id}/timestamps`."""

from pathlib import PurePath
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Header, Path
from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict

from fts.documents.routes import DocumentId
from fts.documents.schemas import ProblemView, Time
from fts.http.content import content_response
from fts.http.dependencies import ClientActor, ClientDep, ServicesDep
from fts.http.problem_response import responses
from fts.http.strict import StrictRoute
from fts.timestamps import documents as service
from fts.timestamps.documents import MEDIA_TYPES, SUFFIXES, DocumentTimestamp
from fts.timestamps.forms import Form

router = APIRouter(prefix="/v1/documents/{document_id}/timestamps", tags=["timestamps"], route_class=StrictRoute)

TimestampId = Annotated[
    str, Path(pattern=r"^[0-9a-f]{32}$", examples=["0c3e5a7b9d1f4e6a8b2c4d6e8f0a1b2c"], description="of the timestamp")
]
_OCTETS = {media: {"schema": {"type": "string", "format": "binary"}} for media in MEDIA_TYPES.values()}


class DocumentTimestampOrder(BaseModel):
    """How a stored document is to be timestamped."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"form": "pdf"}]})

    form: Form
    """`pdf`: a document timestamp in the PDF, with validation data; `asic-s`: the upload and a token in a container;
    `detached`: the token alone (`.tst`)."""
    hash_algorithm: Literal["sha-256", "sha-384", "sha-512"] = "sha-256"


class DocumentTimestampView(BaseModel):
    """A timestamp on a stored document."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": "0c3e5a7b9d1f4e6a8b2c4d6e8f0a1b2c",
                    "document": "contract-2026-17",
                    "form": "pdf",
                    "state": "ready",
                    "document_sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    "gen_time": "2026-11-24T08:00:00.000Z",
                    "authority": "CN=Timestamping unit 1,O=Example,C=BE",
                    "size": 61213,
                    "sha256": "60303ae22b998861bce3b28f33eec1be758a213c86c93c076dbe9f558c11c752",
                    "problem": None,
                }
            ]
        }
    )

    id: str
    document: str
    form: Form
    state: Literal["stamping", "ready", "failed"]
    document_sha256: str
    """Of what is timestamped."""
    gen_time: Time | None
    """The time that the timestamp states."""
    authority: str | None
    size: int | None
    """Octets of the result."""
    sha256: str | None
    """Of the result."""
    problem: ProblemView | None

    @classmethod
    def of(cls, found: DocumentTimestamp) -> Self:
        """Return the view of a timestamp."""
        return cls(
            id=found.id,
            document=found.document_id,
            form=found.form,
            state=found.state,
            document_sha256=found.document_sha256.hex(),
            gen_time=found.gen_time,
            authority=found.authority,
            size=found.result_size,
            sha256=None if found.result_sha256 is None else found.result_sha256.hex(),
            problem=None if found.problem is None else ProblemView(**found.problem),
        )


@router.post(
    "",
    status_code=201,
    response_model=DocumentTimestampView,
    responses={
        202: {"model": DocumentTimestampView, "description": "Ordered; it is still being made"},
        **responses(
            "CREDENTIALS_REQUIRED",
            "SCOPE_MISSING",
            "CAPACITY_EXCEEDED",
            "BODY_TOO_LARGE",
            "DOCUMENT_NOT_FOUND",
            "DOCUMENT_NOT_READY",
            "IDEMPOTENCY_MISMATCH",
            "DOCUMENT_DAMAGED",
            "NOT_A_PDF",
            "TIMESTAMP_INVALID",
            "TIMESTAMP_UNAVAILABLE",
        ),
    },
)
async def create(
    services: ServicesDep,
    client: ClientDep,
    actor: ClientActor,
    document_id: DocumentId,
    order: DocumentTimestampOrder,
    idempotency_key: Annotated[
        str | None,
        Header(
            min_length=1,
            max_length=128,
            pattern=r"^[\x21-\x7e]+$",
            description="a repeated request with the same key and content gets the first one's answer",
            examples=["order-4711"],
        ),
    ] = None,
) -> Response:
    """Timestamp a stored document; the result is verified, kept beside it and destroyed with it."""
    digest = order.hash_algorithm.replace("-", "")
    ordered = await service.create(services, client, actor, document_id, order.form, digest, idempotency_key)
    found = await service.made(services, ordered)
    view: dict[str, Any] = DocumentTimestampView.of(found).model_dump(mode="json")
    location = {"Location": f"/v1/documents/{document_id}/timestamps/{found.id}"}
    return JSONResponse(view, 202 if found.state == "stamping" else 201, location)


@router.get("/{timestamp_id}", responses=responses("CREDENTIALS_REQUIRED", "DOCUMENT_NOT_FOUND", "TIMESTAMP_NOT_FOUND"))
async def read(
    services: ServicesDep, client: ClientDep, document_id: DocumentId, timestamp_id: TimestampId
) -> DocumentTimestampView:
    """Read what became of a timestamp that was ordered."""
    return DocumentTimestampView.of(await service.get(services, client.id, document_id, timestamp_id))


@router.get(
    "/{timestamp_id}/content",
    response_class=Response,
    responses={
        200: {"content": _OCTETS, "description": "The PDF, the container or the token"},
        206: {"content": _OCTETS, "description": "One range of it"},
        **responses(
            "CREDENTIALS_REQUIRED",
            "DOCUMENT_NOT_FOUND",
            "TIMESTAMP_NOT_FOUND",
            "TIMESTAMP_NOT_READY",
            "RANGE_NOT_SATISFIABLE",
        ),
    },
)
async def download(
    services: ServicesDep,
    client: ClientDep,
    actor: ClientActor,
    document_id: DocumentId,
    timestamp_id: TimestampId,
    range_: Annotated[str | None, Header(alias="Range", max_length=100, examples=["bytes=0-1023"])] = None,
) -> Response:
    """Download the timestamped PDF, the container or the token."""
    found, document = await service.downloaded(services, client, actor, document_id, timestamp_id)
    # `downloaded` refuses a timestamp without a result
    assert found.result_object is not None and found.result_sha256 is not None  # noqa: S101, PT018
    assert found.result_size is not None  # noqa: S101
    file = await services.vault.open(document.key, found.result_object)
    name = (PurePath(document.name).stem if found.form == "pdf" else document.name) + SUFFIXES[found.form]
    return content_response(
        file, found.result_size, found.result_sha256, name, range_, media_type=MEDIA_TYPES[found.form]
    )
