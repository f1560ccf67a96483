"""Every route of the signing page with every kind of session but its own (FTS-ENV-4, FTS-SIG-7; case A-1)."""

import re
import secrets

import httpx

from fts.signings.page_routes import router
from tests.e2e.gateway.test_failure_map import code
from tests.support.gateway import Gateway

SHELL = {("GET", ""), ("POST", "/session")}
"""What is there before a session: the page that opens one, and the link's secret."""


def routes() -> list[tuple[str, str]]:
    """Return method and the rest of the path of each route."""
    found = []
    for route in router.routes:
        path = re.sub(r"\{number\}", "1", route.path.partition("{signing_id}")[2])  # type: ignore[attr-defined]
        found += [(method, path) for method in sorted(route.methods)]  # type: ignore[attr-defined]
    return found


def test_only_its_own_session_opens_a_signing(gateway: Gateway, pdf: bytes) -> None:
    signing, other = gateway.account.new_signing(pdf), gateway.account.new_signing(pdf + b"\n")
    gone = gateway.account.new_signing(pdf + b"\n\n")
    mine, theirs, ended = gateway.browser(signing), gateway.browser(other), gateway.browser(gone)
    for browser in (mine, theirs, ended):
        browser.open().raise_for_status()
    gateway.account.api.delete(f"/v1/documents/{gone['document']}").raise_for_status()
    [stolen] = list(theirs.http.cookies.jar)
    origin = {"origin": gateway.url}
    callers = {
        "nobody": (httpx.Client(base_url=gateway.url, headers=origin), mine.path),
        "the client": (httpx.Client(base_url=gateway.url, headers=origin, auth=gateway.account.api.auth), mine.path),
        "another signing's session": (
            httpx.Client(base_url=gateway.url, headers=origin, cookies={stolen.name: str(stolen.value)}),
            mine.path,
        ),
        "a made-up session": (
            httpx.Client(base_url=gateway.url, headers=origin, cookies={stolen.name: secrets.token_urlsafe(32)}),
            mine.path,
        ),
        "a session of a destroyed document": (ended.http, ended.path),
        "a session for a signing that never was": (mine.http, f"/sign/{'0' * 32}"),
    }
    tried = 0
    for who, (http, path) in callers.items():
        for method, rest in routes():
            if (method, rest) in SHELL:
                continue
            answer = http.request(method, f"{path}{rest}", json={} if method == "POST" else None)
            told = f"{who}: {method} {rest}: {answer.status_code} {answer.text[:200]}"
            assert answer.status_code in (403, 404, 409), told
            assert code(answer) in ("SESSION_REQUIRED", "SESSION_REPLACED", "SIGNING_NOT_FOUND"), told
            tried += 1
        shell = http.get(path)
        assert signing["document"] not in shell.text, "the page before a session says nothing of the document"
    assert tried >= 6 * 8
    assert mine.state()["state"] == "opened", "none of it changed anything"
    for http, _ in list(callers.values())[:4]:
        http.close()
