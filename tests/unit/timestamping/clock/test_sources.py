"""Sources of time: a server over SNTP with each fault that one can have, the kernel, chrony (FTS-TS-5)."""

import asyncio
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fts.tsa.clocks import source_of
from tests.support.sntp_server import SntpServer
from timestamping.authority.clock.chrony import ChronySource, tracked
from timestamping.authority.clock.guard import ClockGuard
from timestamping.authority.clock.kernel import read_kernel_clock
from timestamping.authority.clock.limits import ClockLimits
from timestamping.authority.clock.ports import Leap, Sample, TimeSourceError
from timestamping.authority.clock.sntp import SntpSource, _unix
from timestamping.authority.ports import ClockState

TRACKING = (
    b"A29FC87B,162.159.200.123,4,1763000000.123456789,{system},0.000012,0.000034,"
    b"-1.234,0.001,0.05,0.01,0.002,64.2,{leap}\n"
)


@pytest.fixture
def server() -> Iterator[SntpServer]:
    with SntpServer() as running:
        yield running


def ask(server: SntpServer, seconds: float = 0.5) -> Sample:
    return asyncio.run(SntpSource("127.0.0.1", server.port, seconds=seconds).sample())


def test_an_honest_server_says_that_we_are_right(server: SntpServer) -> None:
    sample = ask(server)
    assert abs(sample.offset_seconds) <= sample.error_seconds < 0.1
    assert sample.leap is Leap.NONE


@pytest.mark.parametrize("ahead", [2.0, -2.0, 3600.0, 0.25])
def test_ours_less_the_servers(server: SntpServer, ahead: float) -> None:
    server.behave(ahead_seconds=ahead)
    sample = ask(server)
    assert abs(sample.offset_seconds + ahead) <= sample.error_seconds < 0.1


def test_what_the_server_is_unsure_of_counts(server: SntpServer) -> None:
    server.behave(root_delay_seconds=0.2, root_dispersion_seconds=0.3)
    assert ask(server).error_seconds >= 0.4 - 0.001


def test_time_in_the_server_is_no_way(server: SntpServer) -> None:
    server.behave(waits_seconds=0.2)
    sample = ask(server)
    assert abs(sample.offset_seconds) <= sample.error_seconds < 0.1


def test_an_announced_leap_second_is_passed_on(server: SntpServer) -> None:
    server.behave(leap=1)
    assert ask(server).leap is Leap.INSERT
    server.behave(leap=2)
    assert ask(server).leap is Leap.DELETE


