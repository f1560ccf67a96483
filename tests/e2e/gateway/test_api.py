"""The API as strangers and attackers meet it: schema, credentials, odd bodies, headers (cases A-1, A-3, A-7, W-8)."""

import json
import re
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.e2e.gateway.test_failure_map import code
from tests.support.gateway import RETURN_URL, Gateway

PUBLIC = {"/health/live", "/health/ready", "/openapi.json"}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]


@schemathesis.serializer("application/pdf")
def raw_octets(_context: Any, value: Any) -> bytes:
    """Send a document as it is."""
    return value if isinstance(value, bytes) else str(value).encode()


FEW = settings(
    max_examples=25,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@pytest.fixture(scope="module")
def description(gateway: Gateway) -> dict[str, Any]:
    answer = httpx.get(f"{gateway.url}/openapi.json")
    found: dict[str, Any] = answer.raise_for_status().json()
    return found


def operations(description: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_operation_answers_as_it_is_described(gateway: Gateway, description: dict[str, Any]) -> None:
    """Schemathesis sends what the schema allows; nothing ends in a 5xx, and every answer is one that is described."""
    schema = schemathesis.openapi.from_dict(description)
    for result in schema.get_all_operations():
        operation = result.ok()
        assert operation is not None

        def check(case: Any) -> None:
            credentials = (gateway.account.client_id, gateway.account.secret)
            case.call_and_validate(base_url=gateway.url, checks=CHECKS, auth=credentials)

        FEW(given(case=operation.as_strategy())(check))()


def test_the_description_has_examples_and_problems(description: dict[str, Any]) -> None:
    assert description["openapi"].startswith("3.1")
    for _, path, operation in operations(description):
        if path in PUBLIC:
            continue
        assert operation.get("summary")
        problems = [answer for status, answer in operation["responses"].items() if status.startswith(("4", "5"))]
        assert problems
        for problem in problems:
            assert problem["content"]["application/problem+json"]["examples"]


def test_nothing_but_health_is_open(gateway: Gateway, description: dict[str, Any]) -> None:
    """Without credentials, with wrong ones, with another client's id: 401, and the body is not even looked at."""
    for method, path, _ in operations(description):
        if path in PUBLIC:
            continue
        concrete = re.sub(r"\{(signing|timestamp)_id\}", "0" * 32, re.sub(r"\{document_id\}", "x", path))
        for auth in (None, ("town", "wrong"), ("nobody", gateway.account.secret), ("", ""), ("town", "")):
            answer = httpx.request(
                method,
                f"{gateway.url}{concrete}",
                auth=auth,
                json={"document": "x", "return_url": RETURN_URL} if method == "POST" else None,
            )
            assert code(answer) == "CREDENTIALS_REQUIRED"
            assert answer.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/", "/v2/documents", "/docs", "/redoc", "/admin", "/static/", "/static/../web.py", "/sign"]
)
def test_there_is_nothing_else(gateway: Gateway, path: str) -> None:
    assert code(gateway.account.api.get(path)) == "NOT_FOUND"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"document": "x", "document": "y", "return_url": "z"}',
        b'{"document": NaN, "return_url": "z"}',
        b'{"document": "x", "return_url": "z", "surprise": 1}',
        b'{"document": "x", "return_url": "z", "expires_in": 1e400}',
        b'{"document": "x", "return_url": "z", "expires_in": 99999999999999999999}',
        b'{"document": ["x"], "return_url": "z"}',
        b"[" * 50_000,
        b'{"a":' * 5000 + b"1" + b"}" * 5000,
        b"\xff\xfe",
    ],
)
def test_odd_bodies(gateway: Gateway, body: bytes) -> None:
    answer = gateway.account.api.post("/v1/signings", content=body, headers={"content-type": "application/json"})
    assert code(answer) == "REQUEST_INVALID"


def test_a_body_of_ten_megabytes(gateway: Gateway) -> None:
    body = b'{"document": "' + b"x" * 10_000_000 + b'"}'
    answer = gateway.account.api.post("/v1/signings", content=body, headers={"content-type": "application/json"})
    assert code(answer) == "BODY_TOO_LARGE"


@pytest.mark.parametrize("host", ["evil.example", "localhost", "localhost:1", "127.0.0.1:1/x", "localhost:99999"])
def test_another_host_name_is_refused(gateway: Gateway, host: str) -> None:
    for path in ("/v1/documents/x", "/sign/" + "0" * 32, "/openapi.json"):
        assert code(gateway.account.api.get(path, headers={"host": host})) == "HOST_UNKNOWN"


def test_every_answer_has_its_security_headers(gateway: Gateway) -> None:
    """Also those that refuse, and those of the page."""
    for path in ("/health/live", "/openapi.json", "/nothing", "/v1/documents/x", "/sign/" + "0" * 32):
        answer = gateway.account.api.get(path)
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        policy = answer.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "server" not in answer.headers
        assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])


def test_no_secret_in_logs_or_answers(gateway: Gateway, pdf: bytes) -> None:
    """Case S-5."""
    signing = gateway.account.new_signing(pdf)
    gateway.browser(signing).sign(gateway.signer)
    secret = signing["signing_url"].partition("#")[2]
    logs = gateway.web.log.read_text() + gateway.worker.log.read_text()
    stored = (gateway.directory / "data" / "fts.sqlite3").read_bytes()
    stored += (gateway.directory / "data" / "fts.sqlite3-wal").read_bytes()
    for canary in (secret, gateway.account.secret, gateway.account.webhook_secret.removeprefix("whsec_")):
        assert canary not in logs
        assert canary.encode() not in stored
    events = json.dumps([event.data for event in gateway.trail(signing["id"])])
    assert "TEST Signer" not in events
