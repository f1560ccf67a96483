"""What can go wrong between prepare and finish: the value, the document, the state (W-5, W-6, F-5)."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils

from deploy.demo_pki.faults import Fault
from signing.pades.state import Prepared
from signing.ports import (
    DocumentChangedError,
    Level,
    ReleaseError,
    RevocationError,
    SignatureValueError,
)
from tests.attack.failing import (
    DOCUMENT,
    Failing,
    finished,
    prepared_by,
)
from tests.samples.writer import classic, text_pages
from tests.support.line import sign_value
from timestamping.algorithms import DigestAlgorithm


def raw(value: bytes) -> bytes:
    """r and s side by side, as cards give them."""
    return b"".join(number.to_bytes(48, "big") for number in utils.decode_dss_signature(value))


def negated(value: bytes) -> bytes:
    """The twin of an ECDSA value: valid too, for the curve's equation does not tell them apart (W-5)."""
    order = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973
    r, s = utils.decode_dss_signature(value)
    return utils.encode_dss_signature(r, order - s)


VALUES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda value: value[:-1],
    "cut in half": lambda value: value[: len(value) // 2],
    "octet behind": lambda value: value + b"\x00",
    "raw": raw,
    "zero": lambda _: utils.encode_dss_signature(0, 0),
    "r and s swapped": lambda value: utils.encode_dss_signature(*utils.decode_dss_signature(value)[::-1]),
    "one bit": lambda value: value[:-1] + bytes([value[-1] ^ 1]),
    "long": lambda _: bytes(100_000),
}


@pytest.mark.parametrize("level", [Level.B, Level.LTA])
@pytest.mark.parametrize("change", VALUES.values(), ids=VALUES)
def test_signature_value_that_is_none(failing: Failing, change: Callable[[bytes], bytes], level: Level) -> None:
    prepared = prepared_by(failing, level=level)
    value = change(sign_value(failing.pki.signers["p384"], prepared))
    with pytest.raises(SignatureValueError) as caught:
        finished(failing, prepared, value)
    assert caught.value.code == "SIGNATURE_MISMATCH"
    assert caught.value.party == prepared.certificate.subject.rfc4514_string()


def test_signature_value_of_another_key_or_over_something_else(failing: Failing) -> None:
    prepared = prepared_by(failing)
    person = failing.pki.signers["p384"]
    assert isinstance(person.key, ec.EllipticCurvePrivateKey)
    algorithm = prepared.profile.digest.primitive
    wrong = [
        sign_value(replace(person, key=ec.generate_private_key(ec.SECP384R1())), prepared),
        sign_value(person, prepared_by(failing, document=classic(text_pages(2)))),
        person.key.sign(DOCUMENT, ec.ECDSA(algorithm)),
        person.key.sign(prepared.document_sha256, ec.ECDSA(utils.Prehashed(algorithm))),
        person.key.sign(prepared.to_be_signed, ec.ECDSA(DigestAlgorithm.SHA384.primitive)),
    ]
    for value in wrong:
        with pytest.raises(SignatureValueError):
            finished(failing, prepared, value)
    assert finished(failing, prepared, sign_value(person, prepared))


def test_twin_of_an_ecdsa_value_is_the_same_signature(failing: Failing) -> None:
    prepared = prepared_by(failing)
    made, _ = finished(failing, prepared, negated(sign_value(failing.pki.signers["p384"], prepared)))
    assert made.level is Level.LTA


@pytest.mark.parametrize(
    "document",
    [DOCUMENT + b"\n", DOCUMENT[:-1], DOCUMENT.replace(b"(Page 1)", b"(Page 7)"), b"", classic(text_pages(2))],
    ids=["longer", "shorter", "changed", "empty", "another"],
)
def test_document_replaced_between_the_calls(failing: Failing, document: bytes) -> None:
    prepared = prepared_by(failing)
    value = sign_value(failing.pki.signers["p384"], prepared)
    with pytest.raises(DocumentChangedError) as caught:
        finished(failing, prepared, value, document)
    assert caught.value.code == "DOCUMENT_CHANGED"


def test_certificate_swapped_in_the_state(failing: Failing) -> None:
    """The value of the first signer does not fit, and that of the second is over attributes that name the first."""
    prepared = prepared_by(failing)
    first = failing.pki.signers["p384"]
    second = failing.pki.issue_signer("second", "p384")
    swapped = replace(prepared, certificate=second.certificate)
    with pytest.raises(SignatureValueError):
        finished(failing, swapped, sign_value(first, prepared))
    with pytest.raises(ReleaseError, match="another certificate"):
        finished(failing, swapped, sign_value(second, prepared))


def test_revision_changed_in_the_state(failing: Failing) -> None:
    prepared = prepared_by(failing)
    value = sign_value(failing.pki.signers["p384"], prepared)
    data = prepared.revision.data
    at = data.index(b"/T (Signature1)") + 4
    data[at : at + 9] = b"Forgery_1"
    with pytest.raises(ReleaseError, match="has been changed"):
        finished(failing, prepared, value)


@pytest.mark.parametrize("lower", [Level.B, Level.T, Level.LT])
def test_level_lowered_in_the_state(failing: Failing, lower: Level) -> None:
    """Who asked for LTA compares with what was made: `Finished` and the report tell."""
    prepared = prepared_by(failing)
    value = sign_value(failing.pki.signers["p384"], prepared)
    made, data = finished(failing, replace(prepared, profile=replace(prepared.profile, level=lower)), value)
    assert made.level is lower
    assert failing.line.verify(data).level is lower


def test_state_damaged(failing: Failing) -> None:
    state = prepared_by(failing).to_bytes()
    for at in range(0, len(state), max(1, len(state) // 200)):
        with pytest.raises(ValueError, match="not a prepared signature"):
            Prepared.from_bytes(state[:at])


def test_failed_signing_leaves_the_line_usable(failing: Failing) -> None:
    failing.line.app.faults["/ocsp"] = Fault("down")
    with pytest.raises(RevocationError):
        failing.line.sign(DOCUMENT)
    failing.line.app.faults.clear()
    assert failing.line.sign(DOCUMENT).finished.level is Level.LTA
