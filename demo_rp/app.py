"""The routes of the demo relying party: choose a document, have it signed, come back, see what is true."""

import hmac
import json
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from demo_rp import limits
from demo_rp.counter import Counter, attachment, browser_of, chosen, counter_of, own_case, remember, sample_names
from demo_rp.forms import form_of
from demo_rp.gateway import Gateway, WebhookError, contained, digests, verify_webhook
from demo_rp.guards import BodyLimit, SameOrigin, SecurityHeaders, host_names
from demo_rp.pages import HERE, Pages
from demo_rp.settings import Settings
from demo_rp.store import Case, Store
from demo_rp.times import Clock, utc_now
from demo_rp.transport import Answer, GatewayError, pieces


async def home(request: Request) -> Response:
    """Offer the sample documents and the upload of an own one."""
    counter = counter_of(request)
    return counter.pages.answer(request, "home.html", samples=sample_names(counter.settings.samples))


async def start(request: Request) -> Response:
    """Upload the document, ask for a signature and send the person to the signing page."""
    counter, browser, cookie = counter_of(request), *remember(request)
    document_id, state = f"demo-{secrets.token_hex(12)}", secrets.token_urlsafe(24)
    async with chosen(request) as (original, language):
        try:
            document = await counter.gateway.upload(document_id, original)
            profile, back = form_of(original.name).profile, counter.settings.return_url
            signing = await counter.gateway.create_signing(document_id, profile, back, state, language)
        except GatewayError as refusal:
            with suppress(GatewayError):
                if refusal.status < 500:
                    await counter.gateway.delete(document_id)
            raise
    now = counter.clock()
    counter.store.add(
        Case(
            id=signing["id"],
            document_id=document_id,
            browser=browser,
            return_state=state,
            name=original.name,
            size=original.size,
            sha256=original.sha256.hex(),
            created_at=now.isoformat(),
            state=signing["state"],
            repair=json.dumps(document["repair"]) if document.get("repair") else None,
        ),
        now,
    )
    return RedirectResponse(signing["signing_url"], 303, headers={"Set-Cookie": cookie})


async def come_back(request: Request) -> Response:
    """Take the person back who returns with the `state` of this browser's signing; `status` is not believed."""
    case = counter_of(request).store.find(request.query_params.get("id", ""))
    state = request.query_params.get("state", "").encode()
    if (
        case is None
        or case.browser != browser_of(request)
        or not hmac.compare_digest(case.return_state.encode(), state)
    ):
        raise HTTPException(403, "RETURN_UNKNOWN")
    return RedirectResponse(f"/signings/{case.id}", 303)


async def show(request: Request) -> Response:
    """Show what the gateway's API says about a signing, and what our own checks of the signed document say."""
    counter, case = counter_of(request), own_case(request)
    signing, form = None if case.deleted_at else await read_again(counter, case), form_of(case.name)
    if signing and signing["state"] == "completed" and case.result_sha256 is None:
        response = await counter.gateway.signed_document(case.id)
        if form.original == "inside":
            whole, begun = await contained(response, case.name, case.size)
        else:
            whole, begun = await digests(response, case.size)
        counter.store.note(case.id, result_sha256=whole, begun_sha256=begun)
    repair = json.loads(case.repair) if case.repair else None
    return counter.pages.answer(
        request, "signing.html", case=own_case(request), signing=signing, repair=repair, form=form
    )


async def read_again(counter: Counter, case: Case) -> Answer | None:
    """Read a signing from the API, None where the gateway has destroyed it, and note its state."""
    try:
        signing = await counter.gateway.signing(case.id)
    except GatewayError as refusal:
        if refusal.status != 404:
            raise
        counter.store.note(case.id, state="gone")
        return None
    counter.store.note(case.id, state=signing["state"])
    return signing


async def download(request: Request) -> Response:
    """Pass the signed document on."""
    case = own_case(request)
    response = await counter_of(request).gateway.signed_document(case.id)
    media_type = form_of(case.name).signed_type
    return StreamingResponse(pieces(response), media_type=media_type, headers=attachment(case.name, response))


async def delete(request: Request) -> Response:
    """Have the document destroyed at the gateway."""
    counter, case = counter_of(request), own_case(request)
    await counter.gateway.delete(case.document_id)
    counter.store.note(case.id, state="deleted", deleted_at=counter.clock().isoformat())
    return RedirectResponse(f"/signings/{case.id}", 303)


async def overview(request: Request) -> Response:
    """List this browser's signings."""
    counter = counter_of(request)
    return counter.pages.answer(request, "signings.html", cases=counter.store.of_browser(browser_of(request)))


async def webhook(request: Request) -> Response:
    """Take a message of the gateway: once, and as a reason to read the signing again."""
    counter, now = counter_of(request), counter_of(request).clock()
    try:
        secret = counter.settings.webhook_secret
        message_id, message = verify_webhook(secret, request.headers, await request.body(), now)
    except WebhookError as refusal:
        return PlainTextResponse(f"{refusal}\n", 400)
    case = counter.store.find(message["signing"])
    if case and not case.deleted_at and not counter.store.has_message(message_id):
        await read_again(counter, case)  # if that fails we answer 5xx, and the gateway sends the message again
        counter.store.note(case.id, message_type=message["type"], message_at=now.isoformat())
    counter.store.add_message(message_id, now)
    return Response(status_code=204)


async def health(_: Request) -> Response:
    """Say that the process answers."""
    return PlainTextResponse("ok\n")


def create_app(settings: Settings, clock: Clock = utc_now) -> ASGIApp:
    """Return the application."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        with Store(settings.directory) as store:
            gateway = Gateway(settings)
            app.state.counter = Counter(settings, gateway, store, pages, clock)
            try:
                yield
            finally:
                await gateway.aclose()

    pages = Pages(settings.own_url)
    same_origin = Middleware(SameOrigin, origin=settings.own_url)
    form = [same_origin, Middleware(BodyLimit, octets=limits.UPLOAD_BYTES + limits.FORM_BYTES)]
    routes = [
        Route("/", home),
        Route("/sign", start, methods=["POST"], middleware=form),
        Route("/return", come_back),
        Route("/signings", overview),
        Route("/signings/{id}", show),
        Route("/signings/{id}/content", download),
        Route("/signings/{id}/delete", delete, methods=["POST"], middleware=form),
        Route("/webhook", webhook, methods=["POST"], middleware=[Middleware(BodyLimit, octets=limits.WEBHOOK_BYTES)]),
        Route("/health", health),
        Mount("/static", StaticFiles(directory=HERE / "static")),
    ]
    hosts = Middleware(TrustedHostMiddleware, allowed_hosts=host_names(settings.own_url), www_redirect=False)
    app = Starlette(routes=routes, middleware=[hosts], exception_handlers=pages.handlers(), lifespan=lifespan)
    return SecurityHeaders(app, settings)
