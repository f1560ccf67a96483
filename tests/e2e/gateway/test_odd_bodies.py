"""Bodies that no route takes, at every route that takes one (cases A-4, A-7, F-6)."""

import base64
import hashlib
import socket

import pytest

from tests.e2e.gateway.test_failure_map import code
from tests.samples.sound import SOUND
from tests.support.gateway import Gateway, named

ORDERS = ("/v1/signings", "/v1/timestamps", "/v1/timestamps/batch", "/v1/documents/{}/timestamps")
BOUNDARY = "b" * 70
MULTIPART = {
    "thousands of parts": (BOUNDARY, f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="x"\r\n\r\n\r\n' * 5000),
    "a huge header of a part": (BOUNDARY, f"--{BOUNDARY}\r\nX-A: {'a' * 500_000}\r\n\r\n"),
    "a huge preamble": (BOUNDARY, "p" * 1_000_000 + f"--{BOUNDARY}--"),
    "an odd boundary": ('"\\x00;=";boundary=c', "--c--"),
    "no boundary": ("", "x"),
}
ODD = (
    b'{"hash": "a", "hash": "b"}',
    b'{"hash": NaN}',
    b'{"items": [1e400]}',
    b"[" * 20_000,
    b'{"a":' * 5000 + b"1" + b"}" * 5000,
    b'{"surprise": 1}',
    b"\xff\xfe",
)


@pytest.fixture(scope="module")
def ready(gateway: Gateway) -> str:
    found: str = gateway.account.upload(SOUND["one_page"]()).json()["id"]
    return found


@pytest.mark.parametrize("path", ORDERS)
@pytest.mark.parametrize("what", MULTIPART)
def test_multipart_is_not_read(gateway: Gateway, ready: str, path: str, what: str) -> None:
    """Case A-4: no route takes multipart, so nothing parses it."""
    boundary, body = MULTIPART[what]
    headers = {"content-type": f"multipart/form-data; boundary={boundary}"}
    answer = gateway.account.api.post(path.format(ready), content=body.encode(), headers=headers)
    assert code(answer) in ("REQUEST_INVALID", "BODY_TOO_LARGE", "MEDIA_TYPE_UNSUPPORTED"), answer.text


@pytest.mark.parametrize("path", ORDERS)
@pytest.mark.parametrize("body", ODD)
def test_json_means_one_thing(gateway: Gateway, ready: str, path: str, body: bytes) -> None:
    """Case A-7, at the newer routes too."""
    headers = {"content-type": "application/json"}
    answer = gateway.account.api.post(path.format(ready), content=body, headers=headers)
    assert code(answer) == "REQUEST_INVALID", answer.text


@pytest.mark.parametrize("length", ["-1", "+5", "5,6", "0x5", "99999999999999999999999"])
def test_lengths_that_are_none(gateway: Gateway, length: str) -> None:
    """Case A-4: refused with 400 or hung up on, and others are served."""
    token = base64.b64encode(f"{gateway.account.client_id}:{gateway.account.secret}".encode()).decode()
    request = (
        f"POST /v1/signings HTTP/1.1\r\nHost: localhost:{gateway.port}\r\nAuthorization: Basic {token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {length}\r\n\r\nhello"
    )
    with socket.create_connection(("localhost", gateway.port), timeout=5) as connection:
        connection.sendall(request.encode())
        answer = connection.recv(1000)
    assert answer == b"" or answer.startswith((b"HTTP/1.1 400", b"HTTP/1.1 413")), answer
    gateway.account.api.get("/v1/usage").raise_for_status()


@pytest.mark.parametrize("data", [b"", b"%"])
def test_documents_of_no_or_one_octet(gateway: Gateway, data: bytes) -> None:
    """Case F-6: taken in as what they are, and refused as PDF; chunked, without a length, alike."""
    account = gateway.account
    assert code(account.upload(data)) == "NOT_A_PDF"
    digest = base64.b64encode(hashlib.sha256(data).digest()).decode()
    headers = {
        "content-type": "application/pdf",
        "content-digest": f"sha-256=:{digest}:",
        "content-disposition": named("x.pdf"),
    }
    answer = account.api.put(f"/v1/documents/chunked{len(data)}", content=iter([data]), headers=headers)
    assert "content-length" not in answer.request.headers
    assert code(answer) == "NOT_A_PDF"
