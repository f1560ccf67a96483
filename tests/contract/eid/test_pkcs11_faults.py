"""What SoftHSM cannot do: block, be pulled out, have a reader with keys or ask for the PIN itself.

`FaultyLibrary` stands between the card and the real SoftHSM library. Every call goes through to SoftHSM except
the few that a test changes: the token's flags and serial number, and what opening a session does. Its sessions,
objects and signatures are SoftHSM's own. Missing modules, files that are no modules and forks are real; what
could crash or hang runs in a process of its own.
"""

import asyncio
import hashlib
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pkcs11
import pytest
from pkcs11 import TokenFlag, exceptions
from pkcs11.types import PROTECTED_AUTH

from deploy.demo_token import DemoToken, load_demo_token
from signing.eid.pkcs11 import Pkcs11Card
from signing.eid.ports import (
    CardAbsentError,
    CardCertificate,
    CardFailureError,
    CardRemovedError,
    MechanismUnsupportedError,
    PinBlockedError,
    PinCancelledError,
    PinIncorrectError,
    SignatureMechanism,
)

DIGEST = hashlib.sha256(b"to be signed").digest()
Finder = Callable[[str], CardCertificate]


@dataclass
class Faults:
    """What differs from SoftHSM."""

    set_flags: TokenFlag = field(default_factory=lambda: TokenFlag(0))
    clear_flags: TokenFlag = field(default_factory=lambda: TokenFlag(0))
    serial: bytes | None = None
    on_login: Exception | None = None
    gone_after_login: bool = False
    gone: bool = False
    on_close: Exception | None = None
    pin_of_pinpad: str | None = None
    pin_of_module: str | None = None
    mechanisms: set[pkcs11.Mechanism] | None = None
    finalised: int = 0
    logins: list[object] = field(default_factory=list)


class Through:
    def __init__(self, real: Any, faults: Faults) -> None:
        self.real, self.faults = real, faults

    def __getattr__(self, name: str) -> Any:
        return getattr(self.real, name)


class FaultyLibrary(Through):
    def get_slots(self, **options: Any) -> list["FaultySlot"]:
        return [FaultySlot(slot, self.faults) for slot in self.real.get_slots(**options)]

    def finalize(self) -> None:
        self.faults.finalised += 1
        self.real.finalize()


class FaultySlot(Through):
    def get_token(self) -> "FaultyToken":
        if self.faults.gone:
            raise exceptions.TokenNotPresent
        return FaultyToken(self.real.get_token(), self.faults)

    def get_mechanisms(self) -> Any:
        return self.faults.mechanisms or self.real.get_mechanisms()


class FaultyToken(Through):
    """As the real one, what the token said when it was asked: flags and serial number do not change."""

    def __init__(self, real: Any, faults: Faults) -> None:
        super().__init__(real, faults)
        self.flags = (real.flags | faults.set_flags) & ~faults.clear_flags
        self.serial = faults.serial or real.serial

    @property
    def slot(self) -> FaultySlot:
        return FaultySlot(self.real.slot, self.faults)

    def open(self, **options: Any) -> Any:
        if "user_pin" not in options:
            own = self.faults.pin_of_module
            return self.real.open(user_pin=own) if own else self.real.open()
        self.faults.logins.append(options["user_pin"])
        self.faults.gone = self.faults.gone_after_login
        if self.faults.on_login:
            raise self.faults.on_login
        if options["user_pin"] is PROTECTED_AUTH:
            options["user_pin"] = self.faults.pin_of_pinpad
        return FaultySession(self.real.open(**options), self.faults)


class FaultySession(Through):
    def close(self) -> None:
        if self.faults.on_close:
            raise self.faults.on_close
        self.real.close()


@pytest.fixture
def faults(monkeypatch: pytest.MonkeyPatch) -> Faults:
    found, real = Faults(), pkcs11.lib
    monkeypatch.setattr(pkcs11, "lib", lambda path: FaultyLibrary(real(path), found))
    return found


