"""Timestamps over JSON and at the gateway's own door: FTS-TS-3, FTS-TS-4, FTS-AUD-1; case A-8."""

import asyncio
import base64
import hashlib
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from fts.audit.models import event as event_table
from fts.tsa.material import demo_unit
from tests.support.embedded import Embedded, code, embedded
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.clock.changes import ClockChanges
from timestamping.authority.decision import FailInfo, rejection
from timestamping.authority.ports import ClockSnapshot, ClockState, TimeNotAvailableError
from timestamping.authority.records import read_everything, read_records
from timestamping.clock import utc_now
from timestamping.request import build_request, parse_request
from timestamping.token import parse_reply, parse_token

POLICY = "1.3.6.1.4.1.32473.1"
OTHER_POLICY = "1.3.6.1.4.1.32473.2"
QUERY = {"content-type": "application/timestamp-query"}
Case = Callable[[Embedded], Awaitable[None]]


def own(tmp_path: Path, **more: Any) -> dict[str, Any]:
    material = demo_unit(tmp_path / "unit", "p256", utc_now)
    (tmp_path / "root.pem").write_bytes(material.root.read_bytes())
    return {
        "unit": {"certificate": material.certificates, "key_file": material.key},
        "policy": POLICY,
        "policies": [OTHER_POLICY],
        "records": tmp_path / "records",
        "clock": {"unguarded": True},
        **more,
    }


def run(tmp_path: Path, case: Case, **more: Any) -> None:
    async def work() -> None:
        async with embedded(tmp_path, timestamping=own(tmp_path, **more)) as gateway:
            await case(gateway)

    asyncio.run(work())


def order(data: bytes = b"anything", name: str = "sha-256", **more: Any) -> dict[str, Any]:
    digest = hashlib.new(name.replace("-", ""), data).digest()
    return {"hash": base64.b64encode(digest).decode(), "hash_algorithm": name, **more}


async def events(gateway: Embedded, kind: str) -> list[Any]:
    async with gateway.services.database.read() as connection:
        rows = await connection.execute(select(event_table).where(event_table.c.kind == kind).order_by("id"))
        return list(rows)


@pytest.mark.parametrize("name", ["sha-256", "sha-384", "sha-512"])
def test_a_hash_becomes_a_token(tmp_path: Path, name: str) -> None:
    async def case(gateway: Embedded) -> None:
        http = gateway.http(await gateway.register("town"))
        asked = order(name=name, nonce="0aFF", policy=OTHER_POLICY)
        answer = await http.post("/v1/timestamps", json=asked)
        assert answer.status_code == 201, answer.text
        body = answer.json()
        token = parse_token(base64.b64decode(body["token"]))
        assert base64.b64encode(token.imprint).decode() == body["hash"] == asked["hash"]
        assert body["hash_algorithm"] == name
        assert (token.policy, f"{token.serial_number:x}") == (body["policy"], body["serial_number"])
        assert token.policy == OTHER_POLICY
        assert abs(token.gen_time - datetime.now(UTC)) < timedelta(seconds=5)
        assert token.gen_time == datetime.fromisoformat(body["gen_time"])
        assert body["accuracy_seconds"] == 1.0
        (event,) = await events(gateway, "timestamp.issued")
        assert event.client_id == "town"
        assert event.data["hash_sha256"] == hashlib.sha256(token.imprint).hexdigest()
        assert event.data["serial_number"] == body["serial_number"]
        assert event.data["token_sha256"] == hashlib.sha256(token.der).hexdigest()
        (record,) = read_records(tmp_path / "records")
        assert (record["client"], record["nonce"]) == ("town", "aff")
        assert record["reference"] == answer.headers["x-request-id"] == event.reference

    run(tmp_path, case)


def test_the_certificates_may_be_left_out(tmp_path: Path) -> None:
    async def case(gateway: Embedded) -> None:
        http = gateway.http(await gateway.register("town"))
        sizes = []
        for wanted in (True, False):
            answer = await http.post("/v1/timestamps", json=order(certificates=wanted))
            sizes.append(len(base64.b64decode(answer.json()["token"])))
        assert sizes[0] > sizes[1] + 300

    run(tmp_path, case)


