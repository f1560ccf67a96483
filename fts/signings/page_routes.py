"""`/sign`: the signer's page and what its script calls. The session is a cookie of this one signing."""

import asyncio
import base64
from typing import Annotated, Any, Final
from urllib.parse import urlencode, urlsplit, urlunsplit

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse
from pydantic import BaseModel, ConfigDict, StringConstraints

from fts.clients.service import find as find_client
from fts.documents import service as documents
from fts.documents.previews import page_of
from fts.http.content import content_response
from fts.http.dependencies import ServicesDep, SignerActor
from fts.http.problem_response import problem_body
from fts.http.strict import StrictRoute
from fts.media_types import OCTETS, PDF, XML_TYPES
from fts.page.render import Pages
from fts.page.view import Kind, PageView
from fts.problems import ProblemError
from fts.services import Services
from fts.signings import session
from fts.signings.states import State
from fts.signings.store import Signing, note

router = APIRouter(prefix="/sign", route_class=StrictRoute, include_in_schema=False)

_COOKIE: Final = "fts-session"
_PICTURE_CACHE: Final = "private, max-age=3600"

SigningId = Annotated[str, Path(pattern=r"^[0-9a-f]{32}$")]
Base64 = Annotated[str, StringConstraints(max_length=16_384)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LinkSecret(_Body):
    """What stands behind the # of the link."""

    secret: Annotated[str, StringConstraints(max_length=128)]


class GivenCertificate(_Body):
    """The signer's certificate and its issuers, DER in base64."""

    certificate: Base64
    chain: list[Base64]


class GivenValue(_Body):
    """The signature value and the digest that it is over, in base64."""

    digest: Base64
    signature: Base64


class CardResult(_Body):
    """What the card software answered."""

    result: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,64}$")]


def _same_origin(request: Request, services: ServicesDep) -> None:
    """Refuse what another site's page sends."""
    if request.headers.get("origin") != services.configuration.public_url:
        raise ProblemError("ORIGIN_REFUSED", "the request does not come from the signing page")
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise ProblemError("MEDIA_TYPE_UNSUPPORTED", "the signing page sends JSON")


async def _signing(request: Request, services: ServicesDep, signing_id: SigningId) -> Signing:
    return await session.current(services, signing_id, request.cookies.get(_COOKIE))


SessionDep = Annotated[Signing, Depends(_signing)]
SameOrigin = Depends(_same_origin)


@router.get("/{signing_id}")
async def page(
    request: Request,
    services: ServicesDep,
    signing_id: SigningId,
    lang: Annotated[str | None, Query(pattern="^(nl|fr|de|en)$")] = None,
    accept_language: Annotated[str | None, Header(max_length=500)] = None,
) -> Response:
    """Show the page to who has its session, and to anybody else the shell that opens one; asking changes nothing."""
    pages: Pages = request.app.state.pages
    try:
        signing = await session.current(services, signing_id, request.cookies.get(_COOKIE))
    except ProblemError:
        html = pages.shell(lang or pages.negotiate(accept_language), services.configuration.environment)
    else:
        language = lang or signing.language or pages.negotiate(accept_language)
        html = pages.signing(await _view(services, signing, language))
    return HTMLResponse(html, headers=_page_headers(services))


@router.post("/{signing_id}/session", dependencies=[SameOrigin], status_code=204)
async def open_session(services: ServicesDep, actor: SignerActor, signing_id: SigningId, link: LinkSecret) -> Response:
    """Open a session with the link's secret."""
    opened = await session.open_link(services, signing_id, link.secret, actor)
    response = Response(status_code=204)
    response.set_cookie(
        _COOKIE,
        opened.token,
        path=f"/sign/{signing_id}",
        secure=services.configuration.is_secure,
        httponly=True,
        samesite="strict",
    )
    return response


@router.get("/{signing_id}/state")
async def state(
    request: Request, services: ServicesDep, signing: SessionDep, after: Annotated[int, Query(ge=0)] = 0
) -> Response:
    """Tell the state, as soon as its version or step is another than `after` says, or after a while."""
    token, step = request.cookies.get(_COOKIE), services.changes.step(signing.id)
    if signing.version > after:
        return JSONResponse(_state(request, services, signing))

    async def look() -> Signing | None:
        current = await session.current(services, signing.id, token)
        return current if current.version > after or services.changes.step(signing.id) != step else None

    seconds = services.limits.state_wait_seconds
    found = await services.changes.until(signing.id, look, seconds)
    return JSONResponse(_state(request, services, found or signing))


@router.get("/{signing_id}/pages/{number}.png")
async def picture(services: ServicesDep, signing: SessionDep, number: int) -> Response:
    """Show a page of the document."""
    document = await _document(services, signing)
    found = await page_of(services, document, number)
    return Response(
        await _read(services, signing, found.image_object),
        media_type="image/png",
        headers={"Cache-Control": _PICTURE_CACHE},
    )


@router.get("/{signing_id}/pages/{number}.txt")
async def text(services: ServicesDep, signing: SessionDep, number: int) -> Response:
    """Tell what can be read on a page of the document."""
    document = await _document(services, signing)
    found = await page_of(services, document, number)
    return PlainTextResponse(
        await _read(services, signing, found.text_object), headers={"Cache-Control": _PICTURE_CACHE}
    )