@pytest.fixture
def faulty(faults: Faults, card_of: Any, token: DemoToken) -> Pkcs11Card:
    """A card over `token` with `faults`: made after them, so that it opens SoftHSM through them."""
    assert faults.logins == []
    card: Pkcs11Card = card_of(token)
    return card


@pytest.fixture
def chosen(faulty: Pkcs11Card, run: Any) -> CardCertificate:
    found: list[CardCertificate] = run(faulty.certificates())
    return next(c for c in found if c.label == "p256")


def sign(card: Pkcs11Card, certificate: CardCertificate, prompt: Any) -> Any:
    return card.sign_digest(certificate, DIGEST, "sha256", SignatureMechanism.ECDSA, prompt)


def test_blocked_at_login(
    faulty: Pkcs11Card, chosen: CardCertificate, faults: Faults, run: Any, prompt: Any, pin: str
) -> None:
    faults.on_login = exceptions.PinLocked()
    with pytest.raises(PinBlockedError) as blocked:
        run(sign(faulty, chosen, prompt(pin)))
    assert blocked.value.code == "PIN_BLOCKED"
    faults.on_login = None
    run(sign(faulty, chosen, prompt(pin)))


def test_blocked_before_is_told_without_asking(
    faulty: Pkcs11Card, chosen: CardCertificate, faults: Faults, run: Any, prompt: Any, pin: str
) -> None:
    faults.set_flags = TokenFlag.USER_PIN_LOCKED
    signer = prompt(pin)
    with pytest.raises(PinBlockedError):
        run(sign(faulty, chosen, signer))
    assert signer.asked == []


def test_last_wrong_pin_that_blocks(
    faulty: Pkcs11Card, chosen: CardCertificate, faults: Faults, run: Any, pin: str
) -> None:
    def signer(_: str) -> str:
        faults.set_flags = TokenFlag.USER_PIN_LOCKED
        return f"{pin} wrong"

    with pytest.raises(PinBlockedError):
        run(sign(faulty, chosen, signer))


@pytest.mark.parametrize(("flag", "attempts"), [(TokenFlag.USER_PIN_FINAL_TRY, "last"), (TokenFlag(0), "unknown")])
def test_attempts_left_come_from_the_token_flags(
    faulty: Pkcs11Card,
    chosen: CardCertificate,
    faults: Faults,
    run: Any,
    prompt: Any,
    flag: TokenFlag,
    attempts: str,
) -> None:
    faults.set_flags, faults.clear_flags = flag, TokenFlag.USER_PIN_COUNT_LOW
    signer = prompt("wrong")
    with pytest.raises(PinIncorrectError) as refused:
        run(sign(faulty, chosen, signer))
    assert refused.value.attempts_left == attempts
    assert ("last attempt" in signer.asked[0]) is (attempts == "last")


@pytest.mark.parametrize(
    ("error", "gone", "meaning"),
    [
        (exceptions.DeviceRemoved(), False, CardRemovedError),
        (exceptions.DeviceError(), True, CardRemovedError),
        (exceptions.DeviceError(), False, CardFailureError),
        (exceptions.FunctionCancelled(), False, PinCancelledError),
        (exceptions.PKCS11Error("Unmapped error code 0x80000001"), False, CardFailureError),
    ],
)
def test_return_values_at_login(
    faulty: Pkcs11Card,
    chosen: CardCertificate,
    faults: Faults,
    run: Any,
    prompt: Any,
    pin: str,
    error: exceptions.PKCS11Error,
    gone: bool,
    meaning: type[Exception],
) -> None:
    faults.on_login, faults.gone_after_login = error, gone
    with pytest.raises(meaning) as failed:
        run(sign(faulty, chosen, prompt(pin)))
    if isinstance(failed.value, CardFailureError):
        assert failed.value.return_value in {"CKR_DEVICE_ERROR", "CKR 0x80000001"}
    assert faults.finalised == 1  # no session survives
    faults.on_login, faults.gone, faults.gone_after_login = None, False, False
    run(sign(faulty, chosen, prompt(pin)))


