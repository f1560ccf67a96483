"""The demo card's PIN counter and its command: FTS-SIG-3; W-10."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from deploy.demo_stack import DemoStack, demo_stack, free_port
from signing.eid.demo_card import TRIES, DemoCard, PinCounter
from signing.eid.ports import (
    CardError,
    CardRemovedError,
    PinBlockedError,
    PinCancelledError,
    PinIncorrectError,
    PinPrompt,
    SignatureMechanism,
)
from tests.contract.eid.scripted import PIN, SIGNATURE, ScriptedCard, listed

ENTRY = listed("signature")
ROOT = Path(__file__).resolve().parents[3]
PAGE = "http://localhost:8080"
WRONG = "0000"

HANGING = """
import asyncio, sys
from pathlib import Path
from signing.eid.demo_card import DemoCard, PinCounter
from signing.eid.ports import SignatureMechanism
from tests.contract.eid.scripted import ScriptedCard, listed
entry = listed("signature")
card = ScriptedCard(entry)
card.slow.clear()
def prompt(_):
    return "0000"
async def main():
    demo = DemoCard(card, PinCounter(Path(sys.argv[1])))
    work = asyncio.ensure_future(demo.sign_digest(entry, bytes(32), "sha256", SignatureMechanism.ECDSA, prompt))
    await asyncio.to_thread(card.trying.wait)
    print("trying", flush=True)
    await work
asyncio.run(main())
"""
"""A process that is in the middle of a try until it is killed."""

Sign = Callable[[ScriptedCard, PinPrompt], bytes]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "card.json"


@pytest.fixture
def sign(state: Path, run: Callable[..., Any]) -> Sign:
    """Sign with a card that counts in `state`."""

    def signature(card: ScriptedCard, prompt: PinPrompt) -> bytes:
        demo = DemoCard(card, PinCounter(state))
        value: bytes = run(demo.sign_digest(ENTRY, bytes(32), "sha256", SignatureMechanism.ECDSA, prompt))
        return value

    return signature


def test_three_wrong_pins_block(sign: Sign, state: Path) -> None:
    card = ScriptedCard(ENTRY)
    for expected in ("few", "last"):
        with pytest.raises(PinIncorrectError) as caught:
            sign(card, lambda _: WRONG)
        assert caught.value.attempts_left == expected
    with pytest.raises(PinBlockedError):
        sign(card, lambda _: WRONG)

    def unasked(_text: str) -> str:
        raise AssertionError("a blocked card asks for nothing")

    with pytest.raises(PinBlockedError):
        sign(card, unasked)
    assert len(card.tried) == TRIES
    PinCounter(state).reset()
    assert sign(card, lambda _: PIN) == SIGNATURE


def test_a_right_pin_starts_anew(sign: Sign, state: Path) -> None:
    card = ScriptedCard(ENTRY)
    for _ in range(3):
        for _ in range(2):
            with pytest.raises(PinIncorrectError):
                sign(card, lambda _: WRONG)
        assert PinCounter(state).left == 1
        assert sign(card, lambda _: PIN) == SIGNATURE
        assert PinCounter(state).left == TRIES


def test_what_is_not_about_the_pin_costs_no_try(sign: Sign, state: Path) -> None:
    card = ScriptedCard(ENTRY)
    with pytest.raises(PinIncorrectError):
        sign(card, lambda _: WRONG)
    with pytest.raises(PinCancelledError):
        sign(card, lambda _: None)
    card.outcomes = [CardRemovedError("gone")]
    with pytest.raises(CardRemovedError):
        sign(card, lambda _: PIN)
    assert PinCounter(state).left == 2


def test_a_try_is_on_the_disk_before_it_is_made(sign: Sign, state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Content, name and directory entry, in this order."""
    done: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def synced(descriptor: int) -> None:
        done.append("directory" if Path(f"/proc/self/fd/{descriptor}").resolve() == state.parent else "content")
        fsync(descriptor)

    def replaced(self: Path, target: Path) -> Path:
        done.append("name")
        return replace(self, target)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(Path, "replace", replaced)
    card = ScriptedCard(ENTRY)
    seen: list[object] = []
    card.tried = Recorded(lambda: seen.append((json.loads(state.read_text())["used"], list(done))))
    with pytest.raises(PinIncorrectError):
        sign(card, lambda _: WRONG)
    assert seen == [(1, ["content", "name", "directory"])]


class Recorded(list[str]):
    """Calls `look` when a PIN is tried."""

    def __init__(self, look: Callable[[], object]) -> None:
        super().__init__()
        self._look = look

    def append(self, item: str) -> None:
        self._look()
        super().append(item)


