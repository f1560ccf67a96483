"""A stored object that changes between two steps: found at the next step that reads it, on both stores.

FTS-SIG-1, FTS-SEC-3, FTS-GDPR-6; case F-5: an error, no signature, an incident.
"""

import io
import time
from collections.abc import Callable
from typing import Any, Protocol

import httpx
import pytest

from tests.e2e.gateway.test_failure_map import code, moved
from tests.e2e.gateway.test_s3 import PREFIX
from tests.samples.sound import SOUND
from tests.support.gateway import Account, Browser, Gateway
from tests.support.seaweed import Seaweed, client_of


class Store(Protocol):
    """The octets of objects, as somebody gets at them who gets at the store."""

    gateway: Gateway

    def read(self, name: str) -> bytes:
        """Return an object's octets."""

    def write(self, name: str, octets: bytes) -> None:
        """Put other octets in their place."""


class Files:
    """The embedded store."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        self._root = gateway.directory / "data" / "objects"

    def read(self, name: str) -> bytes:
        return (self._root / name).read_bytes()

    def write(self, name: str, octets: bytes) -> None:
        (self._root / name).write_bytes(octets)


class Remote:
    """An S3 server, with the administrator's credential."""

    def __init__(self, gateway: Gateway, server: Seaweed) -> None:
        self.gateway = gateway
        self._client = client_of(server)

    def read(self, name: str) -> bytes:
        bucket, _, key = name.partition("/")
        answer = self._client.get_object(bucket_name=PREFIX + bucket, object_name=key)
        try:
            octets: bytes = answer.read()
            return octets
        finally:
            answer.close()
            answer.release_conn()

    def write(self, name: str, octets: bytes) -> None:
        bucket, _, key = name.partition("/")
        data = io.BytesIO(octets)
        self._client.put_object(bucket_name=PREFIX + bucket, object_name=key, data=data, length=len(octets))


@pytest.fixture(scope="module", params=["files", "s3"])
def store(request: pytest.FixtureRequest) -> Store:
    if request.param == "files":
        return Files(request.getfixturevalue("gateway"))
    return Remote(request.getfixturevalue("remote"), request.getfixturevalue("weed"))


@pytest.fixture(scope="module")
def account(store: Store) -> Account:
    return store.gateway.register("swapped")


def one(gateway: Gateway, statement: str, identifier: str) -> str:
    with moved(gateway) as database:
        [name] = database.execute(statement, (identifier,)).fetchone()
    return str(name)


def original(gateway: Gateway, document: str) -> str:
    return one(gateway, "SELECT object FROM document WHERE client_id = 'swapped' AND id = ?", document)


def flipped(octets: bytes, _other: bytes) -> bytes:
    """Change one bit near the end, which only the last piece's tag tells."""
    return octets[:-20] + bytes([octets[-20] ^ 1]) + octets[-19:]


def cut(octets: bytes, _other: bytes) -> bytes:
    """Leave off the end."""
    return octets[:-40]


def exchanged(_octets: bytes, other: bytes) -> bytes:
    """Take another document's object of the same client, which is whole in itself."""
    return other


def emptied(_octets: bytes, _other: bytes) -> bytes:
    """Leave nothing."""
    return b""


CASES = [
    *((moment, change) for moment in ("preview", "digest", "assembly") for change in (flipped, exchanged)),
    ("assembly", cut),
    ("assembly", emptied),
]


def incidents(gateway: Gateway) -> int:
    with moved(gateway) as database:
        statement = "SELECT COUNT(*) FROM event WHERE kind = 'security.document_changed' AND client_id = 'swapped'"
        [count] = database.execute(statement).fetchone()
    return int(count)


def before_the_preview(browser: Browser, swap: Callable[[], None]) -> None:
    """Swap before the first page is drawn, which is before anybody looked."""
    swap()
    assert browser.http.get(f"{browser.path}/pages/1.png").status_code >= 500


