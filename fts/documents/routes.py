"""`/v1/documents`."""

import asyncio
import base64
import binascii
import re
from collections.abc import AsyncIterator
from email.message import Message
from typing import Annotated, Final

from fastapi import APIRouter, Header, Path, Request, Response
from fastapi.responses import JSONResponse
from pydantic import StringConstraints, TypeAdapter

from fts.clients.service import Client
from fts.destruction import delete_document
from fts.documents import service
from fts.documents.schemas import DOCUMENT_ID, DocumentView, Printable
from fts.http.content import content_response
from fts.http.dependencies import ClientActor, ClientDep, ServicesDep
from fts.http.problem_response import responses
from fts.http.strict import StrictRoute, capped
from fts.media_types import PDF, media_type_of
from fts.problems import ProblemError
from fts.profiles.registry import named

router = APIRouter(prefix="/v1/documents", tags=["documents"], route_class=StrictRoute)

DocumentId = Annotated[
    str,
    Path(pattern=DOCUMENT_ID, description="chosen by the client", examples=["contract-2026-17"]),
]
_DIGEST: Final = re.compile(r"sha-256=:([A-Za-z0-9+/]{43}=):")
_BINARY: Final = {"schema": {"type": "string", "format": "binary"}}
_NAMES: Final = TypeAdapter(Annotated[Printable, StringConstraints(min_length=1, max_length=255)])


@router.put(
    "/{document_id}",
    status_code=201,
    response_model=DocumentView,
    responses={
        202: {"model": DocumentView, "description": "Taken in; the inspection is still under way"},
        **responses(
            "CREDENTIALS_REQUIRED",
            "BODY_TOO_LARGE",
            "DIGEST_REQUIRED",
            "DIGEST_MISMATCH",
            "DOCUMENT_EXISTS",
            "MEDIA_TYPE_UNSUPPORTED",
            "UPLOAD_TOO_SLOW",
            "NOT_A_PDF",
            "DOCUMENT_DAMAGED",
            "DOCUMENT_ENCRYPTED",
            "DOCUMENT_TOO_COMPLEX",
            "XML_DAMAGED",
            "XML_DOCTYPE",
            "XML_TOO_LARGE",
            "XML_NOT_CANONICAL",
            "ASIC_CONTAINER_INVALID",
        ),
    },
    openapi_extra={
        "requestBody": {
            "required": True,
            "description": "PDF and XML are inspected. Any other file is taken under its own media type, if an agreed "
            "profile accepts it: it is signed as octets, in a container.",
            "content": dict.fromkeys((PDF, "application/xml", "text/xml", "*/*"), _BINARY),
        }
    },
)
async def upload(
    request: Request,
    services: ServicesDep,
    client: ClientDep,
    actor: ClientActor,
    document_id: DocumentId,
    content_disposition: Annotated[
        str,
        Header(
            max_length=2000,
            description="the file's name as the signer reads it (RFC 6266, RFC 8187); in a header, since addresses are "
            "written into logs",
            examples=["attachment; filename*=UTF-8''contract.pdf"],
        ),
    ],
    content_digest: Annotated[
        str | None,
        Header(
            description="`sha-256=:<base64>:` (RFC 9530)",
            examples=["sha-256=:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=:"],
        ),
    ] = None,
) -> Response:
    """Upload a document as raw octets; the same id with the same content may be sent again, other content not."""
    media_type = _agreed(client, request.headers.get("content-type", ""))
    wanted = service.Upload(document_id, _file_name(content_disposition), _sha256(content_digest), media_type)
    try:
        async with services.uploads.of(client.id), asyncio.timeout(services.limits.upload_seconds):
            received = await service.receive(services, client, actor, wanted, _body(request, services))
    except TimeoutError as error:
        seconds = services.limits.upload_seconds
        raise ProblemError("UPLOAD_TOO_SLOW", f"the document did not arrive within {seconds:g} s") from error
    document = await service.inspected(services, received)
    view = DocumentView.of(document).model_dump(mode="json")
    location = {"Location": f"/v1/documents/{document_id}"}
    return JSONResponse(view, 202 if document.state == "inspecting" else 201, location)


@router.get("/{document_id}", responses=responses("CREDENTIALS_REQUIRED", "DOCUMENT_NOT_FOUND"))
async def read(services: ServicesDep, client: ClientDep, document_id: DocumentId) -> DocumentView:
    """Read what is known of a document."""
    async with services.database.read() as connection:
        return DocumentView.of(await service.get(services.vault, connection, client.id, document_id, services.clock()))


@router.get(
    "/{document_id}/content",
    response_class=Response,
    responses={
        200: {"content": {"*/*": _BINARY}, "description": "The octets, with the media type of the upload"},
        206: {"content": {"*/*": _BINARY}, "description": "One range"},
        **responses("CREDENTIALS_REQUIRED", "DOCUMENT_NOT_FOUND", "RANGE_NOT_SATISFIABLE"),
    },
)
async def download(
    services: ServicesDep,
    client: ClientDep,
    actor: ClientActor,
    document_id: DocumentId,
    range_: Annotated[str | None, Header(alias="Range", max_length=100, examples=["bytes=0-1023"])] = None,
) -> Response:
    """Download the document as it was uploaded."""
    document = await service.downloaded(services, client, actor, document_id)
    file = await services.vault.open(document.key, document.object)
    return content_response(file, document.size, document.sha256, document.name, range_, media_type=document.media_type)


@router.delete(
    "/{document_id}",
    status_code=204,
    responses=responses("CREDENTIALS_REQUIRED", "DOCUMENT_NOT_FOUND", "DOCUMENT_IN_USE"),
)
async def delete(services: ServicesDep, client: ClientDep, actor: ClientActor, document_id: DocumentId) -> None:
    """Destroy a document with everything derived from it: results, previews, signings."""
    await delete_document(services, client.id, actor, document_id)


def _agreed(client: Client, header: str) -> str:
    """Return the media type of an upload, which one of the client's profiles must accept."""
    media_type = media_type_of(header)
    agreed = [named(name) for name in client.definition.profiles]
    if media_type is None or not any(profile.does_accept(media_type) for profile in agreed):
        accepted = ", ".join(sorted({each for profile in agreed for each in profile.accepts}))
        raise ProblemError("MEDIA_TYPE_UNSUPPORTED", f"the agreed profiles accept {accepted}")
    return media_type


async def _body(request: Request, services: ServicesDep) -> AsyncIterator[bytes]:
    async for chunk in capped(request, services.limits.document_bytes):
        yield chunk


def _file_name(header: str) -> str:
    """Return the file name of a Content-Disposition header."""
    try:
        message = Message()
        message["Content-Disposition"] = header
        return _NAMES.validate_python(message.get_filename())
    except (ValueError, LookupError) as error:
        detail = "Content-Disposition: names the file, 1 to 255 printable characters: attachment; filename*=UTF-8''NAME"
        raise ProblemError("REQUEST_INVALID", detail) from error


def _sha256(header: str | None) -> bytes:
    if header is None:
        raise ProblemError("DIGEST_REQUIRED", "a document comes with the digest of its octets")
    found = _DIGEST.search(header)
    if found is None:
        raise ProblemError("DIGEST_REQUIRED", "Content-Digest has no sha-256 in the form sha-256=:<base64>:")
    try:
        return base64.b64decode(found[1], validate=True)
    except binascii.Error as error:
        raise ProblemError("DIGEST_REQUIRED", "the sha-256 in Content-Digest is no base64") from error
