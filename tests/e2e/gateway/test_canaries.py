"""A canary in every further input, a marker in every further kind of document: FTS-SEC-3, FTS-GDPR-1; case S-5."""

import json
import secrets
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from fts.profiles.registry import NAMES
from fts.tsa.material import demo_unit
from tests.e2e.gateway.test_custody import found_in
from tests.samples.sound import SOUND
from tests.support.gateway import Gateway
from timestamping.clock import utc_now

XML = "application/xml"
HASH = "n4bQgYhMfWWaL+qgxVrQFaO/TxsrC4Is0V1sFbDwCgg="


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A gateway of its own with an authority of its own."""
    material = demo_unit(tmp_path_factory.mktemp("unit"), "p256", utc_now)
    timestamping: dict[str, Any] = {
        "unit": {"certificate": str(material.certificates), "key_file": str(material.key)},
        "policy": "1.3.6.1.4.1.32473.1",
        "records": "data/records",
        "clock": {"unguarded": True},
    }
    with Gateway(tmp_path_factory.mktemp("house"), timestamping=timestamping) as running:
        yield running


def check(house: Gateway, canary: str, answers: dict[str, httpx.Response]) -> None:
    """Check that no answer, and no file of the gateway, repeats what came in."""
    for what, answer in answers.items():
        assert 400 <= answer.status_code < 500, f"{what}: {answer.status_code} {answer.text}"
        assert canary not in answer.text, what
        assert canary not in str(answer.headers), what
    assert found_in(house.directory, canary.encode()) == []


def test_timestamps_over_json(house: Gateway) -> None:
    api, canary = house.account.api, "c0ffee" + secrets.token_hex(10)
    order = {"hash": HASH, "hash_algorithm": "sha-256"}

    def post(path: str, body: Any, **headers: str) -> httpx.Response:
        return api.post(path, json=body, headers=headers)

    one, many, document = "/v1/timestamps", "/v1/timestamps/batch", house.account.upload(SOUND["one_page"]()).json()
    of_document = f"/v1/documents/{document['id']}/timestamps"
    check(
        house,
        canary,
        {
            "hash of another length": post(one, {**order, "hash": canary}),
            "hash that is no base64": post(one, {**order, "hash": canary + "!"}),
            "algorithm": post(one, {**order, "hash_algorithm": canary}),
            "nonce": post(one, {**order, "nonce": canary * 3}),
            "policy": post(one, {**order, "policy": canary}),
            "certificates": post(one, {**order, "certificates": canary}),
            "body": api.post(one, content=canary.encode(), headers={"content-type": "application/json"}),
            "item": post(many, {"items": [{**order, "nonce": canary + "x"}]}),
            "items": post(many, {"items": canary}),
            "form": post(of_document, {"form": canary}),
            "algorithm of a document": post(of_document, {"form": "detached", "hash_algorithm": canary}),
            "key": post(of_document, {"form": "detached"}, **{"idempotency-key": canary * 6}),
            "document": api.get(f"/v1/documents/{'x' * 64}{canary}/timestamps/{'0' * 32}"),
            "timestamp": api.get(f"/v1/documents/{document['id']}/timestamps/{canary}"),
        },
    )
    ordered = post(of_document, {"form": "detached"}, **{"idempotency-key": canary})
    assert ordered.status_code in (201, 202), ordered.text
    assert found_in(house.directory, canary.encode()) == [], "the key of a repetition is kept as a keyed hash"


def test_queries_at_the_door(house: Gateway) -> None:
    """RFC 3161 queries that are none, or ask for what is refused: an answer, a record, and nothing of them in it."""
    api, canary = house.account.api, b"canary" + secrets.token_hex(10).encode()
    query = {"content-type": "application/timestamp-query"}
    sequence = bytes([0x30, 3 + 2 + len(canary), 2, 1, 1, 4, len(canary)]) + canary
    for body in (canary, sequence, b"\x30\x80" + canary, canary * 10_000):
        answer = api.post("/tsa", content=body, headers=query)
        assert answer.status_code < 500
        assert canary not in answer.content
    answer = api.post("/tsa", content=b"x", headers={"content-type": canary.decode()})
    assert answer.status_code < 500
    assert canary not in answer.content
    assert found_in(house.directory, canary) == []


@pytest.mark.parametrize(("name", "media_type"), [("a.xml", XML), ("a.bin", "application/octet-stream")])
def test_documents_of_every_kind(house: Gateway, name: str, media_type: str) -> None:
    """A marker in content and name, from upload to the signed result: in no file of store, database or log."""
    account = house.register(f"kinds-{name[2:]}", profiles=list(NAMES))
    marker = "marker" + secrets.token_hex(10)
    data = f"<invoice><note>{marker}</note></invoice>".encode() if media_type == XML else marker.encode() * 100
    uploaded = account.upload(data, name=f"{marker}-{name}", media_type=media_type)
    assert uploaded.status_code == 201, uploaded.text
    document = uploaded.json()["id"]
    profile = "XADES_LTA" if media_type == XML else "ASIC_E_LTA"
    profile = profile if profile in NAMES else next(one for one in NAMES if one.startswith(profile[:4]))
    ordered = account.order(document, profile=profile, state=marker)
    assert ordered.status_code == 201, ordered.text
    assert house.browser(ordered.json()).sign(house.signer)["state"] == "completed"
    stamped = account.api.post(f"/v1/documents/{document}/timestamps", json={"form": "asic-s"})
    assert stamped.status_code in (201, 202), stamped.text
    assert marker.encode() in account.api.get(f"/v1/documents/{document}/content").content
    assert found_in(house.directory, marker.encode()) == []
    broken = account.upload(f"<a>{marker}".encode(), name=f"{marker}.xml", media_type=XML)
    assert marker not in broken.text
    assert account.api.delete("/v1/documents").status_code == 200
    assert found_in(house.directory, marker.encode()) == []


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("webhook_url", "https://user:{}@town.example/hook"),
        ("webhook_url", "https://town.example/hook#{}"),
        ("webhook_url", "http://town.example/hook?token={}"),
        ("return_urls", ["https://user:{}@town.example/return"]),
        ("surprise", "{}"),
    ],
)
def test_files_of_clients(house: Gateway, member: str, value: Any) -> None:
    """What is wrong in a file is said without the secrets that stand in it."""
    canary = "canary" + secrets.token_hex(10)
    house.define("faulty", **{member: json.loads(json.dumps(value).replace("{}", canary))})
    try:
        with pytest.raises(RuntimeError, match="CLIENT_INVALID") as caught:
            house.command("clients", "plan", str(house.clients))
    finally:
        (house.clients / "faulty.toml").unlink()
    assert canary not in str(caught.value)
    assert found_in(house.directory, canary.encode()) == []


def test_where_a_message_goes_is_in_no_log(house: Gateway) -> None:
    """The address of a client's server may carry a token: it is in the account, and nowhere else."""
    canary = "canary" + secrets.token_hex(10)
    account = house.register("told", webhook_url=f"http://127.0.0.1:1/{canary}?token={canary}")
    signing = account.new_signing(SOUND["one_page"]())
    assert account.api.post(f"/v1/signings/{signing['id']}/cancel").status_code == 200
    events = []
    for _ in range(100):
        events = [event for event in house.trail(signing["id"]) if event.kind.startswith("webhook.")]
        if events:
            break
    assert [event.kind for event in events][:1] == ["webhook.refused"]
    assert canary not in str([event.data for event in events])
    for process in (house.web, house.worker, house.sequencer):
        assert canary not in process.log.read_text()