@pytest.mark.parametrize(
    ("asked", "fail_info"),
    [
        (order(name="sha-1"), "badAlg"),
        (order(name="md5"), "badAlg"),
        ({**order(), "hash_algorithm": "sha-512"}, "badDataFormat"),
        (order(policy="1.2.3.4"), "unacceptedPolicy"),
    ],
)
def test_refusals_name_the_fail_info(tmp_path: Path, asked: dict[str, Any], fail_info: str) -> None:
    async def case(gateway: Embedded) -> None:
        http = gateway.http(await gateway.register("town"))
        answer = await http.post("/v1/timestamps", json=asked)
        assert (answer.status_code, code(answer)) == (422, "TIMESTAMP_REFUSED")
        assert answer.json()["fail_info"] == fail_info
        assert [record["fail_info"] for record in read_records(tmp_path / "records")] == [fail_info]
        assert not await events(gateway, "timestamp.issued")

    run(tmp_path, case)


@pytest.mark.parametrize(
    "asked",
    [
        {**order(), "hash": "not base64"},
        {**order(), "hash": "AAA"},
        {**order(), "hash_algorithm": "sha3-256"},
        {**order(), "nonce": "xyz"},
        {**order(), "nonce": "f" * 65},
        {**order(), "policy": "1.40.1"},
        {**order(), "surprise": True},
        {"hash_algorithm": "sha-256"},
    ],
)
def test_malformed_orders(tmp_path: Path, asked: dict[str, Any]) -> None:
    async def case(gateway: Embedded) -> None:
        http = gateway.http(await gateway.register("town"))
        answer = await http.post("/v1/timestamps", json=asked)
        assert (answer.status_code, code(answer)) == (400, "REQUEST_INVALID")

    run(tmp_path, case)


def test_a_batch_has_a_result_for_each_item(tmp_path: Path) -> None:
    """Good and bad items side by side; one event for each token."""

    async def case(gateway: Embedded) -> None:
        http = gateway.http(await gateway.register("town"))
        items = [order(secrets.token_bytes(8)) for _ in range(98)]
        items[3], items[50] = order(name="sha-1"), order(policy="1.2.3.4")
        answer = await http.post("/v1/timestamps/batch", json={"items": items})
        assert answer.status_code == 201, answer.text
        results = answer.json()["results"]
        assert len(results) == 98
        serials = set()
        for number, (item, result) in enumerate(zip(items, results, strict=True)):
            if number in (3, 50):
                assert result["timestamp"] is None
                assert result["problem"]["fail_info"] == ("badAlg" if number == 3 else "unacceptedPolicy")
            else:
                assert result["problem"] is None
                token = parse_token(base64.b64decode(result["timestamp"]["token"]))
                assert base64.b64encode(token.imprint).decode() == item["hash"]
                serials.add(token.serial_number)
        assert len(serials) == 96
        recorded = await events(gateway, "timestamp.issued")
        assert {int(one.data["serial_number"], 16) for one in recorded} == serials

    run(tmp_path, case)


@pytest.mark.parametrize("number", [0, 101])
def test_a_batch_has_1_to_100_items(tmp_path: Path, number: int) -> None:
    async def case(gateway: Embedded) -> None:
        http = gateway.http(await gateway.register("town"))
        answer = await http.post("/v1/timestamps/batch", json={"items": [order()] * number})
        assert code(answer) == "REQUEST_INVALID"

    run(tmp_path, case)


FEW = {"timestamp": {"per_minute": 6, "burst": 5, "per_day": 1000}}