def between_preview_and_digest(browser: Browser, swap: Callable[[], None], gateway: Gateway) -> None:
    browser.http.get(f"{browser.path}/pages/1.png").raise_for_status()
    swap()
    browser.give_certificate(gateway.signer).raise_for_status()
    end = browser.wait("failed", "opened", "prepared", "completed")
    assert end["state"] in ("failed", "opened"), end
    assert end["problem"]["code"] == "DOCUMENT_CHANGED"


def between_digest_and_assembly(browser: Browser, swap: Callable[[], None], gateway: Gateway) -> None:
    browser.give_certificate(gateway.signer).raise_for_status()
    digest = browser.wait("prepared")["digest"]
    swap()
    browser.give_value(gateway.signer, digest).raise_for_status()
    end = browser.wait("failed", "completed")
    assert (end["state"], end["problem"]["code"]) == ("failed", "DOCUMENT_CHANGED")


@pytest.mark.parametrize(("moment", "change"), CASES)
def test_an_object_that_is_swapped_is_found(
    store: Store, account: Account, moment: str, change: Callable[[bytes, bytes], bytes]
) -> None:
    gateway, data = store.gateway, SOUND["one_page"]()
    other = account.upload(data + b"\n").json()["id"]
    signing = account.new_signing(data)
    name = original(gateway, signing["document"])
    octets, before = store.read(name), incidents(gateway)

    def swap() -> None:
        store.write(name, change(octets, store.read(original(gateway, other))))

    browser = gateway.browser(signing)
    browser.open().raise_for_status()
    if moment == "preview":
        before_the_preview(browser, swap)
    elif moment == "digest":
        between_preview_and_digest(browser, swap, gateway)
    else:
        between_digest_and_assembly(browser, swap, gateway)
    found: dict[str, Any] = account.signing(signing["id"])
    assert found["result"] is None
    assert code(account.api.get(f"/v1/signings/{signing['id']}/content")) == "SIGNING_NOT_COMPLETED"
    told(gateway, before)
    assert account.api.delete(f"/v1/documents/{signing['document']}").status_code == 204


def told(gateway: Gateway, before: int) -> None:
    """Wait for the security event, which names the client."""
    deadline = time.monotonic() + 20
    while incidents(gateway) == before:
        assert time.monotonic() < deadline, "no security event"
        time.sleep(0.2)


@pytest.mark.parametrize("what", ["prepared", "preview", "result"])
def test_what_was_made_of_a_document_is_watched_too(store: Store, account: Account, what: str) -> None:
    """The kept state of a signature, a picture and the signed document, each swapped after it was made."""
    gateway, data = store.gateway, SOUND["one_page"]()
    signing = account.new_signing(data)
    browser = gateway.browser(signing)
    browser.open().raise_for_status()
    before = incidents(gateway)
    browser.http.get(f"{browser.path}/pages/1.png").raise_for_status()
    if what == "preview":
        statement = "SELECT image_object FROM preview WHERE client_id = 'swapped' AND document_id = ?"
        name = one(gateway, statement, signing["document"])
        store.write(name, flipped(store.read(name), b""))
        assert code(browser.http.get(f"{browser.path}/pages/1.png")) == "DOCUMENT_CHANGED"
    browser.give_certificate(gateway.signer).raise_for_status()
    digest = browser.wait("prepared")["digest"]
    if what == "prepared":
        name = one(gateway, "SELECT prepared_object FROM signing WHERE id = ?", signing["id"])
        store.write(name, flipped(store.read(name), b""))
    browser.give_value(gateway.signer, digest).raise_for_status()
    end = browser.wait("failed", "completed")
    if what == "prepared":
        assert (end["state"], end["problem"]["code"]) == ("failed", "DOCUMENT_CHANGED")
        assert account.signing(signing["id"])["result"] is None
    if what == "result":
        assert end["state"] == "completed"
        name = one(gateway, "SELECT result_object FROM signing WHERE id = ?", signing["id"])
        store.write(name, flipped(store.read(name), b""))
        with pytest.raises(httpx.RemoteProtocolError, match="without sending complete"):
            account.api.get(f"/v1/signings/{signing['id']}/content")
    told(gateway, before)
