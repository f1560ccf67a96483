"""A gateway that follows the public API's contract and keeps everything in memory; tests move its signings by hand."""

import base64
import hashlib
import json
import re
from typing import Any
from urllib.parse import unquote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

CLIENT, SECRET = "demo-municipality", "a-secret-of-the-test"
APPENDED = b"\n% the appended revision\n%%EOF\n"


def problem(status: int, code: str, detail: str, **more: Any) -> JSONResponse:
    """Return a refusal as the gateway writes it."""
    content = {
        "type": f"about:{code}",
        "title": f"Title of {code}",
        "status": status,
        "code": code,
        "detail": detail,
        "remedy": f"Remedy of {code}",
        "reference": "R-1234",
    }
    return JSONResponse(content | more, status, media_type="application/problem+json")


class FakeGateway:
    """The gateway; its attributes are what a test looks at or changes."""

    def __init__(self) -> None:
        self.origin = ""
        self.return_urls: set[str] = set()
        self.documents: dict[str, dict[str, Any]] = {}
        self.contents: dict[str, bytes] = {}
        self.signings: dict[str, dict[str, Any]] = {}
        self.results: dict[str, bytes] = {}
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.inspections = 0
        """How often a document is still `inspecting` before it is `ready`."""
        self.signs_at_look = 0
        """At which look at a signing the signer signs; 0 for never."""
        self.answer: Response | None = None
        """What every request is answered with instead, while it is set."""
        self.repair: dict[str, Any] | None = None
        """What documents that are uploaded from now on say about having been rewritten."""
        self.rejection: dict[str, Any] | None = None
        """The problem that the inspection after a 202 ends with."""

    def app(self) -> Starlette:
        """Return the application."""
        routes = [
            Route("/v1/documents/{id}", self._put, methods=["PUT"]),
            Route("/v1/documents/{id}", self._document, methods=["GET"]),
            Route("/v1/documents/{id}", self._delete, methods=["DELETE"]),
            Route("/v1/signings", self._create, methods=["POST"]),
            Route("/v1/signings/{id}", self._signing, methods=["GET"]),
            Route("/v1/signings/{id}/content", self._content, methods=["GET"]),
            Route("/v1/signings/{id}/cancel", self._cancel, methods=["POST"]),
            Route("/sign/{id}", self._page, methods=["GET"]),
        ]
        return Starlette(routes=routes)

    def finish(self, signing_id: str, state: str = "completed", **changes: Any) -> None:
        """End a signing."""
        signing = self.signings[signing_id]
        if state == "completed":
            content = self.results.setdefault(signing_id, self.contents[signing["document"]] + APPENDED)
            signing["signer"] = {"name": "Camille Voorbeeld", "identification_number": "85073003328"}
            signing["result"] = {
                "sha256": hashlib.sha256(content).hexdigest(),
                "size": len(content),
                "level": "LTA",
                "signed_at": "2026-11-24T09:30:01.000Z",
                "archived_at": "2026-11-24T09:30:03Z",
            }
        signing.update(state=state, **changes)

    def return_address(self, signing_id: str) -> str:
        """Return where the signing page sends the browser at the end."""
        signing = self.signings[signing_id]
        return f"{signing['return_url']}?id={signing_id}&state={signing['opaque']}&status={signing['state']}"

    def _refusal(self, request: Request) -> Response | None:
        self.requests.append((request.method, request.url.path, dict(request.headers)))
        expected = "Basic " + base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if request.headers.get("authorization") != expected:
            return problem(401, "CREDENTIALS_REQUIRED", "the client's id or secret is wrong")
        return self.answer

    async def _put(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        name, content = request.path_params["id"], await request.body()
        digest = hashlib.sha256(content)
        stated = f"sha-256=:{base64.b64encode(digest.digest()).decode()}:"
        media_type = request.headers.get("content-type", "")
        if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", name) or "/" not in media_type:
            return problem(400, "REQUEST_INVALID", "id or media type")
        if request.headers.get("content-digest") != stated:
            return problem(422, "DIGEST_MISMATCH", "the digest is another")
        if name in self.documents and self.documents[name]["sha256"] != digest.hexdigest():
            return problem(409, "DOCUMENT_EXISTS", "other content")
        self.documents[name] = {
            "id": name,
            "name": unquote(request.headers["content-disposition"].rpartition("''")[2]),
            "state": "inspecting",
            "media_type": media_type,
            "size": len(content),
            "sha256": digest.hexdigest(),
            "pages": 1,
            "signatures": 0,
            "repair": self.repair,
            "problem": None,
        }
        self.contents[name] = content
        if media_type == "application/pdf" and not content.startswith(b"%PDF-"):
            self.documents[name]["state"] = "rejected"
            return problem(422, "NOT_A_PDF", "the file does not begin with <b>%PDF-</b>")
        if not self.inspections:
            self._inspected(name)
        return JSONResponse(self.documents[name], 202 if self.inspections else 201)

    def _inspected(self, name: str) -> None:
        self.documents[name].update(state="rejected" if self.rejection else "ready", problem=self.rejection)

    async def _document(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        name = request.path_params["id"]
        if self.inspections:
            self.inspections -= 1
            if not self.inspections:
                self._inspected(name)
        return JSONResponse(self.documents[name])

    async def _delete(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        name = request.path_params["id"]
        if self.documents.pop(name, None) is None:
            return problem(404, "DOCUMENT_NOT_FOUND", "no such document")
        self.contents.pop(name)
        self.signings = {key: value for key, value in self.signings.items() if value["document"] != name}
        return Response(status_code=204)

    async def _create(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        order = await request.json()
        if order["return_url"] not in self.return_urls:
            return problem(422, "RETURN_URL_UNKNOWN", "not registered")
        if self.documents[order["document"]]["state"] != "ready":
            return problem(409, "DOCUMENT_NOT_READY", "still inspected")
        signing_id = f"{len(self.signings) + 1:032x}"
        self.signings[signing_id] = {
            "id": signing_id,
            "state": "created",
            "document": order["document"],
            "profile": order.get("profile", "PADES_LTA"),
            "signing_url": f"{self.origin}/sign/{signing_id}#secret",
            "deadline": "2026-11-24T11:30:00Z",
            "created_at": "2026-11-24T09:29:00Z",
            "return_url": order["return_url"],
            "problem": None,
            "signer": None,
            "result": None,
            "language": order["language"],
            "opaque": order["state"],
        }
        return JSONResponse(self._public(signing_id), 201, headers={"Location": f"/v1/signings/{signing_id}"})

    def _public(self, signing_id: str) -> dict[str, Any]:
        return {key: value for key, value in self.signings[signing_id].items() if key != "opaque"}

    async def _signing(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        if request.path_params["id"] not in self.signings:
            return problem(404, "SIGNING_NOT_FOUND", "no such signing")
        if self.signs_at_look:
            self.signs_at_look -= 1
            if not self.signs_at_look:
                self.finish(request.path_params["id"])
        return JSONResponse(self._public(request.path_params["id"]))

    async def _content(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        signing_id = request.path_params["id"]
        if self.signings[signing_id]["state"] != "completed":
            return problem(409, "SIGNING_NOT_COMPLETED", "there is no signed document")
        return Response(self.results[signing_id], media_type="application/pdf")

    async def _cancel(self, request: Request) -> Response:
        if (refusal := self._refusal(request)) is not None:
            return refusal
        self.finish(request.path_params["id"], "cancelled")
        return JSONResponse(self._public(request.path_params["id"]))

    async def _page(self, request: Request) -> Response:
        """Stand in for the signing page: the signer signs at once and is sent back."""
        signing_id = request.path_params["id"]
        if request.query_params.get("wait") is not None:
            return PlainTextResponse("the signing page")
        self.finish(signing_id)
        return RedirectResponse(self.return_address(signing_id), 303)


def message(kind: str, signing: str) -> str:
    """Return a webhook message as the gateway writes it."""
    data = {"id": signing, "document": "d", "state": kind.partition(".")[2], "code": None}
    return json.dumps({"type": kind, "timestamp": "2026-11-24T09:30:05Z", "data": data})