def test_each_item_counts(tmp_path: Path) -> None:
    """Case A-8: what a batch asks beyond the agreement is refused item by item, and others are not affected."""

    async def case(gateway: Embedded) -> None:
        town = gateway.http(await gateway.register("town", capacity=FEW))
        village = gateway.http(await gateway.register("village", capacity=FEW))
        answer = await town.post("/v1/timestamps/batch", json={"items": [order()] * 8})
        problems = [result["problem"] for result in answer.json()["results"]]
        assert [problem is None for problem in problems] == [True] * 5 + [False] * 3
        assert {problem["code"] for problem in problems[5:]} == {"CAPACITY_EXCEEDED"}
        assert 1 <= problems[-1]["retry_after"] <= 10
        refused = await town.post("/v1/timestamps", json=order())
        assert (refused.status_code, code(refused)) == (429, "CAPACITY_EXCEEDED")
        assert (await village.post("/v1/timestamps", json=order())).status_code == 201
        usage = (await village.get("/v1/usage")).json()
        assert "timestamp" in str(usage)

    run(tmp_path, case)


def query() -> bytes:
    return build_request(secrets.token_bytes(32), DigestAlgorithm.SHA256, nonce=secrets.randbits(63))


def test_the_door_knows_its_clients(tmp_path: Path) -> None:
    """FTS-TS-4: credentials, scope and capacity at the RFC 3161 door; the record names the client."""

    async def case(gateway: Embedded) -> None:
        issued = await gateway.register("town", capacity=FEW)
        asked = query()
        stranger = await gateway.http().post("/tsa", content=asked, headers=QUERY)
        assert (stranger.status_code, code(stranger)) == (401, "CREDENTIALS_REQUIRED")
        town = gateway.http(issued)
        answers = [await town.post("/tsa", content=asked, headers=QUERY) for _ in range(7)]
        assert [answer.status_code for answer in answers] == [200] * 5 + [429] * 2
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 10
        parse_reply(answers[0].content, parse_request(asked), party="the gateway")
        assert (await town.get("/tsa")).status_code == 405
        records = list(read_records(tmp_path / "records"))
        assert [record["client"] for record in records] == ["town"] * 5
        assert [record["reference"] for record in records] == [a.headers["x-request-id"] for a in answers[:5]]

    run(tmp_path, case)


def test_the_scope_is_needed(tmp_path: Path) -> None:
    async def case(gateway: Embedded) -> None:
        http = gateway.http(await gateway.register("town", scopes=["documents", "signings"]))
        for path in ("/tsa", "/v1/timestamps", "/v1/timestamps/batch"):
            assert code(await http.post(path, content=query(), headers=QUERY)) == "SCOPE_MISSING"

    run(tmp_path, case)


def test_an_open_door(tmp_path: Path) -> None:
    """Outside PROD the door may be open to anybody; nothing else is, and wrong credentials are refused all the same."""

    async def case(gateway: Embedded) -> None:
        http = gateway.http()
        asked = query()
        answer = await http.post("/tsa", content=asked, headers=QUERY)
        parse_reply(answer.content, parse_request(asked), party="the gateway")
        assert code(await http.post("/v1/timestamps", json=order())) == "CREDENTIALS_REQUIRED"
        wrong = await http.post("/tsa", content=asked, headers=QUERY, auth=("town", "wrong"))
        assert code(wrong) == "CREDENTIALS_REQUIRED"

    run(tmp_path, case, door={"open": True})


def test_without_an_authority_there_is_no_door(tmp_path: Path) -> None:
    async def work() -> None:
        async with embedded(tmp_path) as gateway:
            http = gateway.http(await gateway.register("town"))
            assert code(await http.post("/tsa", content=query(), headers=QUERY)) == "NOT_FOUND"

    asyncio.run(work())


class HandClock:
    """A trusted clock whose state is set by hand."""

    def __init__(self) -> None:
        self.state = ClockState.GOOD
        self.changes = ClockChanges()

    def become(self, state: ClockState) -> None:
        """Take another state, as a guard does."""
        before, self.state = self.snapshot, state
        self.changes(before, self.snapshot)

    @property
    def snapshot(self) -> ClockSnapshot:
        return ClockSnapshot(1, self.state, 2.0, 0.01, ("ntp1.example",), utc_now(), float("inf"))

    def __call__(self) -> datetime:
        if self.state is not ClockState.GOOD:
            raise TimeNotAvailableError(f"the clock is {self.state}")
        return utc_now()


