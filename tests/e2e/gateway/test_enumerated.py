"""Every route with every hostile form: the routes by enumeration, the forms as data in `tests/attack/http`.

FTS-ENV-4, FTS-SEC-3, FTS-AUD-1; cases A-1, A-3, A-4, A-5, A-7, F-3, L-4, S-1 and S-5.
"""

import base64
import io
import json
import re
import secrets
import socket
import tarfile
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import httpx
import pytest
from fastapi.routing import APIRoute

from fts.http.admission import RULES
from fts.signings.page_routes import router as page_router
from tests.e2e.gateway.test_failure_map import code
from tests.e2e.gateway.test_uploads import headers
from tests.samples.sound import SOUND
from tests.support.gateway import RETURN_URL, Account, Browser, Gateway, named

FORMS = Path(__file__).parents[2] / "attack" / "http"
BODIES: dict[str, dict[str, Any]] = json.loads((FORMS / "bodies.json").read_text())
TARGETS: list[str] = json.loads((FORMS / "targets.json").read_text())
NAMES: dict[str, list[str]] = json.loads((FORMS / "names.json").read_text())
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ [a-z.]+ [ -~]*")
BOUNDARY = "b" * 70


@pytest.fixture(scope="module")
def town(gateway: Gateway) -> dict[str, str]:
    """What a client has at the gateway: a document, a completed signing, a timestamp; by the names in paths."""
    document = gateway.account.upload(SOUND["one_page"](), "enumerated").json()["id"]
    signing = gateway.account.order(document).json()
    browser = gateway.browser(signing)
    assert browser.sign(gateway.signer)["state"] == "completed"
    path = f"/v1/documents/{document}/timestamps"
    stamped = gateway.account.api.post(path, json={"form": "detached"}).raise_for_status().json()
    return {"document_id": document, "signing_id": signing["id"], "timestamp_id": stamped["id"]}


@pytest.fixture(scope="module")
def routes(gateway: Gateway) -> list[tuple[str, str, dict[str, Any]]]:
    """Every operation that needs a credential: method, path, description."""
    described = httpx.get(f"{gateway.url}/openapi.json").raise_for_status().json()["paths"]
    found = [
        (method.upper(), path, operation)
        for path, operations in described.items()
        for method, operation in operations.items()
        if not path.startswith("/health")
    ]
    listed = {(method, re.sub(r"\{\w+\}", "x", path)) for method, path, _ in found} | {("POST", "/tsa")}
    ruled = {(rule.method, rule.path.pattern.replace("[^/]+", "x")) for rule in RULES}
    assert listed == ruled, "what is described is what the admission knows"
    return found


def body_of(form: dict[str, Any]) -> bytes:
    times = form.get("times", 1)
    text = form.get("before", "") + form.get("repeat", "") * times + form.get("after", "")
    whole: str = form.get("text", text) + form.get("close", "") * times
    return whole.encode()


def takes_json(routes: list[tuple[str, str, dict[str, Any]]], town: dict[str, str]) -> list[str]:
    """Return the path of each operation of clients that takes JSON."""
    return [
        path.format(**town)
        for _, path, operation in routes
        if "application/json" in operation.get("requestBody", {}).get("content", {})
    ]


def page_paths(browser: Browser) -> list[tuple[str, str, bool]]:
    """Return method and path of each route of the signing page, and whether it takes JSON."""

    def path_of(route: APIRoute) -> str:
        return browser.path + route.path.partition("{signing_id}")[2].replace("{number}", "1")

    return [
        (method, path_of(route), route.body_field is not None)
        for route in page_router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    ]


def test_json_means_one_thing_at_every_route(
    gateway: Gateway, routes: list[tuple[str, str, dict[str, Any]]], town: dict[str, str]
) -> None:
    """Case A-7: the client's routes and the page's."""
    browser = gateway.browser(gateway.account.order(town["document_id"]).json())
    browser.open().raise_for_status()
    client_paths = takes_json(routes, town)
    of_page = [path for _, path, has_body in page_paths(browser) if has_body]
    assert (len(client_paths), len(of_page)) == (4, 4)
    as_json = {"content-type": "application/json"}
    for name, form in BODIES.items():
        body, expected = body_of(form), "BODY_TOO_LARGE" if form.get("too_large") else "REQUEST_INVALID"
        for http, path in [(gateway.account.api, p) for p in client_paths] + [(browser.http, p) for p in of_page]:
            answer = http.post(path, content=body, headers=as_json)
            assert code(answer) == expected, f"{name} at {path}: {answer.text[:300]}"


