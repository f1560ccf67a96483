"""`make demo` and `make demo-check` as a stranger runs them (FTS-ENV-2)."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx

from tests.e2e.conftest import REPOSITORY

SECONDS = 60


def started(directory: Path) -> tuple[subprocess.Popen[str], str]:
    """Start the demo; return it and the address that it prints."""
    command = [sys.executable, "-m", "deploy.demo", "--directory", str(directory)]
    demo = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=REPOSITORY)
    assert demo.stdout is not None
    printed = ""
    deadline = time.monotonic() + SECONDS
    while "Stop" not in printed:
        line = demo.stdout.readline()
        assert line, printed
        assert time.monotonic() < deadline
        printed += line
    [address] = re.findall(r"^ +(http://127\.0\.0\.1:\d+)$", printed, re.MULTILINE)
    assert re.search(r"PIN of the demo card: \d{6}", printed)
    return demo, address


def interrupt(demo: subprocess.Popen[str]) -> int:
    demo.send_signal(signal.SIGINT)
    demo.communicate(timeout=SECONDS)
    return demo.returncode


def descendants(directory: Path) -> list[str]:
    """Return the command lines of processes that have to do with the directory."""
    found = []
    for process in Path("/proc").iterdir():
        if process.name.isdigit() and int(process.name) != os.getpid():
            try:
                command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            except OSError:
                continue
            if str(directory) in command:
                found.append(command)
    return found


def test_it_starts_stops_and_starts_again(tmp_path: Path) -> None:
    """One address; nothing is left running; what was begun before the stop can go on after it."""
    directory = tmp_path / "demo"
    demo, address = started(directory)
    assert httpx.get(address).status_code == 200
    account = (directory / "relying-party.env").read_text()
    assert (directory / "relying-party.env").stat().st_mode & 0o077 == 0
    second = subprocess.run(
        [sys.executable, "-m", "deploy.demo", "--directory", str(directory)],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        cwd=REPOSITORY,
    )
    assert second.returncode == 1
    assert "may be running already" in second.stderr
    assert httpx.get(address).status_code == 200, "the first one is not disturbed"
    assert interrupt(demo) == 0
    assert descendants(directory) == []

    again, same = started(directory)
    assert same == address
    assert (directory / "relying-party.env").read_text() == account
    assert interrupt(again) == 0
    assert descendants(directory) == []


def test_the_check_goes_through_it_once(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "deploy.demo_check", "--directory", str(tmp_path / "demo")],
        capture_output=True,
        text=True,
        check=False,
        timeout=2 * SECONDS,
        cwd=REPOSITORY,
    )
    assert done.returncode == 0, done.stderr
    assert "valid, level LTA" in done.stdout
