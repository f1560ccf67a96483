"""The card core, whatever carries its messages: FTS-SIG-2, FTS-SIG-3."""

import asyncio
import base64
import hashlib
import json
import logging
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from deploy.demo_stack import DemoStack, demo_stack
from signing.eid.card_core import CardCore, PinTimeoutError
from signing.eid.pkcs11 import Pkcs11Card
from signing.eid.ports import (
    CardAbsentError,
    CardError,
    CardFailureError,
    CardRemovedError,
    CertificateNotFoundError,
    KeyNotFoundError,
    MechanismUnsupportedError,
    ModuleUnavailableError,
    PinBlockedError,
    PinCancelledError,
    PinIncorrectError,
)
from tests.contract.eid.scripted import PIN, SIGNATURE, Person, ScriptedCard, listed

PAGE = "https://sign.example"
DIGEST = hashlib.sha256(b"attributes").digest()
HASHES = [("SHA256", SHA256()), ("SHA-256", SHA256()), ("SHA384", SHA384()), ("SHA-512", SHA512())]
ENTRY = listed("signature")
SECRET_NAME = "Divorce settlement"


def message(entry: Any = ENTRY, octets: bytes = DIGEST, **more: Any) -> dict[str, Any]:
    """Return a SIGN request."""
    values = {"cert": base64.b64encode(entry.der).decode(), "digest": base64.b64encode(octets).decode()}
    fixed = {"operation": "SIGN", "correlationId": "c", "algo": "SHA256", "pin": None, "documentName": SECRET_NAME}
    return fixed | values | more


@pytest.fixture
def scripted() -> ScriptedCard:
    return ScriptedCard(ENTRY)


@pytest.fixture
def person() -> Person:
    return Person()


@pytest.fixture
def core(scripted: ScriptedCard, person: Person) -> CardCore:
    return CardCore(scripted, person)


def failures() -> Iterator[tuple[CardError, str]]:
    yield ModuleUnavailableError("x"), "no_reader"
    yield CardAbsentError("x"), "no_card"
    yield CardRemovedError("x"), "no_card"
    yield CertificateNotFoundError("x"), "no_card"
    yield PinIncorrectError("x", attempts_left="few"), "pin_2_attempts_left"
    yield PinIncorrectError("x", attempts_left="last"), "pin_1_attempt_left"
    yield PinIncorrectError("x", attempts_left="unknown"), "pin_incorrect"
    yield PinBlockedError("x"), "card_blocked"
    yield PinCancelledError("x"), "cancel"
    yield PinTimeoutError("x"), "pin_timeout"
    yield KeyNotFoundError("x"), "general_error"
    yield MechanismUnsupportedError("x"), "general_error"
    yield CardFailureError("x", return_value="CKR_GENERAL_ERROR"), "general_error"


def test_every_failure_of_a_card_has_its_result(
    scripted: ScriptedCard, person: Person, core: CardCore, run: Callable[..., Any]
) -> None:
    known = set(CardError.__subclasses__())
    assert {type(error) for error, _ in failures()} == known, "a new kind of failure needs a result"
    for error, result in failures():
        scripted.outcomes = [error]
        answer = run(core.handle(message(), origin=PAGE))
        assert answer == {"result": result, "report": error.code, "operation": "SIGN", "correlationId": "c"}
        assert person.told[-1] == result


def test_what_is_asked_is_shown_without_disguise(core: CardCore, person: Person, run: Callable[..., Any]) -> None:
    for name, shown in ((SECRET_NAME, SECRET_NAME), ("a\u202efdp.exe\n", "a?fdp.exe?"), ("é" * 300, "é" * 200 + "…")):
        assert run(core.handle(message(documentName=name), origin=PAGE))["result"] == "OK"
        assert person.asked[-1].document == shown
        assert (person.asked[-1].origin, person.asked[-1].digest) == (PAGE, DIGEST)


def test_only_certificates_for_signatures_sign(person: Person, run: Callable[..., Any]) -> None:
    for usage in (False, None):
        other = listed("authentication", signs=usage)
        core = CardCore(ScriptedCard(other), person)
        assert run(core.handle(message(other), origin=PAGE))["report"] == "certificate_not_for_signatures"
        found = run(core.handle({"operation": "USERCERTS", "keyusage": "NONREPUDIATION"}, origin=PAGE))
        assert found == {"result": "no_card", "Readers": [], "operation": "USERCERTS"}
    assert person.asked == []


def test_labels_and_missing_keys_limit_what_is_offered(person: Person, run: Callable[..., Any]) -> None:
    one, other, keyless = listed("one"), listed("other"), listed("keyless", can_sign=False)
    core = CardCore(ScriptedCard(one, other, keyless), person, labels=["one", "keyless"])
    [reader] = run(core.handle({"operation": "USERCERTS"}, origin=PAGE))["Readers"]
    assert [base64.b64decode(text) for text in reader["certificates"]] == [one.der]
    for entry in (other, keyless):
        assert run(core.handle(message(entry), origin=PAGE))["result"] == "no_card"
    assert person.asked == []


