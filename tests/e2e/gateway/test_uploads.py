"""Hostile uploads: a problem with code and remedy, the document's process dies alone, others are served meanwhile.

FTS-SIG-1, FTS-GDPR-1, FTS-SEC-4; cases P-12, P-13, P-15, P-16, F-4, F-6 and F-7.
"""

import hashlib
import secrets
import socket
import sqlite3
import time
from base64 import b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Thread

import httpx
import pytest

from tests.e2e.gateway.test_failure_map import code
from tests.samples.damaged import DAMAGED
from tests.samples.sound import SOUND
from tests.support.gateway import Account, Gateway, named

CODES = {
    "damaged": {"DOCUMENT_DAMAGED", "DOCUMENT_INCOMPLETE", "NOT_A_PDF"},
    "too_complex": {"DOCUMENT_TOO_COMPLEX", "DOCUMENT_TOO_LARGE", "DOCUMENT_DAMAGED"},
    "empty": {"NOT_A_PDF"},
    "encrypted": {"DOCUMENT_ENCRYPTED"},
    "not_a_pdf": {"NOT_A_PDF"},
    "permission_denied": {"DOCUMENT_PERMISSION_DENIED"},
    "signed_and_damaged": {"DOCUMENT_SIGNED_AND_DAMAGED"},
}
HOSTILE = (
    "empty", "one_byte", "html", "zip_archive", "truncated_50", "header_only", "user_password", "rights_forbid",
    "pages_loop", "pages_kid_is_itself", "nested_arrays_in_page",
    "deflate_bomb", "deflate_bomb_layered", "image_bomb", "image_size_stated", "signed_truncated",
)  # fmt: skip
CAP = 400_000


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway with a small cap on uploads and tight limits on documents' processes."""
    with Gateway(
        tmp_path_factory.mktemp("small"),
        limits={"document_bytes": CAP, "upload_seconds": 2.0, "inspection_wait_seconds": 30.0},
        document_limits={"memory_bytes": 1 << 30, "cpu_seconds": 5.0, "wall_seconds": 8.0},
    ) as running:
        yield running


def headers(data: bytes) -> dict[str, str]:
    digest = b64encode(hashlib.sha256(data).digest()).decode()
    return {
        "content-type": "application/pdf",
        "content-digest": f"sha-256=:{digest}:",
        "content-disposition": named("x.pdf"),
    }


def put(account: Account, data: bytes, **more: str) -> httpx.Response:
    return account.api.put(f"/v1/documents/{secrets.token_hex(8)}", content=data, headers=headers(data) | more)


def rows(gateway: Gateway) -> int:
    database = sqlite3.connect(gateway.directory / "data" / "fts.sqlite3", timeout=10)
    try:
        [[count]] = database.execute("SELECT COUNT(*) FROM document")
        return int(count)
    finally:
        database.close()


def left(gateway: Gateway) -> tuple[int, int, int]:
    """Return how many documents, objects (half-written ones too) and keys there are."""
    data = gateway.directory / "data"
    return rows(gateway), len(list((data / "objects").glob("*/*"))), len(list((data / "keys").glob("*/*")))


def spooled(gateway: Gateway) -> list[Path]:
    return list((gateway.directory / "data" / "spool").iterdir())


