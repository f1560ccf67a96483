"""The chrony daemon itself as a source of the clock guard (FTS-TS-5), beside a time server that is right or wrong.

The daemon runs with -x: it never touches this machine's clock.
"""

import asyncio
import getpass
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.sntp_server import SntpServer
from timestamping.authority.clock.chrony import ChronySource
from timestamping.authority.clock.guard import ClockGuard
from timestamping.authority.clock.limits import ClockLimits
from timestamping.authority.clock.ports import Sample, TimeSourceError
from timestamping.authority.ports import ClockState

SECONDS = 20.0
WELL_SECONDS = 0.1
UNPACKED = Path("var/chrony").resolve()
"""Where set-up unpacks the package, so that no daemon is started by installing it."""
PATHS = f"{UNPACKED}/usr/sbin:{UNPACKED}/usr/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def program(name: str) -> str:
    found = shutil.which(name) or shutil.which(name, path=PATHS)
    if found is None:
        pytest.skip(f"{name} is not there: deploy/setup.sh dev unpacks it where apt-get can download")
    return found


class Daemon:
    """A chronyd that asks one server, with its socket in a directory of its own."""

    def __init__(self, directory: Path, server: SntpServer) -> None:
        self.client = directory / "chronyc"
        self.client.write_text(f'#!/bin/sh\nexec {program("chronyc")} -h {directory}/chronyd.sock "$@"\n')
        self.client.chmod(0o700)
        configuration = directory / "chrony.conf"
        configuration.write_text(
            f"server 127.0.0.1 port {server.port} iburst minpoll -4 maxpoll -4\nport 0\ncmdport 0\n"
            f"bindcmdaddress {directory}/chronyd.sock\npidfile {directory}/pid\n"
        )
        command = [program("chronyd"), "-x", "-U", "-u", getpass.getuser(), "-d", "-f", str(configuration)]
        self.log = directory / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log)

    def end(self) -> None:
        self.process.terminate()
        self.process.wait(timeout=10)

    def sample(self) -> Sample:
        """Ask until the daemon knows the time, and knows it well."""
        deadline = time.monotonic() + SECONDS
        while True:
            try:
                found = asyncio.run(ChronySource(command=self.client).sample())
                said = str(found)
                if found.error_seconds < WELL_SECONDS:
                    return found
            except TimeSourceError as error:
                said = str(error)
            assert time.monotonic() < deadline, f"{said}\n{self.log.read_text()}"
            time.sleep(0.1)


@pytest.fixture
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("c")
    path.chmod(0o700)
    return path


@pytest.fixture
def server() -> Iterator[SntpServer]:
    with SntpServer() as running:
        yield running


@pytest.mark.parametrize("ahead", [0.0, 2.0, -2.0])
def test_what_the_daemon_tracks(directory: Path, server: SntpServer, ahead: float) -> None:
    """Ours less the source's: a server that is ahead makes us late, and a guard that trusts the daemon refuses."""
    server.behave(ahead_seconds=ahead)
    daemon = Daemon(directory, server)
    try:
        sample = daemon.sample()
        assert abs(sample.offset_seconds + ahead) < 0.1
        assert sample.error_seconds > 0
        guard = ClockGuard([ChronySource(command=daemon.client)], quorum=1, limits=ClockLimits(), kernel=None)
        state = asyncio.run(guard.check()).state
        assert state is (ClockState.DEVIATING if ahead else ClockState.GOOD)
    finally:
        daemon.end()


def test_a_daemon_that_knows_no_time_and_one_that_is_gone(directory: Path, server: SntpServer) -> None:
    server.behave(silent=True)
    daemon = Daemon(directory, server)
    try:
        deadline = time.monotonic() + SECONDS
        while "not synchronised" not in (said := _failure(daemon)):
            assert time.monotonic() < deadline, said
            time.sleep(0.1)
    finally:
        daemon.end()
    assert "cannot reach chronyd" in _failure(daemon)


def _failure(daemon: Daemon) -> str:
    with pytest.raises(TimeSourceError) as caught:
        asyncio.run(ChronySource(command=daemon.client).sample())
    return str(caught.value)