def test_what_the_desk_or_the_card_did_not_foresee_gets_an_answer_without_its_text(
    scripted: ScriptedCard,
    core: CardCore,
    person: Person,
    run: Callable[..., Any],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("signing.eid.card_core._LOG", logging.getLogger("card core under test"))
    scripted.outcomes = [OSError(f"disk full: {SECRET_NAME} {PIN}")]
    with caplog.at_level(logging.DEBUG):
        answer = run(core.handle(message(), origin=PAGE))
    assert (answer["result"], answer["report"]) == ("general_error", "internal_error")
    assert person.told == ["general_error"], "the window must not wait for ever"
    assert "OSError" in caplog.text
    assert SECRET_NAME not in caplog.text
    assert PIN not in caplog.text


def test_nothing_of_a_request_is_logged(
    core: CardCore, run: Callable[..., Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("signing.eid.card_core._LOG", logging.getLogger("card core under test"))
    with caplog.at_level(logging.DEBUG):
        assert run(core.handle(message(), origin=PAGE))["result"] == "OK"
        run(core.handle(message(digest="!"), origin=PAGE))
    assert [record for record in caplog.records if record.name == "card core under test"] == []
    assert SECRET_NAME not in caplog.text


def test_a_page_that_leaves_is_asked_for_no_more(
    scripted: ScriptedCard, core: CardCore, person: Person, run: Callable[..., Any]
) -> None:
    """The PIN question goes away, nothing is signed, and the card is free for the next request."""

    async def scene() -> dict[str, Any]:
        person.free.clear()
        asked = asyncio.ensure_future(core.handle(message(), origin=PAGE))
        await person.called.wait()
        assert (await core.handle(message(), origin=PAGE))["result"] == "busy"
        assert (await core.handle({"operation": "USERCERTS"}, origin=PAGE))["result"] == "busy"
        assert (await core.handle({"operation": "VERSION"}, origin=PAGE))["result"] == "OK"
        asked.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asked
        person.free.set()
        return await core.handle(message(), origin=PAGE)

    answer = run(scene())
    assert base64.b64decode(answer["signature"]) == SIGNATURE
    assert person.told == ["cancel", "OK"]
    assert scripted.tried == [PIN], "the request that was left tried no PIN"


def test_a_pin_that_was_given_is_tried_to_the_end(
    scripted: ScriptedCard, core: CardCore, run: Callable[..., Any]
) -> None:
    """Else its counter would be wrong: the page leaves while the card works."""

    async def scene() -> None:
        scripted.slow.clear()
        asked = asyncio.ensure_future(core.handle(message(), origin=PAGE))
        assert await asyncio.to_thread(scripted.trying.wait, 5)
        asked.cancel()
        await asyncio.sleep(0.1)
        assert not asked.done()
        assert (await core.handle(message(), origin=PAGE))["result"] == "busy"
        scripted.slow.set()
        with pytest.raises(asyncio.CancelledError):
            await asked
        assert (await core.handle(message(), origin=PAGE))["result"] == "OK"

    run(scene())


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150, deadline=None)
@given(
    ANYTHING
    | st.fixed_dictionaries(
        {"operation": st.sampled_from(["VERSION", "USERCERTS", "CERTCHAIN", "ID", "SIGN", "AUTH"]) | ANYTHING},
        optional=dict.fromkeys(("correlationId", "cert", "algo", "digest", "pin", "language", "v"), ANYTHING),
    )
)
def test_every_message_gets_an_answer(sent: Any) -> None:
    person = Person()
    answer = asyncio.run(CardCore(ScriptedCard(ENTRY), person).handle(sent, origin=PAGE))
    assert isinstance(answer["result"], str)
    assert "result" in json.loads(json.dumps(answer))
    assert answer.get("report") != "internal_error"
    assert person.asked == []


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoStack]:
    with demo_stack(tmp_path_factory.mktemp("core") / "demo") as made:
        yield made


@pytest.mark.parametrize("name", ["rsa", "p384"])
def test_signatures_of_the_token_verify(
    stack: DemoStack, name: str, card_of: Callable[..., Pkcs11Card], run: Callable[..., Any], tmp_path: Path
) -> None:
    """W-5: RSA PKCS#1 v1.5 blocks and DER ECDSA-Sig-Values over three hashes, judged by two programs."""
    label = next(key for key in stack.pki.signers if key.startswith(name))
    certificate = stack.pki.signers[label].certificate
    key = certificate.public_key()
    core = CardCore(card_of(stack.token), Person(lambda: stack.pin), labels=[label])
    der = base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
    (tmp_path / "key.pem").write_bytes(key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (tmp_path / "data").write_bytes(b"signed attributes")
    for algo, primitive in HASHES:
        digest = hashlib.new(primitive.name, b"signed attributes").digest()
        answer = run(core.handle(message(octets=digest, cert=der, algo=algo), origin=PAGE))
        assert answer["result"] == "OK"
        value = base64.b64decode(answer["signature"], validate=True)
        if isinstance(key, rsa.RSAPublicKey):
            key.verify(value, digest, padding.PKCS1v15(), Prehashed(primitive))
        else:
            assert isinstance(key, ec.EllipticCurvePublicKey)
            key.verify(value, digest, ec.ECDSA(Prehashed(primitive)))
        (tmp_path / "value").write_bytes(value)
        command = ["openssl", "dgst", f"-{primitive.name}", "-verify", "key.pem", "-signature", "value", "data"]
        assert b"Verified OK" in subprocess.run(command, cwd=tmp_path, capture_output=True, check=True).stdout


def test_a_wrong_pin_of_the_token(
    stack: DemoStack, card_of: Callable[..., Pkcs11Card], run: Callable[..., Any]
) -> None:
    core = CardCore(card_of(stack.token), Person(lambda: "00000000"), labels=["p384"])
    der = stack.pki.signers["p384"].certificate.public_bytes(Encoding.DER)
    answer = run(core.handle(message(cert=base64.b64encode(der).decode()), origin=PAGE))
    assert answer["result"] in ("pin_incorrect", "pin_2_attempts_left")
    assert "signature" not in answer
