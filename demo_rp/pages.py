"""The pages: templates, texts in four languages, and the page of every refusal."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from demo_rp.times import readable
from demo_rp.transport import GatewayError

HERE: Final = Path(__file__).parent
LANGUAGES: Final = {"nl": "Nederlands", "fr": "Français", "de": "Deutsch", "en": "English"}
_COOKIE: Final = "demo_rp_language"
_OWN_CODES: Final = {404: "NOT_FOUND", 405: "NOT_FOUND", 413: "UPLOAD_TOO_LARGE", 500: "INTERNAL_ERROR"}
"""Codes of what Starlette refuses by itself."""
_PASSED_ON: Final = frozenset({404, 409, 413, 422, 503})
"""Statuses of the gateway that say the same from us; any other is a fault between us and the gateway: 502."""


class Pages:
    """Renders the pages."""

    def __init__(self, own_url: str) -> None:
        self._secure = urlsplit(own_url).scheme == "https"
        self._texts: dict[str, dict[str, str]] = json.loads((HERE / "texts.json").read_text("utf-8"))
        self._templates = Environment(
            loader=FileSystemLoader(HERE / "templates"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def answer(self, request: Request, template: str, status: int = 200, **values: Any) -> Response:
        """Return a page in the language of the request."""
        language = _language(request)
        texts = self._texts

        def text(key: str, otherwise: str = "") -> str:
            return texts[key][language] if key in texts or not otherwise else otherwise

        content = self._templates.get_template(template).render(
            values,
            t=text,
            language=language,
            languages=LANGUAGES,
            here=request.url.path if status == 200 else "/",
            time=lambda value: readable(value, text("format.time")),
        )
        response = HTMLResponse(
            content, status, headers={"Content-Language": language, "Vary": "Accept-Language, Cookie"}
        )
        if request.query_params.get("lang") == language:
            response.set_cookie(_COOKIE, language, httponly=True, samesite="lax", secure=self._secure)
        return response

    def handlers(self) -> Mapping[Any, Callable[[Request, Exception], Response]]:
        """Return the handlers that make pages of refusals."""
        return {HTTPException: self._own, GatewayError: self._gateway, Exception: self._own}

    def _own(self, request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        code = error.detail if isinstance(error, HTTPException) else "INTERNAL_ERROR"
        if f"problem.{code}.title" not in self._texts:
            code = _OWN_CODES.get(status, "REQUEST_INVALID")
        return self.answer(request, "problem.html", status, problem={"code": code}, by_gateway=False)

    def _gateway(self, request: Request, error: Exception) -> Response:
        assert isinstance(error, GatewayError)  # noqa: S101 - registered for this class only
        status = error.status if error.status in _PASSED_ON else 502
        return self.answer(request, "problem.html", status, problem=error.problem, by_gateway=True)


def _language(request: Request) -> str:
    """Return the language that was chosen, else the first of Accept-Language that there are texts in."""
    asked = request.headers.get("accept-language", "").split(",")
    for candidate in (request.query_params.get("lang", ""), request.cookies.get(_COOKIE, ""), *asked):
        language = candidate.strip()[:2].lower()
        if language in LANGUAGES:
            return language
    return "en"