@router.get("/{signing_id}/document")
async def download(services: ServicesDep, actor: SignerActor, signing: SessionDep) -> Response:
    """Hand over what is signed, to be opened by the signer's own program, never by this page."""
    document = await _document(services, signing)
    if _kind(document.media_type) == "pdf":
        raise ProblemError("NOT_FOUND", "a PDF is shown as pictures of its pages")
    async with services.database.write() as work:
        await note(work, signing, "signing.document_read", actor, sha256=signing.document_sha256.hex())
    file = await services.vault.open(document.key, document.object)
    return content_response(file, document.size, signing.document_sha256, document.name, None, media_type=OCTETS)


@router.post("/{signing_id}/certificate", dependencies=[SameOrigin], status_code=202)
async def certificate(
    services: ServicesDep, actor: SignerActor, signing: SessionDep, given: GivenCertificate
) -> dict[str, int]:
    """Take the signer's certificate."""
    if len(given.chain) > services.limits.chain_certificates:
        raise ProblemError("REQUEST_INVALID", f"at most {services.limits.chain_certificates} issuers are taken")
    moved = await session.give_certificate(services, signing, actor, given.certificate, given.chain)
    return {"version": moved.version}


@router.post("/{signing_id}/signature", dependencies=[SameOrigin], status_code=202)
async def signature(
    services: ServicesDep, actor: SignerActor, signing: SessionDep, given: GivenValue
) -> dict[str, int]:
    """Take the signature value."""
    moved = await session.give_value(services, signing, actor, given.digest, given.signature)
    return {"version": moved.version}


@router.post("/{signing_id}/decline", dependencies=[SameOrigin])
async def decline(request: Request, services: ServicesDep, actor: SignerActor, signing: SessionDep) -> dict[str, Any]:
    """End the signing because the signer does not want to sign."""
    return _state(request, services, await session.decline(services, signing, actor))


@router.post("/{signing_id}/card-problem", dependencies=[SameOrigin], status_code=204)
async def card_problem(services: ServicesDep, actor: SignerActor, signing: SessionDep, reported: CardResult) -> None:
    """Write down what the card software answered."""
    await session.report_card(services, signing, actor, reported.result)


def return_url(signing: Signing) -> str:
    """Return where the browser goes: the registered URL, with the identifiers and the status as a hint."""
    parts = urlsplit(signing.personal.return_url)
    added = {"id": signing.id, "status": signing.state.value}
    if signing.personal.client_state is not None:
        added["state"] = signing.personal.client_state
    query = "&".join(filter(None, (parts.query, urlencode(added))))
    return urlunsplit(parts._replace(query=query))


def _state(request: Request, services: Services, signing: Signing) -> dict[str, Any]:
    problem = signing.personal.problem
    if problem is not None:
        error = ProblemError(problem["code"], problem["detail"], party=problem["party"])
        problem = problem_body(error, request.state.reference)
    working = signing.state in (State.PREPARING, State.FINISHING)
    step = "prepare" if signing.state is State.PREPARING else services.changes.step(signing.id)
    shown = signing.state is State.PREPARED and signing.digest is not None
    return {
        "version": signing.version,
        "state": signing.state.value,
        "step": step if working else None,
        "digest": base64.b64encode(signing.digest).decode() if shown and signing.digest else None,
        "digest_algorithm": (signing.digest_algorithm or "").upper() or None,
        "problem": problem,
        "return_url": return_url(signing) if signing.state.has_ended else None,
    }


async def _view(services: Services, signing: Signing, language: str) -> PageView:
    document = await _document(services, signing)
    async with services.database.read() as connection:
        client = await find_client(connection, signing.client_id)
    configuration = services.configuration
    return PageView(
        signing_id=signing.id,
        reference=signing.reference,
        environment=configuration.environment,
        language=language,
        languages=("nl", "fr", "de", "en"),
        relying_party=client.definition.name if client else "",
        help_address=client.definition.help_address if client else "",
        operator=configuration.operator,
        document_name=document.name,
        pages=document.pages or 0,
        document_size=document.size,
        document_sha256=signing.document_sha256.hex(),
        repaired=tuple(document.repair["findings"]) if document.repair else (),
        earlier_signatures=document.signatures or 0,
        level=f"{signing.asked.format.words} {signing.asked.level}",
        kind=_kind(document.media_type),
        media_type=document.media_type,
        are_comments_signed=signing.asked.is_comment_signed,
        deadline=signing.deadline,
        retention_until=document.expires_at,
        state=signing.state.value,
        version=signing.version,
        card_agent=configuration.card_agent,
    )


def _kind(media_type: str) -> Kind:
    if media_type == PDF:
        return "pdf"
    return "xml" if media_type in XML_TYPES else "file"


async def _document(services: Services, signing: Signing) -> documents.Document:
    async with services.database.read() as connection:
        return await documents.get(services.vault, connection, signing.client_id, signing.document_id, services.clock())


async def _read(services: Services, signing: Signing, name: str | None) -> bytes:
    if name is None:
        raise ProblemError("PREVIEW_UNAVAILABLE", "the page has no picture")
    document = await _document(services, signing)
    with await services.vault.open(document.key, name) as file:
        return await asyncio.to_thread(file.read)


def _page_headers(services: Services) -> dict[str, str]:
    agent = services.configuration.card_agent
    connect = f"'self' {agent}" if agent else "'self'"
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; "
        f"connect-src {connect}; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Cross-Origin-Opener-Policy": "same-origin-allow-popups",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    }