def test_login_ends_where_the_session_does_not_close(
    faulty: Pkcs11Card, chosen: CardCertificate, faults: Faults, run: Any, prompt: Any, pin: str
) -> None:
    faults.on_close = exceptions.UserNotLoggedIn()
    for _ in range(2):
        run(sign(faulty, chosen, prompt(pin)))
    with pytest.raises(PinIncorrectError):
        run(sign(faulty, chosen, prompt("wrong")))
    assert len(faults.logins) == 3


def test_error_is_told_where_the_session_does_not_close_after_it(
    faulty: Pkcs11Card,
    faults: Faults,
    run: Any,
    prompt: Any,
    pin: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    chosen = next(c for c in run(faulty.certificates()) if c.label == "rsa")
    faults.on_close = exceptions.UserNotLoggedIn()
    monkeypatch.setattr("signing.eid.pkcs11.data_to_sign", lambda *_: bytes(5000))
    with pytest.raises(CardFailureError) as failed:
        run(faulty.sign_digest(chosen, DIGEST, "sha256", SignatureMechanism.RSA_PKCS1_V15, prompt(pin)))
    assert failed.value.return_value == "CKR_GENERAL_ERROR"  # as SoftHSM says of data that is too long


def test_no_card_and_card_of_another_name(
    faulty: Pkcs11Card, faults: Faults, card_of: Any, token: DemoToken, run: Any
) -> None:
    with pytest.raises(CardAbsentError):
        run(card_of(token, token_label="another card").certificates())
    faults.gone = True
    with pytest.raises(CardAbsentError):
        run(faulty.certificates())


def test_card_swapped_while_the_pin_is_asked(
    faulty: Pkcs11Card, chosen: CardCertificate, faults: Faults, run: Any, pin: str
) -> None:
    def signer(_: str) -> str:
        faults.serial = b"another"
        return pin

    with pytest.raises(CardRemovedError):
        run(sign(faulty, chosen, signer))
    assert faults.logins == []


def test_reader_with_keys_is_not_given_a_pin(
    faulty: Pkcs11Card, chosen: CardCertificate, faults: Faults, run: Any, prompt: Any, pin: str
) -> None:
    faults.set_flags, faults.pin_of_pinpad = TokenFlag.PROTECTED_AUTHENTICATION_PATH, pin
    signer = prompt("not asked for")
    run(sign(faulty, chosen, signer))
    assert signer.asked == []
    assert faults.logins == [PROTECTED_AUTH]


def test_module_that_asks_by_itself_gets_no_login(
    faulty: Pkcs11Card, chosen: CardCertificate, faults: Faults, run: Any, prompt: Any, pin: str
) -> None:
    faults.clear_flags, faults.pin_of_module = TokenFlag.LOGIN_REQUIRED, pin
    signer = prompt("not asked for")
    run(sign(faulty, chosen, signer))
    assert signer.asked == []
    assert faults.logins == []


def test_missing_mechanism_is_refused_before_the_pin(
    faulty: Pkcs11Card, chosen: CardCertificate, faults: Faults, run: Any, prompt: Any, pin: str
) -> None:
    faults.mechanisms = {pkcs11.Mechanism.RSA_PKCS}
    signer = prompt(pin)
    with pytest.raises(MechanismUnsupportedError):
        run(sign(faulty, chosen, signer))
    assert signer.asked == []


def test_signature_by_another_key_is_not_returned(
    faulty: Pkcs11Card, chosen: CardCertificate, run: Any, prompt: Any, pin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = next(c for c in run(faulty.certificates()) if c.label == "rsa")
    monkeypatch.setattr("signing.eid.pkcs11.data_to_sign", lambda *_: hashlib.sha256(b"not that").digest())
    for certificate, mechanism in (
        (chosen, SignatureMechanism.ECDSA),
        (other, SignatureMechanism.RSA_PKCS1_V15),
        (other, SignatureMechanism.RSA_PSS),
    ):
        with pytest.raises(CardFailureError, match="does not verify") as failed:
            run(faulty.sign_digest(certificate, DIGEST, "sha256", mechanism, prompt(pin)))
        assert failed.value.return_value is None


def test_cancelled_task_signs_nothing(
    faulty: Pkcs11Card, chosen: CardCertificate, faults: Faults, run: Any, prompt: Any, pin: str
) -> None:
    asked, answer = threading.Event(), threading.Event()

    def signer(_: str) -> str:
        asked.set()
        answer.wait(20)
        return pin

    async def abandon() -> None:
        task = asyncio.create_task(sign(faulty, chosen, signer))
        await asyncio.to_thread(asked.wait, 20)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        answer.set()
        await faulty.certificates()  # waits for the thread
        assert faults.logins == []
        await sign(faulty, chosen, prompt(pin))

    run(abandon())
    assert len(faults.logins) == 1


def test_token_deleted_while_the_pin_is_asked(card_of: Any, run: Any, pin: str, home: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(home, tmp_path / "copy"))
    card = card_of(load_demo_token(copy))
    chosen = next(c for c in run(card.certificates()) if c.label == "p256")

    def signer(_: str) -> str:
        shutil.rmtree(copy / "tokens")
        (copy / "tokens").mkdir()
        return pin

    with pytest.raises(CardRemovedError):
        run(sign(card, chosen, signer))
    with pytest.raises(CardAbsentError):
        run(card.certificates())


def in_process(place: DemoToken, script: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", script, str(place.module), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
        env={**os.environ, **place.environment},
        cwd=Path(__file__).parents[3],
    )


LOAD = """
import asyncio, sys
from pathlib import Path
from signing.eid.pkcs11 import Pkcs11Card
from signing.eid.ports import ModuleUnavailableError
try:
    asyncio.run(Pkcs11Card(Path(sys.argv[2])).certificates())
except ModuleUnavailableError as error:
    print(error.code, error, error.remedy)
"""


def test_module_missing_or_no_pkcs11(token: DemoToken, tmp_path: Path) -> None:
    text, shared = tmp_path / "text.so", tmp_path / "shared.so"
    text.write_text("no library")
    extension = sys.modules["_ctypes"].__file__ or ""
    shutil.copy(extension, shared)
    for file in (tmp_path / "missing.so", tmp_path, text, shared):
        outcome = in_process(token, LOAD, str(file))
        assert outcome.returncode == 0, outcome.stderr
        assert outcome.stdout.startswith("MODULE_UNAVAILABLE")
        assert str(file) in outcome.stdout


def test_module_that_does_not_start(token: DemoToken, tmp_path: Path) -> None:
    lost = DemoToken(token.module, {"SOFTHSM2_CONF": str(tmp_path / "missing.conf")})
    outcome = in_process(lost, LOAD, str(token.module))
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.startswith("MODULE_UNAVAILABLE")


FORK = """
import asyncio, os, sys
from pathlib import Path
from signing.eid.pkcs11 import Pkcs11Card
from signing.eid.ports import CardError

def count(card):
    try:
        return str(len(asyncio.run(asyncio.wait_for(card.certificates(), 20))))
    except CardError as error:
        return error.code

def in_child(*works):
    child = os.fork()
    if child:
        assert os.waitpid(child, 0)[1] == 0
        return
    print("child", *(work() for work in works), flush=True)
    sys.exit()

module = Path(sys.argv[1])
card = Pkcs11Card(module)
print("parent", count(card), flush=True)
in_child(lambda: count(card), lambda: count(Pkcs11Card(module)), lambda: asyncio.run(card.close()))
print("parent", count(card), flush=True)
asyncio.run(card.close())
in_child(lambda: count(card), lambda: count(Pkcs11Card(module)))
print("parent", count(card), flush=True)
"""


def test_forked_child_is_refused_what_its_parent_has_in_use(token: DemoToken) -> None:
    outcome = in_process(token, FORK)
    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.splitlines() == [
        "parent 6",
        "child MODULE_UNAVAILABLE MODULE_UNAVAILABLE None",
        "parent 6",
        "child MODULE_UNAVAILABLE 6",
        "parent 6",
    ]