@pytest.fixture(scope="module")
def patient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway that waits for every inspection and ends an expensive one after five seconds of processor time."""
    with Gateway(
        tmp_path_factory.mktemp("patient"),
        limits={"inspection_wait_seconds": 30.0},
        document_limits={"memory_bytes": 1 << 30, "cpu_seconds": 5.0, "wall_seconds": 8.0},
    ) as running:
        yield running


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_document_is_refused_with_the_reason(patient: Gateway, name: str) -> None:
    sample = DAMAGED[name]
    answer = put(patient.account, sample.make())
    assert answer.status_code == 422
    assert sample.reason is not None
    assert code(answer) in CODES[sample.reason]


def test_others_are_served_while_bombs_are_read(patient: Gateway) -> None:
    """Two documents that cost their processes all the time they may take; everything else goes on."""
    worker = patient.worker.running
    assert worker is not None
    bombs = [b"%PDF-1.4\n" + kind * (60_000_000 // len(kind)) for kind in (b"1 0 obj << /A [ 1 2 3 ] >> ", b"( ")]
    ready = patient.account.upload(SOUND["one_page"]()).json()["id"]
    with ThreadPoolExecutor(2) as senders:
        sent = [senders.submit(put, patient.account, bomb) for bomb in bombs]
        slowest = 0.0
        while not all(answer.done() for answer in sent):
            began = time.monotonic()
            assert patient.account.order(ready).status_code == 201
            assert patient.account.api.get("/health/ready").status_code == 200
            slowest = max(slowest, time.monotonic() - began)
        assert slowest < 3, "FTS-SIG-8"
        assert "DOCUMENT_TOO_COMPLEX" in {code(answer.result()) for answer in sent}
    assert worker.poll() is None, "only the document's process died"
    browser = patient.browser(patient.account.new_signing(SOUND["one_page"]()))
    assert browser.sign(patient.signer)["state"] == "completed"
    patient.close_browsers()


def test_a_rejected_document_says_why_and_cannot_be_signed(gateway: Gateway) -> None:
    data = DAMAGED["user_password"].make()
    assert code(gateway.account.upload(data, "locked")) == "DOCUMENT_ENCRYPTED"
    found = gateway.account.api.get("/v1/documents/locked").json()
    assert (found["state"], found["problem"]["code"]) == ("rejected", "DOCUMENT_ENCRYPTED")
    assert code(gateway.account.order("locked")) == "DOCUMENT_ENCRYPTED"


def test_a_damaged_document_is_refused_where_rewriting_is_forbidden(gateway: Gateway) -> None:
    strict = gateway.register("strict", repair=False)
    data = DAMAGED["startxref_missing"].make()
    answer = strict.upload(data)
    assert code(answer) == "DOCUMENT_DAMAGED"
    assert "startxref" in answer.json()["detail"], "the damage is named"
    allowed = gateway.account.upload(data).json()
    assert allowed["state"] == "ready"
    assert allowed["repair"]["original_sha256"] == hashlib.sha256(data).hexdigest()


class TestTransfer:
    """What arrives is what was sent, or nothing was."""

    def test_over_the_cap(self, small: Gateway) -> None:
        before = left(small)
        assert code(put(small.account, bytes(CAP + 1))) == "BODY_TOO_LARGE"

        def pieces() -> Iterator[bytes]:
            for _ in range(CAP // 1000 + 1):
                yield bytes(1000)

        chunked = small.account.api.put("/v1/documents/chunked", content=pieces(), headers=headers(b""))
        assert code(chunked) == "BODY_TOO_LARGE"
        assert left(small) == before
        assert spooled(small) == []

    def test_just_under_the_cap(self, small: Gateway) -> None:
        document = SOUND["one_page"]()
        padded = document + b"\n" * (CAP - len(document))
        assert len(padded) == CAP
        answer = put(small.account, padded)
        assert answer.status_code == 201 or answer.json()["code"] != "BODY_TOO_LARGE"

    def test_another_digest(self, small: Gateway) -> None:
        before = left(small)
        data = SOUND["one_page"]()
        wrong = headers(data + b"x")["content-digest"]
        assert code(put(small.account, data, **{"content-digest": wrong})) == "DIGEST_MISMATCH"
        for malformed in ("", "sha-256=", "md5=:AAAA:", "sha-256=:AAAA:", "x" * 5000):
            assert code(put(small.account, data, **{"content-digest": malformed})) == "DIGEST_REQUIRED"
        assert left(small) == before

    def test_another_media_type(self, small: Gateway) -> None:
        for media_type in ("", "text/html", "multipart/form-data; boundary=x", "application/pdfx"):
            answer = put(small.account, SOUND["one_page"](), **{"content-type": media_type})
            assert code(answer) == "MEDIA_TYPE_UNSUPPORTED"

    @pytest.mark.parametrize("name", ["", " ", "a\nb", "\u202efdp.exe", "x" * 256, "a\0b"])
    def test_names_that_nobody_can_read(self, small: Gateway, name: str) -> None:
        data = SOUND["one_page"]()
        answer = small.account.api.put(
            f"/v1/documents/{secrets.token_hex(8)}",
            content=data,
            headers=headers(data) | {"content-disposition": named(name)},
        )
        assert code(answer) == "REQUEST_INVALID"

    @pytest.mark.parametrize(
        "header",
        [
            "",
            "attachment",
            "attachment; filename",
            "attachment; filename*=x",
            "attachment; filename*=UTF-8''%FF",
            "attachment; filename*=x-none''a",
            "attachment; filename*0=a; filename*999999999=b",
            "x" * 3000,
        ],
    )
    def test_headers_that_name_nothing(self, small: Gateway, header: str) -> None:
        data = SOUND["one_page"]()
        answer = put(small.account, data, **{"content-disposition": header})
        assert answer.status_code == 201 or code(answer) == "REQUEST_INVALID"

    @pytest.mark.parametrize("identifier", ["a b", "a%2Fb", "..%2f..", "%00", "x" * 65, "é"])
    def test_identifiers_are_never_paths(self, small: Gateway, identifier: str) -> None:
        data = SOUND["one_page"]()
        answer = small.account.api.put(f"/v1/documents/{identifier}", content=data, headers=headers(data))
        assert code(answer) in {"REQUEST_INVALID", "NOT_FOUND"}

    def test_a_connection_that_ends_early_leaves_nothing(self, small: Gateway) -> None:
        before = left(small)
        for _ in range(3):
            connection = begun(small, announced=100_000)
            connection.sendall(b"%PDF-1.7 half")
            connection.close()
        wait_for(lambda: (spooled(small), left(small)) == ([], before))

    def test_a_sender_that_drips_is_ended(self, small: Gateway) -> None:
        before = left(small)
        connection = begun(small, announced=100_000)
        dripping = Thread(target=drip, args=(connection,), daemon=True)
        dripping.start()
        answer = connection.recv(65536)
        assert b"408" in answer.split(b"\r\n")[0]
        connection.close()
        dripping.join()
        wait_for(lambda: (spooled(small), left(small)) == ([], before))


def begun(gateway: Gateway, announced: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", gateway.port), timeout=15)
    credentials = b64encode(f"{gateway.account.client_id}:{gateway.account.secret}".encode()).decode()
    head = {"Host": f"localhost:{gateway.port}", "Authorization": f"Basic {credentials}", **headers(b"")}
    lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
    request = f"PUT /v1/documents/{secrets.token_hex(8)} HTTP/1.1\r\n{lines}Content-Length: {announced}\r\n\r\n"
    connection.sendall(request.encode())
    return connection


def drip(connection: socket.socket) -> None:
    try:
        for _ in range(100):
            connection.sendall(b"x")
            time.sleep(0.1)
    except OSError:
        return


def wait_for(condition: object, seconds: float = 15.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.02)


class TestActiveContent:
    """Scripts, launch actions and links are shown as pictures, and fetch nothing (case P-16)."""

    def test_previews_are_pictures_and_text(self, gateway: Gateway) -> None:
        with socket.create_server(("127.0.0.1", 0)) as canary:
            canary.settimeout(0.5)
            port = canary.getsockname()[1]
            data = SOUND["active_actions"]().replace(b"https://example.org", f"http://127.0.0.1:{port}".encode())
            browser = gateway.browser(gateway.account.new_signing(data))
            browser.open().raise_for_status()
            picture = browser.http.get(f"{browser.path}/pages/1.png")
            assert picture.headers["content-type"] == "image/png"
            assert picture.content.startswith(b"\x89PNG")
            text = browser.http.get(f"{browser.path}/pages/1.txt")
            assert text.headers["content-type"].startswith("text/plain")
            assert browser.sign(gateway.signer)["state"] == "completed"
            with pytest.raises(TimeoutError):
                canary.accept()

    def test_pages_that_are_not_there(self, gateway: Gateway, pdf: bytes) -> None:
        browser = gateway.browser(gateway.account.new_signing(pdf))
        browser.open().raise_for_status()
        for number in ("0", "2", "999999999999"):
            assert code(browser.http.get(f"{browser.path}/pages/{number}.png")) == "PAGE_NOT_FOUND"
        assert code(browser.http.get(f"{browser.path}/pages/x.png")) in {"REQUEST_INVALID", "NOT_FOUND"}


def test_a_name_with_markup_is_inert(gateway: Gateway, pdf: bytes) -> None:
    """Case W-9."""
    name = '<script>alert(1)</script>"onload=x.pdf'
    document = gateway.account.upload(pdf, secrets.token_hex(8), name).json()["id"]
    browser = gateway.browser(gateway.account.order(document).json())
    browser.open().raise_for_status()
    page = browser.http.get(browser.path).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;alert(1)" in page
