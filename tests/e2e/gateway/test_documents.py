"""Downloads, deletion and the end of the retention time: FTS-SIG-1, FTS-GDPR-1, FTS-GDPR-2."""

import base64
import hashlib
import time

import pytest

from tests.e2e.gateway.test_failure_map import code, moved
from tests.samples.sound import SOUND
from tests.support.gateway import Gateway


def files(gateway: Gateway) -> set[str]:
    objects = gateway.directory / "data" / "objects"
    return {str(path.relative_to(objects)) for path in objects.glob("*/*")}


@pytest.fixture(scope="module")
def document(gateway: Gateway) -> tuple[str, bytes]:
    data = SOUND["fifty_kb"]()
    return gateway.account.upload(data, "downloads", "Überblick 2026.pdf").json()["id"], data


def test_the_original_comes_back_octet_for_octet(gateway: Gateway, document: tuple[str, bytes]) -> None:
    answer = gateway.account.api.get(f"/v1/documents/{document[0]}/content")
    assert answer.content == document[1]
    digest = base64.b64encode(hashlib.sha256(document[1]).digest()).decode()
    assert answer.headers["content-digest"] == f"sha-256=:{digest}:"
    assert answer.headers["content-disposition"] == "attachment; filename*=UTF-8''%C3%9Cberblick%202026.pdf"


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [("bytes=0-99", 0, 100), ("bytes=100-", 100, None), ("bytes=-10", -10, None), ("bytes=0-99999999", 0, None)],
)
def test_ranges(gateway: Gateway, document: tuple[str, bytes], asked: str, start: int, end: int | None) -> None:
    answer = gateway.account.api.get(f"/v1/documents/{document[0]}/content", headers={"range": asked})
    assert answer.status_code == 206
    assert answer.content == document[1][start:end]


@pytest.mark.parametrize("asked", ["bytes=99999999-", "bytes=5-2"])
def test_ranges_outside(gateway: Gateway, document: tuple[str, bytes], asked: str) -> None:
    answer = gateway.account.api.get(f"/v1/documents/{document[0]}/content", headers={"range": asked})
    assert code(answer) == "RANGE_NOT_SATISFIABLE"


def test_many_ranges_are_not_many_answers(gateway: Gateway, document: tuple[str, bytes]) -> None:
    """Case A-5."""
    asked = "bytes=" + ",".join("0-1" for _ in range(20))
    answer = gateway.account.api.get(f"/v1/documents/{document[0]}/content", headers={"range": asked})
    assert answer.status_code == 200
    assert answer.content == document[1]
    endless = "bytes=" + ",".join("0-1" for _ in range(5000))
    refused = gateway.account.api.get(f"/v1/documents/{document[0]}/content", headers={"range": endless})
    assert code(refused) == "REQUEST_INVALID"


def test_deleting_removes_everything(gateway: Gateway, pdf: bytes) -> None:
    """Original, previews, what was prepared and the signed document; the trail stays."""
    before = files(gateway)
    signing = gateway.account.new_signing(pdf)
    browser = gateway.browser(signing)
    assert browser.sign(gateway.signer)["state"] == "completed"
    browser.http.get(f"{browser.path}/pages/1.png").raise_for_status()
    assert len(files(gateway) - before) == 4
    assert gateway.account.api.delete(f"/v1/documents/{signing['document']}").status_code == 204
    assert files(gateway) - before == set()
    assert code(gateway.account.api.get(f"/v1/signings/{signing['id']}/content")) == "SIGNING_NOT_FOUND"
    assert code(gateway.account.api.delete(f"/v1/documents/{signing['document']}")) == "DOCUMENT_NOT_FOUND"
    kinds = [event.kind for event in gateway.trail(signing["id"])]
    assert kinds[-2:] == ["document.deletion_ordered", "document.destroyed"]
    assert "signing.completed" in kinds


def test_the_end_of_the_retention_time(gateway: Gateway, pdf: bytes) -> None:
    """Unreadable that second, gone with the next sweep. The time is moved in the database."""
    before = files(gateway)
    signing = gateway.account.new_signing(pdf)
    assert gateway.browser(signing).sign(gateway.signer)["state"] == "completed"
    with moved(gateway) as database:
        database.execute("UPDATE document SET expires_at = 1 WHERE id = ?", (signing["document"],))
    assert code(gateway.account.api.get(f"/v1/documents/{signing['document']}/content")) == "DOCUMENT_NOT_FOUND"
    assert code(gateway.account.api.get(f"/v1/signings/{signing['id']}/content")) == "SIGNING_NOT_FOUND"
    deadline = time.monotonic() + 5
    while files(gateway) - before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert files(gateway) - before == set()
    kinds = [event.kind for event in gateway.trail(signing["id"])]
    assert kinds[-2:] == ["document.expired", "document.destroyed"]


def test_one_client_sees_nothing_of_another(gateway: Gateway, pdf: bytes) -> None:
    """Case A-1: not even that it exists."""
    other = gateway.register("other-town")
    signing = gateway.account.new_signing(pdf)
    document = signing["document"]
    for method, path in (
        ("GET", f"/v1/documents/{document}"),
        ("GET", f"/v1/documents/{document}/content"),
        ("DELETE", f"/v1/documents/{document}"),
    ):
        assert code(other.api.request(method, path)) == "DOCUMENT_NOT_FOUND"
    for method, path in (
        ("GET", f"/v1/signings/{signing['id']}"),
        ("GET", f"/v1/signings/{signing['id']}/content"),
        ("POST", f"/v1/signings/{signing['id']}/cancel"),
    ):
        assert code(other.api.request(method, path)) == "SIGNING_NOT_FOUND"
    assert code(other.order(document)) == "DOCUMENT_NOT_FOUND"
    assert other.upload(pdf + b"\n", document).status_code == 201, "identifiers are each client's own"
