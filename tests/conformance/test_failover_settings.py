"""What each authority of the client has of its own: secret, anchors, times, qualification (FTS-TS-2)."""

import contextlib
import socket
import time
from dataclasses import replace
from typing import Any

import httpx
import pytest

from tests.conformance.test_failover import IMPRINT, LIMITS, SHA256, Scene, run, text
from tests.conformance.timestamps.defects import QC_STATEMENTS
from tests.conformance.timestamps.defects import QUALIFIED as QUALIFIED_STATEMENT
from tests.support.fake_tsa import fake_tsa
from tests.support.line import Line
from tests.unit.signing.issuing import authority
from timestamping.client.attempts import Outcome
from timestamping.client.failover import FailoverTimestampSource
from timestamping.client.settings import TsaSettings
from timestamping.clock import utc_now
from timestamping.ports import TimestampError, TimestampInvalidError, TimestampUnavailableError


@pytest.fixture
def scene(full_line: Line) -> Scene:
    return Scene(full_line.pki.tsu, full_line)


def test_each_is_told_its_own_secret_and_no_other(caplog: pytest.LogCaptureFixture) -> None:
    """4.2, row 1: the first refuses it, and neither the next one, nor the error, nor the log hears of it."""

    async def work(client: httpx.AsyncClient) -> TimestampError:
        async with fake_tsa(text(401)) as first, fake_tsa(text(401)) as second, fake_tsa(text(401)) as third:
            tsas = [
                TsaSettings(first.url, header=("authorization", "Bearer open-sesame")),
                TsaSettings(second.url, header=("x-api-key", "hush")),
                TsaSettings(third.url),
            ]
            source = FailoverTimestampSource(client, tsas, anchors=(), clock=utc_now, limits=LIMITS)
            with pytest.raises(TimestampUnavailableError) as caught:
                await source.timestamp(IMPRINT, SHA256)
            heads = ["\n".join(tsa.heads[0]).lower() for tsa in (first, second, third)]
            assert ["authorization: bearer open-sesame" in head for head in heads] == [True, False, False]
            assert ["x-api-key: hush" in head for head in heads] == [False, True, False]
            assert "sesame" not in heads[1] + heads[2]
            return caught.value

    error = run(work)
    told = caplog.text + str(error) + repr(error.attempts)
    assert "sesame" not in told
    assert "hush" not in told
    assert len(caplog.records) == 3, "an operator hears of each attempt that failed"


def test_each_has_its_own_anchors_beside_ours(scene: Scene) -> None:
    """4.2, row 1: a token that leads to our anchor, but not to the one of this authority, is none."""
    root, other = scene.line.pki.root.certificate, authority("Another root").certificate

    async def work(client: httpx.AsyncClient) -> None:
        async with fake_tsa(scene.good()) as first, fake_tsa(scene.good()) as second:

            def asking(first_anchors: tuple[Any, ...], ours: tuple[Any, ...]) -> FailoverTimestampSource:
                tsas = [TsaSettings(first.url, anchors=first_anchors), TsaSettings(second.url)]
                return FailoverTimestampSource(client, tsas, anchors=ours, clock=utc_now, limits=LIMITS)

            await asking((other, root), (root,)).timestamp(IMPRINT, SHA256)
            assert (first.asked, second.asked) == (1, 0)
            await asking((other,), (root,)).timestamp(IMPRINT, SHA256)
            assert (first.asked, second.asked) == (2, 1)
            with pytest.raises(TimestampInvalidError, match="not trusted"):
                await asking((root,), (other,)).timestamp(IMPRINT, SHA256)

    run(work)


def test_each_has_its_own_time(scene: Scene) -> None:
    """4.2, row 2: a slow one of which that is known, and the next one is asked."""

    async def work(client: httpx.AsyncClient) -> None:
        slow = scene.good(before_seconds=0.8)
        async with fake_tsa(slow) as first, fake_tsa(slow) as second:
            tsas = [TsaSettings(first.url, attempt_seconds=0.2), TsaSettings(second.url, attempt_seconds=2.0)]
            source = FailoverTimestampSource(client, tsas, anchors=(), clock=utc_now, limits=LIMITS)
            started = time.monotonic()
            await source.timestamp(IMPRINT, SHA256)
            assert 1.0 <= time.monotonic() - started < 1.9
            assert (first.asked, second.asked) == (1, 1)

    run(work)


def test_a_connection_has_a_time_of_its_own() -> None:
    """4.2, row 2: a host that does not even accept takes less than one that is slow to answer."""
    with socket.socket() as full, contextlib.ExitStack() as queue:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        port = full.getsockname()[1]
        for _ in range(4):
            waiting = queue.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        time.sleep(0.05)

        async def work(client: httpx.AsyncClient) -> float:
            settings = TsaSettings(f"http://127.0.0.1:{port}/", connect_seconds=0.3, attempt_seconds=3.0)
            limits = replace(LIMITS, attempts=1)
            source = FailoverTimestampSource(client, [settings], anchors=(), clock=utc_now, limits=limits)
            started = time.monotonic()
            with pytest.raises(TimestampUnavailableError) as caught:
                await source.timestamp(IMPRINT, SHA256)
            assert [attempt.outcome for attempt in caught.value.attempts] == [Outcome.TIMEOUT]
            return time.monotonic() - started

        assert 0.25 < run(work) < 1.5


QUALIFIED = {"extn_id": QC_STATEMENTS, "critical": False, "extn_value": QUALIFIED_STATEMENT}


@pytest.mark.parametrize("statement", [QUALIFIED, None, {**QUALIFIED, "extn_value": b"\x30\x03\x02\x01"}])
def test_a_qualified_one_where_that_is_demanded(scene: Scene, statement: dict[str, Any] | None) -> None:
    """4.2, row 4: without the statement, or with one that cannot be read, the next authority is asked."""
    manner = scene.bad(lambda parts: parts.info.update(extensions=[statement] if statement else None))

    async def work(client: httpx.AsyncClient) -> tuple[int, int]:
        async with fake_tsa(manner) as first, fake_tsa(scene.good()) as second:
            tsas = [TsaSettings(first.url, qualified_required=True), TsaSettings(second.url)]
            anchors = [scene.line.pki.root.certificate]
            await FailoverTimestampSource(client, tsas, anchors=anchors, clock=utc_now).timestamp(IMPRINT, SHA256)
            return first.asked, second.asked

    assert run(work) == ((1, 0) if statement is QUALIFIED else (1, 1))