def test_multipart_is_taken_by_no_route(
    gateway: Gateway, routes: list[tuple[str, str, dict[str, Any]]], town: dict[str, str]
) -> None:
    """Case A-4: every route that takes a body, with a body whose parts and headers have no end."""
    browser = gateway.browser(gateway.account.order(town["document_id"]).json())
    browser.open().raise_for_status()
    body = (f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="document"\r\n\r\nx\r\n' * 20_000).encode()
    form = {"content-type": f"multipart/form-data; boundary={BOUNDARY}"}
    took = 0
    for method, path, operation in routes:
        if "requestBody" in operation:
            more = {**headers(body), **form} if method == "PUT" else form
            where = f"/v1/documents/{secrets.token_hex(8)}" if method == "PUT" else path.format(**town)
            answer = gateway.account.api.request(method, where, content=body, headers=more)
            assert code(answer) in ("REQUEST_INVALID", "BODY_TOO_LARGE", "MEDIA_TYPE_UNSUPPORTED"), path
            took += 1
    door = gateway.account.api.post("/tsa", content=body, headers=form)
    assert 400 <= door.status_code < 500, door.text
    for method, path, _ in page_paths(browser):
        if method == "POST":
            answer = browser.http.post(path, content=body, headers=form)
            assert code(answer) in ("MEDIA_TYPE_UNSUPPORTED", "BODY_TOO_LARGE"), path
            took += 1
    assert took >= 5 + 5


def test_ranges_without_end_at_every_download(
    gateway: Gateway, routes: list[tuple[str, str, dict[str, Any]]], town: dict[str, str]
) -> None:
    """Case A-5: never more than the content, and a header of any length is refused or ignored."""
    asked = {
        "pieces": "bytes=" + ",".join(f"{n}-{n}" for n in range(5000)),
        "overlapping": "bytes=" + ",".join(["0-"] * 5000),
        "few": "bytes=0-,0-,0-,0-",
        "digits": "bytes=" + "9" * 60_000 + "-",
        "spaces": "bytes=0" + " " * 90 + "-",
        "unit": "lines=0-5",
    }
    downloads = [path.format(**town) for method, path, _ in routes if path.endswith("/content")]
    assert len(downloads) == 3
    for path in downloads:
        whole = gateway.account.api.get(path).content
        for what, header in asked.items():
            answer = gateway.account.api.get(path, headers={"range": header})
            if answer.status_code == 200:
                assert answer.content == whole, f"{path}: {what}"
            else:
                assert code(answer) == "REQUEST_INVALID", f"{path}: {what}"


def test_a_secret_in_an_address_opens_nothing(
    gateway: Gateway, routes: list[tuple[str, str, dict[str, Any]]], town: dict[str, str]
) -> None:
    """Cases A-1 and S-5: secrets count where they belong, not in the query, the path or a header of another name."""
    account, order = gateway.account, gateway.account.order(town["document_id"]).json()
    browser = gateway.browser(order)
    browser.open().raise_for_status()
    [cookie] = list(browser.http.cookies.jar)
    basic = base64.b64encode(f"{account.client_id}:{account.secret}".encode()).decode()
    queries = [
        {"client_id": account.client_id, "client_secret": account.secret, "access_token": account.secret},
        {"authorization": f"Basic {basic}", "Authorization": f"Basic {basic}", "secret": account.secret},
        {cookie.name: str(cookie.value), "session": str(cookie.value), "link": browser.secret},
    ]
    others = {"x-authorization": f"Basic {basic}", "proxy-authorization": f"Basic {basic}", "x-api-key": account.secret}
    with httpx.Client(base_url=gateway.url, headers={"origin": gateway.url}) as stranger:
        for query in queries:
            for method, path, _ in routes:
                answer = stranger.request(method, path.format(**town), params=query, headers=others)
                assert code(answer) == "CREDENTIALS_REQUIRED", f"{method} {path}"
            for method, path, _ in page_paths(browser):
                if path.removeprefix(browser.path) in ("", "/session"):
                    continue
                answer = stranger.request(method, path, params=query, json={} if method == "POST" else None)
                assert code(answer) == "SESSION_REQUIRED", f"{method} {path}"
    logs = gateway.web.log.read_text()
    for secret in (account.secret, basic, browser.secret, str(cookie.value)):
        assert secret not in logs


def test_a_client_reaches_nothing_of_another_by_any_route(
    gateway: Gateway, routes: list[tuple[str, str, dict[str, Any]]], town: dict[str, str]
) -> None:
    """Case S-1 at our own API: the other's identifiers at every route; the answer does not tell that they exist."""
    rival = gateway.register("rival")
    missing = dict.fromkeys(town, "f" * 32)
    bodies: dict[str, Any] = {
        "/v1/signings": {"document": town["document_id"], "return_url": RETURN_URL},
        "/v1/documents/{document_id}/timestamps": {"form": "detached"},
    }
    tried = 0
    for method, path, _ in routes:
        if ("{" not in path and path not in bodies) or method == "PUT":
            continue
        answer = rival.api.request(method, path.format(**town), json=bodies.get(path))
        assert (answer.status_code, code(answer)) in (
            (404, "DOCUMENT_NOT_FOUND"),
            (404, "SIGNING_NOT_FOUND"),
        ), f"{method} {path}: {answer.text}"
        if path not in bodies:
            same = rival.api.request(method, path.format(**missing)).json()
            told = {**answer.json(), "reference": same["reference"]}
            wanted = json.dumps(same)
            for name, identifier in town.items():
                wanted = wanted.replace(missing[name], identifier) if f"{{{name}}}" in path else wanted
            assert set(told) == set(same)
            assert told["title"] == same["title"]
        tried += 1
    assert tried == 10
    mixed = rival.upload(SOUND["one_page"]()).json()["id"]
    path = f"/v1/documents/{mixed}/timestamps/{town['timestamp_id']}"
    for where in (path, f"{path}/content"):
        assert rival.api.get(where).status_code == 404, "the other's timestamp under the own document"
    exported = rival.api.get("/v1/export").content
    for identifier in town.values():
        assert identifier.encode() not in exported
    assert rival.api.delete("/v1/documents").json()["documents"] == 1
    for method, path, _ in routes:
        if method == "GET" and "{" in path:
            gateway.account.api.get(path.format(**town)).raise_for_status()
    wait_for_report(gateway, "rival", "foreign_data")


def wait_for_report(gateway: Gateway, client_id: str, kind: str) -> None:
    deadline = time.monotonic() + 20
    while kind not in (told := gateway.command("audit", "search", "--client", client_id)):
        assert time.monotonic() < deadline, told
        time.sleep(0.3)


def sent(gateway: Gateway, target: str, *more: str) -> bytes:
    """Send a request line as it is, with the headers `more`, and return the answer."""
    lines = "\r\n".join((f"GET {target} HTTP/1.1", *more, "Connection: close", "", ""))
    answer = b""
    with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
        connection.sendall(lines.encode("latin-1"))
        while piece := connection.recv(65536):
            answer += piece
    return answer


def test_no_form_of_an_address_goes_round_the_door(gateway: Gateway) -> None:
    """Case A-3, over a socket: absolute forms, encoded slashes, dots, double slashes, Host twice or not at all."""
    host = f"localhost:{gateway.port}"
    hosts = (("Host: evil.example",), (), (f"Host: {host}", "Host: evil.example"), (f"Host: {host}",) * 2)
    for target in (form.format(host=host) for form in TARGETS):
        answer = sent(gateway, target, f"Host: {host}")
        assert int(answer.split(b" ")[1]) in (400, 401, 404, 405), f"{target}: {answer!r}"
        assert b"available" not in answer
        assert b"evil" not in answer
        for odd in hosts:
            misdirected = sent(gateway, target, *odd, f"X-Forwarded-Host: {host}", f"X-Host: {host}")
            assert int(misdirected.split(b" ")[1]) in (400, 421), f"{odd} {target}: {misdirected!r}"


def test_identifiers_lead_nowhere(gateway: Gateway) -> None:
    """Case F-3, over a socket, since clients tidy paths up: refused in the address and in an order."""
    data, token = SOUND["one_page"](), base64.b64encode(f"town:{gateway.account.secret}".encode()).decode()
    lines = {"Host": f"localhost:{gateway.port}", "Authorization": f"Basic {token}", "Connection": "close"}
    lines |= {**headers(data), "Content-Length": str(len(data))}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    for identifier in NAMES["identifiers"]:
        with socket.create_connection(("127.0.0.1", gateway.port), timeout=10) as connection:
            connection.sendall(f"PUT /v1/documents/{identifier} HTTP/1.1\r\n{head}\r\n".encode() + data)
            answer = connection.recv(65536)
        assert int(answer.split(b" ")[1]) in (400, 404, 405), f"{identifier}: {answer!r}"
        for what in (identifier, unquote(identifier)):
            ordered = gateway.account.api.post("/v1/signings", json={"document": what, "return_url": RETURN_URL})
            assert code(ordered) == "REQUEST_INVALID", identifier


def test_file_names_that_nobody_can_read_are_refused(gateway: Gateway) -> None:
    """Case F-3."""
    for name in NAMES["refused"]:
        assert code(gateway.account.upload(SOUND["one_page"](), name=name)) == "REQUEST_INVALID", repr(name)


def test_file_names_are_kept_as_they_are_and_are_no_paths(gateway: Gateway) -> None:
    """Case F-3: what looks like a path comes back as it was, in headers and archives that lead nowhere else."""
    account, data = gateway.register("names"), SOUND["one_page"]()
    before = sorted(path.name for path in gateway.directory.iterdir())
    kept = {account.upload(data, name=name).json()["id"]: name for name in NAMES["verbatim"]}
    for document, name in kept.items():
        assert account.api.get(f"/v1/documents/{document}").json()["name"] == name
        disposition = account.api.get(f"/v1/documents/{document}/content").headers["content-disposition"]
        assert disposition == f"attachment; filename*=UTF-8''{quote(name, safe='')}"
    with tarfile.open(fileobj=io.BytesIO(account.api.get("/v1/export").content)) as archive:
        members = archive.getnames()
    assert len(members) > 2 * len(kept)
    assert all(re.fullmatch(r"[a-z0-9]+(/[a-z0-9-]+)*\.(json|jsonl|pdf)", member) for member in members), members
    assert sorted(path.name for path in gateway.directory.iterdir()) == before
    objects = {path.name for path in (gateway.directory / "data" / "objects" / "names").iterdir()}
    assert all(re.fullmatch("[0-9a-f]{32}", name) for name in objects)
    account.api.delete("/v1/documents").raise_for_status()


EVIL = (
    "a\nb",
    "a\r\n2026-01-01 00:00:00,000 INFO fts forged",
    "a\x1b[31mb",
    "a\x07b",
    'a"}, {"kind": "forged',
    "a\u202eb",
    "a\u2028b",
    "a\x9bb",
)


def test_what_people_write_is_one_record_and_one_line(gateway: Gateway, pdf: bytes) -> None:
    """Case L-4: every field that a client or a signer fills, with what breaks lines, terminals and JSON."""
    account = gateway.register("writers")
    began = {log: log.stat().st_size for log in (gateway.web.log, gateway.worker.log, gateway.sequencer.log)}
    document = account.upload(pdf).json()["id"]
    browser = gateway.browser(account.order(document).json())
    browser.open().raise_for_status()
    for evil in EVIL:
        octets = evil.encode()
        quiet = {"x-request-id": b"a", "user-agent": octets, "referer": octets, "x-forwarded-for": octets}
        safe = {name: re.sub(rb"[\r\n]", b" ", value) for name, value in quiet.items()}
        attempt(account, "GET", f"/v1/usage?x={quote(evil)}", headers=safe)
        attempt(account, "GET", f"/v1/documents/{quote(evil, safe='')}")
        attempt(
            account, "PUT", "/v1/documents/x", content=pdf, headers={**headers(pdf), "content-disposition": named(evil)}
        )
        attempt(
            account, "PUT", "/v1/documents/x", content=pdf, headers={**headers(pdf), "content-type": safe["referer"]}
        )
        attempt(account, "POST", "/v1/signings", json={"document": evil, "return_url": evil, evil: evil})
        attempt(account, "POST", "/v1/signings", json={"document": document, "return_url": RETURN_URL, "state": evil})
        number = {"identification_number": evil}
        attempt(
            account, "POST", "/v1/signings", json={"document": document, "return_url": RETURN_URL, "signer": number}
        )
        attempt(account, "POST", "/v1/timestamps", json={"hash": evil, "hash_algorithm": evil})
        attempt(account, "GET", "/v1/usage", auth=(evil, evil))
        for path, body in (
            ("session", {"secret": evil}),
            ("certificate", {"certificate": evil, "chain": [evil]}),
            ("signature", {"digest": evil, "signature": evil}),
            ("card-problem", {"result": evil}),
        ):
            assert browser.post(path, body).status_code < 500
    time.sleep(0.5)
    for log, size in began.items():
        written = log.read_bytes()[size:].decode()
        for line in written.splitlines():
            assert LOG_LINE.fullmatch(line), repr(line)
    lines = gateway.command("audit", "search", "--client", "writers").splitlines()
    assert len(lines) >= 3
    for line in lines:
        assert line.isascii() or line.isprintable(), repr(line)
        assert json.loads(line)["client"] == "writers"
        assert "forged" not in line


def attempt(account: Account, method: str, path: str, **more: Any) -> None:
    """Send something that may be refused, but never breaks."""
    answer = account.api.request(method, path, **more)
    assert answer.status_code < 500, answer.text
    assert b"\x1b" not in answer.content
    assert b"\n" not in answer.content.rstrip(b"\n")
