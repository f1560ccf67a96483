"""The whole line with an S3 server as object store: FTS-GDPR-1, FTS-SEC-3."""

import secrets

from tests.e2e.gateway.test_failure_map import code
from tests.e2e.gateway.test_uploads import begun, headers, spooled, wait_for
from tests.samples.sound import SOUND
from tests.support.gateway import Gateway
from tests.support.seaweed import Seaweed, client_of

PREFIX = "fts-"


def kept(weed: Seaweed, bucket: str) -> list[str]:
    """Return what the server keeps in a bucket, old versions too."""
    found = client_of(weed).list_objects(bucket_name=PREFIX + bucket, recursive=True, include_version=True)
    return [str(one.object_name) for one in found]


def test_a_document_from_upload_to_destruction(remote: Gateway, weed: Seaweed) -> None:
    marker = secrets.token_hex(12)
    data = SOUND["fifty_kb"]() + f"% {marker}\n".encode()
    account = remote.account
    signing = account.new_signing(data)
    browser = remote.browser(signing)
    assert browser.sign(remote.signer)["state"] == "completed"
    browser.http.get(f"{browser.path}/pages/1.png").raise_for_status()
    assert account.api.get(f"/v1/documents/{signing['document']}/content").content == data
    signed = account.api.get(f"/v1/signings/{signing['id']}/content").content
    assert signed.startswith(data)
    part = account.api.get(f"/v1/signings/{signing['id']}/content", headers={"range": "bytes=100-199"})
    assert (part.status_code, part.content) == (206, signed[100:200])
    names = kept(weed, "town")
    assert len(names) >= 4
    for name in names:
        answer = client_of(weed).get_object(bucket_name=f"{PREFIX}town", object_name=name)
        assert marker.encode() not in answer.read()
        answer.release_conn()
    account.api.get("/health/ready").raise_for_status()
    assert account.api.delete(f"/v1/documents/{signing['document']}").status_code == 204
    assert kept(weed, "town") == []


def test_a_client_that_leaves_takes_its_bucket_along(remote: Gateway, weed: Seaweed) -> None:
    remote.register("leaving").upload(SOUND["one_page"]()).raise_for_status()
    assert kept(weed, "leaving")
    remote.command("clients", "offboard", "leaving", "--yes")
    assert not client_of(weed).bucket_exists(bucket_name=f"{PREFIX}leaving")
    (remote.clients / "leaving.toml").unlink()


def test_uploads_that_end_badly_leave_nothing(remote: Gateway, weed: Seaweed) -> None:
    """Case F-6 on a server: at and over the limit, without a length, broken off, with another digest."""
    account, most = remote.register("uploads"), 1_000_000
    document = SOUND["one_page"]()
    longest = document + b"\n" * (most - len(document))
    answer = account.upload(longest, "longest")
    assert answer.is_success, answer.text
    wait_for(lambda: account.api.get("/v1/documents/longest").json()["state"] == "ready")
    assert account.api.get("/v1/documents/longest/content").content == longest

    def left() -> tuple[list[str], int, int, list[str]]:
        unfinished = client_of(weed)._list_multipart_uploads(f"{PREFIX}uploads").uploads
        keys = list((remote.directory / "data" / "keys" / "uploads").iterdir())
        return kept(weed, "uploads"), len(unfinished), len(keys), [path.name for path in spooled(remote)]

    before = left()
    assert before[1:] == (0, 1, [])
    pieces = (bytes(10_000) for _ in range(most // 10_000 + 1))
    chunked = account.api.put("/v1/documents/over", content=pieces, headers=headers(b""))
    assert code(chunked) == "BODY_TOO_LARGE"
    assert code(account.upload(longest + b"\n", "over")) == "BODY_TOO_LARGE"
    wrong = headers(document + b"x")
    assert code(account.api.put("/v1/documents/wrong", content=document, headers=wrong)) == "DIGEST_MISMATCH"
    for _ in range(3):
        with begun(remote, announced=500_000) as connection:
            connection.sendall(b"%PDF-1.7 half")
    wait_for(lambda: left() == before)
    for data in (b"", b"%"):
        refused = account.upload(data, f"octets{len(data)}")
        if refused.status_code == 202:
            where = f"/v1/documents/octets{len(data)}"
            wait_for(lambda where=where: account.api.get(where).json()["state"] == "rejected")
            assert account.api.get(where).json()["problem"]["code"] == "NOT_A_PDF"
        else:
            assert code(refused) == "NOT_A_PDF"
    account.api.delete("/v1/documents").raise_for_status()
    wait_for(lambda: left() == ([], 0, 0, []))
