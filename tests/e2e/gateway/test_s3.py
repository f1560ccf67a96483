"""The whole line with an S3 server as object store: FTS-GDPR-1, FTS-SEC-3."""

import json
import secrets
from collections.abc import Iterator

import pytest

from tests.samples.sound import SOUND
from tests.support.gateway import Gateway
from tests.support.seaweed import Seaweed, client_of, seaweed

PREFIX = "fts-"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    with seaweed(tmp_path_factory.mktemp("weed")) as running:
        yield running


@pytest.fixture(scope="module")
def remote(server: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    directory = tmp_path_factory.mktemp("remote")
    path = directory / "store.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({"*": {"access_key": server.admin.access_key, "secret_key": server.admin.secret_key}}))
    store = {
        "endpoint": server.endpoint.host,
        "secure": False,
        "prefix": PREFIX,
        "credentials": str(path),
        "place": "BE",
    }
    with Gateway(directory, objects=store) as running:
        yield running


def kept(server: Seaweed, bucket: str) -> list[str]:
    """Return what the server keeps in a bucket, old versions too."""
    found = client_of(server).list_objects(bucket_name=PREFIX + bucket, recursive=True, include_version=True)
    return [str(one.object_name) for one in found]


def test_a_document_from_upload_to_destruction(remote: Gateway, server: Seaweed) -> None:
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
    names = kept(server, "town")
    assert len(names) >= 4
    for name in names:
        answer = client_of(server).get_object(bucket_name=f"{PREFIX}town", object_name=name)
        assert marker.encode() not in answer.read()
        answer.release_conn()
    account.api.get("/health/ready").raise_for_status()
    assert account.api.delete(f"/v1/documents/{signing['document']}").status_code == 204
    assert kept(server, "town") == []


def test_a_client_that_leaves_takes_its_bucket_along(remote: Gateway, server: Seaweed) -> None:
    remote.register("leaving").upload(SOUND["one_page"]()).raise_for_status()
    assert kept(server, "leaving")
    remote.command("clients", "offboard", "leaving", "--yes")
    assert not client_of(server).bucket_exists(bucket_name=f"{PREFIX}leaving")
