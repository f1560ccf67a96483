"""`/v1/signings`."""

from typing import Annotated

from fastapi import APIRouter, Header, Path, Response

from fts.documents import service as documents
from fts.documents.service import Document
from fts.http.content import content_response
from fts.http.dependencies import ClientActor, ClientDep, ServicesDep
from fts.http.problem_response import responses
from fts.http.strict import StrictRoute
from fts.problems import ProblemError
from fts.profiles.format import Format
from fts.services import Services
from fts.signings import service, store
from fts.signings.schemas import SigningOrder, SigningView
from fts.signings.store import Signing

router = APIRouter(prefix="/v1/signings", tags=["signings"], route_class=StrictRoute)

SigningId = Annotated[
    str, Path(pattern=r"^[0-9a-f]{32}$", examples=["5f0c9a1e7b3d4c2f8e6a0b1c2d3e4f50"], description="of the signing")
]
_BINARY = {"schema": {"type": "string", "format": "binary"}}
_SIGNED = {form.media_type: _BINARY for form in Format}


@router.post(
    "",
    status_code=201,
    responses=responses(
        "CREDENTIALS_REQUIRED",
        "DOCUMENT_NOT_FOUND",
        "DOCUMENT_NOT_READY",
        "RETURN_URL_UNKNOWN",
        "IDEMPOTENCY_MISMATCH",
        "BODY_TOO_LARGE",
        "DOCUMENT_DAMAGED",
        "PROFILE_NOT_AGREED",
        "PROFILE_UNSUITABLE",
        "DOCUMENT_NAME",
    ),
)
async def create(
    services: ServicesDep,
    client: ClientDep,
    actor: ClientActor,
    order: SigningOrder,
    response: Response,
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
) -> SigningView:
    """Create a signing for a document that is ready, and get the address for the signer."""
    signing = await service.create(services, client, actor, order.order(), idempotency_key)
    response.headers["Location"] = f"/v1/signings/{signing.id}"
    return SigningView.created(services, signing, await _document(services, signing))


@router.get("/{signing_id}", responses=responses("CREDENTIALS_REQUIRED", "SIGNING_NOT_FOUND"))
async def read(services: ServicesDep, client: ClientDep, signing_id: SigningId) -> SigningView:
    """Read a signing: the truth about it, whatever the browser came back with."""
    async with services.database.read() as connection:
        signing = await store.of_client(services.vault, connection, client.id, signing_id, services.clock())
    return SigningView.of(services, signing, await _document(services, signing))


@router.post(
    "/{signing_id}/cancel",
    responses=responses("CREDENTIALS_REQUIRED", "SIGNING_NOT_FOUND", "SIGNING_ENDED", "SIGNING_FINISHING"),
)
async def cancel(services: ServicesDep, client: ClientDep, actor: ClientActor, signing_id: SigningId) -> SigningView:
    """End a signing before the signer has signed."""
    signing = await service.cancel(services, client, actor, signing_id)
    return SigningView.of(services, signing, await _document(services, signing))


@router.get(
    "/{signing_id}/content",
    response_class=Response,
    responses={
        200: {"content": _SIGNED, "description": "The signed document, or the container with it"},
        206: {"content": _SIGNED, "description": "One range of it"},
        **responses("CREDENTIALS_REQUIRED", "SIGNING_NOT_FOUND", "SIGNING_NOT_COMPLETED", "RANGE_NOT_SATISFIABLE"),
    },
)
async def download(
    services: ServicesDep,
    client: ClientDep,
    actor: ClientActor,
    signing_id: SigningId,
    range_: Annotated[str | None, Header(alias="Range", max_length=100, examples=["bytes=0-1023"])] = None,
) -> Response:
    """Download the signed document."""
    async with services.database.write() as work:
        signing = await store.of_client(services.vault, work.connection, client.id, signing_id, work.now)
        if signing.result_object is None or signing.result_size is None or signing.result_sha256 is None:
            raise ProblemError("SIGNING_NOT_COMPLETED", f"the signing is {signing.state.public}")
        document = await documents.get(services.vault, work.connection, client.id, signing.document_id, work.now)
        await store.note(work, signing, "signing.downloaded", actor, sha256=signing.result_sha256.hex())
    file = await services.vault.open(document.key, signing.result_object)
    name, media_type = signing.asked.file_name(document.name), signing.asked.format.media_type
    return content_response(file, signing.result_size, signing.result_sha256, name, range_, media_type=media_type)


async def _document(services: Services, signing: Signing) -> Document:
    async with services.database.read() as connection:
        return await documents.get(services.vault, connection, signing.client_id, signing.document_id, services.clock())
