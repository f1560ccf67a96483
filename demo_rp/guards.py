"""What stands before the routes: security headers, origin of forms, size of bodies, host names."""

from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from demo_rp.limits import DISCARDED_BYTES
from demo_rp.settings import Settings

_HEADERS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}


def host_names(own_url: str) -> list[str]:
    """Return the host names that the counter answers to: its public one and those of the loopback."""
    return [urlsplit(own_url).hostname or "", "127.0.0.1", "localhost"]


class SecurityHeaders:
    """Adds the security headers to every answer.

    The policy permits no script. `form-action` names the gateway, because browsers apply it to the redirect that
    answers the form as well; `Referrer-Policy` is not `no-referrer`, which would make the Origin of forms `null`.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._headers = dict(_HEADERS)
        self._headers["Content-Security-Policy"] = (
            f"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self' {settings.gateway}; "
            "base-uri 'none'; frame-ancestors 'none'"
        )
        if settings.own_url.startswith("https:"):
            self._headers["Strict-Transport-Security"] = "max-age=31536000"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(self._headers)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class SameOrigin:
    """Refuses a form that was not sent by a page of this counter (cross-site request forgery).

    Every current browser sends Origin with a POST; the cookie is SameSite=Lax besides.
    """

    def __init__(self, app: ASGIApp, origin: str) -> None:
        self._app, self._origin = app, origin

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on.

        Raises:
            HTTPException: ORIGIN_REFUSED.
        """
        if Headers(scope=scope).get("origin") != self._origin:
            raise HTTPException(403, "ORIGIN_REFUSED")
        await self._app(scope, receive, send)


class BodyLimit:
    """Ends a request whose body is too large, by counting what really comes.

    What is over the limit is read and thrown away up to a bound, because a browser that is still sending shows a
    broken connection instead of the answer.
    """

    def __init__(self, app: ASGIApp, octets: int) -> None:
        self._app, self._limit = app, octets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on.

        Raises:
            HTTPException: UPLOAD_TOO_LARGE.
        """
        size = 0

        async def limited() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._limit:
                while message.get("more_body", False) and size <= DISCARDED_BYTES:
                    message = await receive()
                    size += len(message.get("body", b""))
                raise HTTPException(413, "UPLOAD_TOO_LARGE")
            return message

        await self._app(scope, limited, send)