def test_killed_in_the_middle_of_a_try_the_try_is_used(state: Path) -> None:
    for left in (2, 1, 0):
        process = subprocess.Popen(
            [sys.executable, "-c", HANGING, str(state)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        with process.stdout:
            assert process.stdout.readline() == "trying\n"
            process.kill()
            assert process.wait() == -signal.SIGKILL
        assert PinCounter(state).left == left


def test_a_try_that_cannot_be_written_down_is_not_made(sign: Sign, state: Path) -> None:
    card = ScriptedCard(ENTRY)
    state.parent.rmdir()
    with pytest.raises(OSError, match=state.name):
        sign(card, lambda _: PIN)
    assert card.tried == []


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "3", "null", '{"used": -1}', '{"used": "0"}', '{"used": 1.5}', '{"used": 99}', "{}"]
)
def test_a_counter_that_cannot_be_read_is_blocked(state: Path, content: str) -> None:
    state.write_text(content)
    assert PinCounter(state).left == 0
    with pytest.raises(PinBlockedError):
        PinCounter(state).use()


def test_several_processes_have_three_tries_together(state: Path) -> None:
    """Each opens the lock for itself, as processes do."""

    def attempt(_number: int) -> bool:
        try:
            PinCounter(state).use()
        except CardError:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(attempt, range(24))) == TRIES
    assert PinCounter(state).left == 0


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoStack]:
    with demo_stack(tmp_path_factory.mktemp("command") / "demo") as made:
        yield made


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "deploy.demo_card", *map(str, arguments)]


def serving(stack: DemoStack, state: Path, *more: str, port: int = 0) -> list[str]:
    """Return the command that serves the card; later options win."""
    return command(
        *("serve", "--token", stack.directory / "token", "--state", state, "--port", str(port or free_port())),
        *("--origin", PAGE, "--environment", "TA", *more),
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_stops_at_once_and_says_nothing_of_the_request(stack: DemoStack, state: Path, number: int) -> None:
    """Also while a PIN is asked and a window waits."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with (
        subprocess.Popen(
            serving(stack, state, port=port), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process,
        ThreadPoolExecutor(2) as pool,
    ):
        assert process.stdout is not None
        assert process.stdout.readline() == f"card agent ready on {url}\n"
        assert httpx.get(f"{url}/window").status_code == 200, "ready is ready"
        sent = {
            "operation": "SIGN",
            "algo": "SHA256",
            "documentName": "divorce.pdf",
            "digest": base64.b64encode(bytes(32)).decode(),
            "cert": base64.b64encode(stack.pki.signers["p384"].certificate.public_bytes(Encoding.DER)).decode(),
        }
        answer = pool.submit(httpx.post, f"{url}/message", json=sent, headers={"origin": PAGE}, timeout=20)
        known = 0
        while not (news := httpx.get(f"{url}/window/next?known={known}").json())["request"]:
            known = news["version"]
        poll = pool.submit(httpx.get, f"{url}/window/next?known={news['version']}", timeout=20)
        time.sleep(0.1)
        began = time.monotonic()
        process.send_signal(number)
        assert process.wait(5) == 0
        assert time.monotonic() - began < 2
        assert answer.result().json()["result"] == "cancel"
        assert poll.result().status_code == 200
        assert process.stderr is not None
        assert process.stderr.read() == ""


@pytest.mark.parametrize(
    ("more", "status", "sentence"),
    [
        (("--environment", "PROD"), 2, "refused in PROD"),
        (("--environment", "LOCAL"), 2, "invalid choice"),
        (("--origin", f"{PAGE}/"), 2, "not an origin"),
        (("--origin", "http://sign.example"), 2, "not an origin"),
        (("--origin", "null"), 2, "not an origin"),
        (("--origin", "*"), 2, "not an origin"),
        (("--signer", "nobody"), 1, "no signature certificate 'nobody'"),
        (("--token", "nowhere"), 1, "there is no token"),
        (("--software", "nowhere"), 1, "--pin-file"),
    ],
)
def test_wrong_use_is_refused_with_a_sentence(
    stack: DemoStack, state: Path, more: tuple[str, ...], status: int, sentence: str
) -> None:
    done = subprocess.run(serving(stack, state, *more), capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == status
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("arguments", [("--help",), ("serve", "--help"), ("unblock", "--help")])
def test_it_has_help(arguments: tuple[str, ...]) -> None:
    done = subprocess.run(command(*arguments), capture_output=True, text=True, check=True)
    assert "usage: python -m deploy.demo_card" in done.stdout


def test_unblocking(state: Path) -> None:
    state.write_text('{"used": 3}')
    subprocess.run(command("unblock", "--state", state), capture_output=True, check=True)
    assert PinCounter(state).left == TRIES
    nowhere = state.parent / "nowhere" / "card.json"
    done = subprocess.run(command("unblock", "--state", nowhere), capture_output=True, text=True, check=False)
    assert (done.returncode, "Traceback" in done.stderr) == (1, False)
    assert "card agent:" in done.stderr
