"""Bodies mean one thing only (case A-7), and waiting ends with the news."""

import asyncio
import base64

import pytest
from pydantic import ValidationError

from fts.changes import Changes, step_news
from fts.http.strict import parse
from fts.problems import ProblemError
from fts.signings.schemas import SigningOrder
from fts.timestamps.schemas import TimestampOrder


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b"[" * 100 + b"]" * 100,
        b"[" * 60_000,
        b'{"a":' * 30 + b"1" + b"}" * 30,
        b"\xff",
        b"1" * 5000,
        b"{} {}",
    ],
)
def test_what_is_ambiguous_or_endless_is_refused(body: bytes) -> None:
    with pytest.raises(ProblemError) as caught:
        parse(body, 16)
    assert caught.value.problem.code == "REQUEST_INVALID"


@pytest.mark.parametrize("seconds", ["7200", 7200.0, True, 1e3])
def test_a_number_is_a_number(seconds: object) -> None:
    order = {"document": "contract-1", "return_url": "https://counter.example/return"}
    assert SigningOrder.model_validate({**order, "expires_in": 7200}).expires_in == 7200
    with pytest.raises(ValidationError, match="expires_in"):
        SigningOrder.model_validate({**order, "expires_in": seconds})


@pytest.mark.parametrize("certificates", ["yes", 1, "true"])
def test_yes_and_no_are_true_and_false(certificates: object) -> None:
    order = {"hash": base64.b64encode(bytes(32)).decode(), "hash_algorithm": "sha-256"}
    assert TimestampOrder.model_validate({**order, "certificates": False}).certificates is False
    with pytest.raises(ValidationError, match="certificates"):
        TimestampOrder.model_validate({**order, "certificates": certificates})


def test_plain_json_is_taken() -> None:
    assert parse(b'{"a": [1, {"b": null}], "c": "\\u00e9"}', 16) == {"a": [1, {"b": None}], "c": "é"}


def test_who_waits_is_woken_by_the_news() -> None:
    async def work() -> None:
        changes, found = Changes(), [None, "there"]

        async def look() -> str | None:
            return found.pop(0)

        waiting = asyncio.create_task(changes.until("s", look, 30))
        await asyncio.sleep(0)
        started = asyncio.get_running_loop().time()
        await asyncio.sleep(0.01)
        changes.hear("another")
        changes.hear("s")
        assert await waiting == "there"
        assert asyncio.get_running_loop().time() - started < 0.5

    asyncio.run(work())


def test_waiting_ends_with_its_time_and_leaves_nothing_behind() -> None:
    async def work() -> None:
        changes = Changes()

        async def look() -> None:
            return None

        assert await changes.until("s", look, 0.01) is None
        assert changes._waiting == {}

    asyncio.run(work())


def test_the_last_step_of_a_signing_is_known() -> None:
    changes = Changes()
    changes.hear(step_news("a1", "timestamp"))
    changes.hear(step_news("a1", "archive"))
    assert changes.step("a1") == "archive"
    assert changes.step("b2") is None