def set_by_hand(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    """Give every authority that is made a clock whose state a test sets."""
    clock = HandClock()

    @asynccontextmanager
    async def by_hand(_settings: object, changes: ClockChanges) -> AsyncIterator[HandClock]:
        clock.changes = changes
        changes.begin(clock.snapshot)
        yield clock

    monkeypatch.setattr("fts.tsa.composition.watched", by_hand)
    return clock


def test_a_clock_that_deviates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No token, by either way; the node is not ready; the trail says when it began and when it was over."""
    clock = set_by_hand(monkeypatch)

    async def changed(gateway: Embedded, number: int) -> list[Any]:
        for _ in range(500):
            if len(found := await events(gateway, "clock.state_changed")) >= number:
                return found
            await asyncio.sleep(0.01)
        raise AssertionError("the change is not recorded")

    async def case(gateway: Embedded) -> None:
        http = gateway.http(await gateway.register("town"))
        assert (await http.get("/health/ready")).status_code == 200
        await changed(gateway, 1)
        clock.become(ClockState.DEVIATING)
        ready = await http.get("/health/ready")
        assert (ready.status_code, code(ready)) == (503, "NOT_READY")
        assert "deviating" in ready.text
        suspended = await http.post("/v1/timestamps", json=order())
        assert (suspended.status_code, code(suspended)) == (503, "TIMESTAMP_SUSPENDED")
        assert suspended.json()["fail_info"] == "timeNotAvailable"
        reply = await http.post("/tsa", content=query(), headers=QUERY)
        text = "the authority's time source is not available"
        assert reply.content == rejection(FailInfo.TIME_NOT_AVAILABLE, text)
        await changed(gateway, 2)
        clock.become(ClockState.GOOD)
        assert (await http.get("/health/ready")).status_code == 200
        assert (await http.post("/v1/timestamps", json=order())).status_code == 201
        found = await changed(gateway, 3)
        assert [one.data["state"] for one in found] == ["good", "deviating", "good"]
        assert found[1].data["offset_seconds"] == "2.000000"

    run(tmp_path, case)
    kept = [(one["before"], one["state"]) for one in read_everything(tmp_path / "records") if "kind" in one]
    assert kept == [(None, "good"), ("good", "deviating"), ("deviating", "good")]


def test_a_clock_that_was_wrong_for_a_moment_is_in_the_trail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FTS-TS-5: two changes within one turn of the loop are two events, also while the process is ending."""
    clock = set_by_hand(monkeypatch)

    async def case(gateway: Embedded) -> None:
        for _ in range(500):
            if await events(gateway, "clock.state_changed"):
                break
            await asyncio.sleep(0.01)
        clock.become(ClockState.STEPPED)
        clock.become(ClockState.GOOD)
        for _ in range(500):
            if len(found := await events(gateway, "clock.state_changed")) == 3:
                break
            await asyncio.sleep(0.01)
        assert [(one.data["before"], one.data["state"]) for one in found] == [
            (None, "good"),
            ("good", "stepped"),
            ("stepped", "good"),
        ]

    run(tmp_path, case)


def test_a_token_that_does_not_verify_is_not_delivered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The unit's key answers with a signature over other octets: nothing leaves, and nothing is recorded as issued."""

    async def case(gateway: Embedded) -> None:
        http: httpx.AsyncClient = gateway.http(await gateway.register("town"))
        app: Any = gateway.app
        key = app._app.state.stampers.own.unit.key
        true = key.sign
        monkeypatch.setattr(key, "sign", lambda data: true(data + b"!"))
        answer = await http.post("/v1/timestamps", json=order())
        assert (answer.status_code, code(answer)) == (502, "TIMESTAMP_INVALID")
        assert not await events(gateway, "timestamp.issued")

    run(tmp_path, case)