FAULTS = {
    "silent": {"silent": True},
    "kiss of death": {"stratum": 0, "reference": b"RATE"},
    "stratum 16": {"stratum": 16},
    "leap alarm": {"leap": 3},
    "mode of a client": {"mode": 3},
    "answer to another query": {"repeats_cookie": False},
    "cut off": {"cut_to": 47},
    "no time": {"without_time": True},
    "held for longer than it took": {"holds_seconds": 3600.0},
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_answer_that_is_none(server: SntpServer, fault: str) -> None:
    server.behave(**FAULTS[fault])
    with pytest.raises(TimeSourceError) as caught:
        ask(server, seconds=0.2)
    assert f"127.0.0.1:{server.port}" in str(caught.value)
    assert server.asked == 1
    if fault == "kiss of death":
        assert "RATE" in str(caught.value)


class Elapsed:
    """The monotonic clock, which a test moves on."""

    seconds = 0.0

    def __call__(self) -> float:
        return self.seconds + time.monotonic()


def test_a_server_that_finds_us_too_frequent_is_asked_less_often_each_time(server: SntpServer) -> None:
    """RFC 5905, clause 7.4: RATE; the interval that came of it stays."""
    elapsed = Elapsed()
    source = SntpSource("127.0.0.1", server.port, seconds=0.5, interval_seconds=60.0, monotonic=elapsed)

    def sample() -> Sample:
        return asyncio.run(source.sample())

    server.behave(stratum=0, reference=b"RATE")
    for gap in (120.0, 240.0, 480.0):
        before = server.asked
        with pytest.raises(TimeSourceError, match="RATE"):
            sample()
        assert server.asked == before + 1
        elapsed.seconds += gap - 1
        with pytest.raises(TimeSourceError, match="is not asked for another"):
            sample()
        assert server.asked == before + 1
        elapsed.seconds += 1.1
    server.behave(stratum=2, reference=b"\x7f\0\0\1")
    sample()
    asked = server.asked
    elapsed.seconds += 479
    with pytest.raises(TimeSourceError, match="is not asked for another"):
        sample()
    elapsed.seconds += 1.1
    sample()
    assert server.asked == asked + 1


@pytest.mark.parametrize("kiss", ["DENY", "RSTR"])
def test_a_server_that_denies_us_is_not_asked_again(
    server: SntpServer, kiss: str, caplog: pytest.LogCaptureFixture
) -> None:
    elapsed = Elapsed()
    source = SntpSource("127.0.0.1", server.port, seconds=0.5, monotonic=elapsed)
    server.behave(stratum=0, reference=kiss.encode())
    for _ in range(3):
        with pytest.raises(TimeSourceError, match=kiss):
            asyncio.run(source.sample())
        elapsed.seconds += 1_000_000
    assert server.asked == 1
    (told,) = [record.getMessage() for record in caplog.records if kiss in record.getMessage()]
    assert "Remedy" in told


def test_a_kiss_that_answers_no_query_of_ours_changes_nothing(server: SntpServer) -> None:
    """Whoever cannot see our query cannot take a server from us."""
    source = SntpSource("127.0.0.1", server.port, seconds=0.2)
    server.behave(stratum=0, reference=b"DENY", repeats_cookie=False)
    with pytest.raises(TimeSourceError, match="did not answer"):
        asyncio.run(source.sample())
    server.behave(stratum=2, repeats_cookie=True)
    asyncio.run(source.sample())


def test_another_kiss_is_no_time_and_nothing_else(server: SntpServer) -> None:
    source = SntpSource("127.0.0.1", server.port, seconds=0.5)
    server.behave(stratum=0, reference=b"STEP")
    with pytest.raises(TimeSourceError, match="STEP"):
        asyncio.run(source.sample())
    server.behave(stratum=2)
    asyncio.run(source.sample())


def test_a_port_where_nobody_listens() -> None:
    with SntpServer() as gone:
        port = gone.port
    with pytest.raises(TimeSourceError):
        asyncio.run(SntpSource("127.0.0.1", port, seconds=0.3).sample())


def test_a_name_that_nobody_knows() -> None:
    with pytest.raises(TimeSourceError):
        asyncio.run(SntpSource("time.invalid", seconds=1.0).sample())


@pytest.mark.parametrize("moment", [0.0, 1763000000.5, 2_085_978_495.0, 2_085_978_496.0, 4_000_000_000.25])
def test_eras_of_ntp(moment: float) -> None:
    """The 32 bits of seconds run over on 2036-02-07 (RFC 5905, clause 6)."""
    wire = int((moment + 2_208_988_800) * (1 << 32)) & ((1 << 64) - 1)
    assert _unix(wire, moment + 100) == pytest.approx(moment, abs=1e-5)


def test_the_kernel_says_how_it_keeps_its_clock() -> None:
    found = read_kernel_clock()
    assert found.leap in (Leap.NONE, Leap.INSERT, Leap.DELETE)
    assert found.most_error_seconds >= 0
    started = time.monotonic()
    read_kernel_clock()
    assert time.monotonic() - started < 1


def test_chrony_is_behind_when_it_says_slow() -> None:
    sample = tracked(TRACKING.replace(b"{system}", b"0.250000000").replace(b"{leap}", b"Normal"))
    assert sample == Sample(-0.25, 0.01 / 2 + 0.002, Leap.NONE)
    inserting = TRACKING.replace(b"{system}", b"0.0").replace(b"{leap}", b"Insert second")
    assert tracked(inserting).leap is Leap.INSERT


@pytest.mark.parametrize(
    "output", [b"", b"506 Cannot talk to daemon\n", b"a,b,c\n", TRACKING.replace(b"{leap}", b"Not synchronised")]
)
def test_chrony_that_does_not_know(output: bytes) -> None:
    with pytest.raises(TimeSourceError):
        tracked(output)


def test_no_chrony(tmp_path: Path) -> None:
    with pytest.raises(TimeSourceError):
        asyncio.run(ChronySource(command=tmp_path / "chronyc").sample())
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 5\n")
    slow.chmod(0o700)
    with pytest.raises(TimeSourceError, match="did not answer"):
        asyncio.run(ChronySource(seconds=0.2, command=slow).sample())


def test_a_chronyc_that_hangs_is_ended_with_the_guards_patience(tmp_path: Path) -> None:
    hangs, started = tmp_path / "hangs", tmp_path / "started"
    hangs.write_text(f"#!/bin/sh\necho $$ > {started}\nexec sleep 30\n")
    hangs.chmod(0o700)
    guard = ClockGuard(
        [ChronySource(seconds=0.3, command=hangs)], quorum=1, limits=ClockLimits(answer_seconds=0.3), kernel=None
    )
    assert asyncio.run(guard.check()).state is ClockState.UNKNOWN
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("chrony", "chrony"),
        ("time.example", "time.example"),
        ("time.example:1123", "time.example:1123"),
        ("192.0.2.1:123", "192.0.2.1"),
        ("[2001:db8::7]:1123", "2001:db8::7:1123"),
        ("2001:db8::7", "2001:db8::7"),
    ],
)
def test_sources_as_an_operator_writes_them(written: str, name: str) -> None:
    assert source_of(written, ClockLimits()).name == name
