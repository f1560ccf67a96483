"""Services and certificates that fail: each its own error naming who failed, never a lower level (FTS-SIG-5)."""

import io
from collections.abc import Iterator
from datetime import timedelta

import pikepdf
import pytest
from cryptography.x509 import ocsp

from deploy.demo_pki.faults import Fault
from deploy.demo_pki.pki import Entity
from fts.outbound import OutboundLimits
from signing.pades.finish import finish
from signing.pades.state import Prepared
from signing.ports import (
    CertificateExpiredError,
    CertificateRevokedError,
    CertificateUntrustedError,
    CertificateUsageError,
    DocumentChangedError,
    RevocationInvalidError,
    RevocationNotFreshError,
    RevocationUnavailableError,
    RevocationUnknownError,
    SignatureValueError,
    SigningError,
)
from tests.samples.sound import SOUND
from tests.support.line import Line, Lines, sign_value, timestamping_app, unchecked_app
from timestamping.clock import utc_now
from timestamping.ports import TimestampError, TimestampInvalidError, TimestampUnavailableError

DOCUMENT = SOUND["one_page"]()


@pytest.fixture(scope="module")
def own(lines: Lines) -> Line:
    """A line whose services these tests break, with an impatient client."""
    line = lines.start()
    line.limits = OutboundLimits(total_seconds=1.5)
    return line


@pytest.fixture(autouse=True)
def mended(own: Line) -> Iterator[None]:
    yield
    own.app.faults.clear()
    own.server_clock.offset_seconds = 0


def refusal(line: Line, **arguments: object) -> SigningError | TimestampError:
    with pytest.raises((SigningError, TimestampError)) as caught:
        line.sign(DOCUMENT, **arguments)  # type: ignore[arg-type]
    assert caught.value.party
    assert caught.value.remedy
    return caught.value


OCSP_FAULTS = {
    "down": (Fault("down"), RevocationUnavailableError),
    "slow": (Fault("slow", delay=3.0), RevocationUnavailableError),
    "html": (Fault("html"), RevocationInvalidError),
    "garbage": (Fault("garbage"), RevocationInvalidError),
    "stale": (Fault("stale", shift=timedelta(hours=1)), RevocationInvalidError),
    "unknown": (Fault("unknown"), RevocationUnknownError),
    "wrong_responder": (Fault("wrong_responder"), RevocationInvalidError),
    "huge": (Fault("huge", size=1 << 20), RevocationInvalidError),
}


@pytest.mark.parametrize("name", OCSP_FAULTS)
def test_responder_fails_after_the_pin(own: Line, name: str) -> None:
    """The list that would answer instead is older than the timestamp, so that the responder is named."""
    fault, expected = OCSP_FAULTS[name]
    error = refusal(own, between=lambda _: own.app.faults.__setitem__("/ocsp", fault))
    assert type(error) is expected
    assert error.party == f"{own.pki.base_url}/ocsp"


def test_responder_that_lags_behind_the_timestamp(own: Line) -> None:
    lag = Fault("stale", shift=timedelta(seconds=30))
    error = refusal(own, between=lambda _: own.app.faults.__setitem__("/ocsp", lag))
    assert isinstance(error, RevocationNotFreshError)


def test_list_of_the_authorities_is_down(lines: Lines) -> None:
    line = lines.start()
    line.app.faults["/crl/root.crl"] = Fault("down")
    assert isinstance(refusal(line), RevocationUnavailableError)


@pytest.mark.parametrize("kind", ["down", "slow", "html", "garbage"])
def test_authority_fails(own: Line, kind: str) -> None:
    own.app.faults["/tsa"] = Fault(kind, delay=3.0)  # type: ignore[arg-type]
    error = refusal(own)
    assert isinstance(error, TimestampUnavailableError)
    assert error.party == f"{own.pki.base_url}/tsa"


@pytest.mark.parametrize("seconds", [-3600, 3600])
def test_authority_states_another_time(own: Line, seconds: int) -> None:
    own.server_clock.offset_seconds = seconds
    with pytest.raises((TimestampInvalidError, RevocationInvalidError)):
        own.sign(DOCUMENT, between=lambda _: own.app.faults.clear())


def test_authority_of_an_unknown_root(own: Line, line: Line) -> None:
    own.app._timestamping, kept = timestamping_app(line.pki.tsu, utc_now), own.app._timestamping
    try:
        assert isinstance(refusal(own), CertificateUntrustedError)
    finally:
        own.app._timestamping = kept


def test_authority_whose_purpose_is_not_critical(own: Line) -> None:
    tsu = own.pki.issue_tsu("lax", extended_key_usage_critical=False)
    own.app._timestamping, kept = unchecked_app(tsu, utc_now), own.app._timestamping
    try:
        assert isinstance(refusal(own), TimestampInvalidError)
    finally:
        own.app._timestamping = kept


def test_revoked_before_and_after_the_pin(own: Line) -> None:
    early, late = own.pki.issue_signer("early", "p256"), own.pki.issue_signer("late", "p256")
    own.pki.revoke(early.certificate)
    assert isinstance(refusal(own, signer=early), CertificateRevokedError)
    error = refusal(own, signer=late, between=lambda _: own.pki.revoke(late.certificate))
    assert isinstance(error, CertificateRevokedError)
    assert "late" in str(error.party)


def test_certificates_that_may_not_sign(own: Line, line: Line) -> None:
    now = utc_now()
    expired = own.pki.issue_signer(
        "expired", "p256", not_before=now - timedelta(days=9), not_after=now - timedelta(days=1)
    )
    future = own.pki.issue_signer("future", "p256", not_before=now + timedelta(days=1))
    other = own.pki.issue_signer("login", "p256", key_usage="digital_signature")
    cases: dict[type[SigningError], list[Entity]] = {
        CertificateExpiredError: [expired, future],
        CertificateUsageError: [other],
        CertificateUntrustedError: [line.pki.signers["p384"]],
    }
    for expected, signers in cases.items():
        for signer in signers:
            assert type(refusal(own, signer=signer)) is expected


def test_values_that_do_not_fit(own: Line) -> None:
    signer, other = own.pki.signers["p384"], own.pki.signers["rsa3072"]
    prepared = own.sign(DOCUMENT).prepared
    good = sign_value(signer, prepared)
    for value in (b"", good[:-1], good[::-1], b"\0" * 96, sign_value(other, prepared)):
        with pytest.raises(SignatureValueError):
            _finish(own, DOCUMENT, prepared, value)
    changed = prepared.to_bytes().replace(prepared.document_sha256.hex().encode(), b"00" * 32)
    with pytest.raises(DocumentChangedError):
        _finish(own, DOCUMENT, type(prepared).from_bytes(changed), good)
    with pytest.raises(DocumentChangedError):
        _finish(own, SOUND["form"](), prepared, good)
    for broken in (b"", b"{}", prepared.to_bytes()[:-5], prepared.to_bytes().replace(b'"format":1', b'"format":9')):
        with pytest.raises(ValueError, match="not a prepared signature"):
            type(prepared).from_bytes(broken)


def _finish(line: Line, document: bytes, prepared: object, value: bytes) -> None:
    assert isinstance(prepared, Prepared)
    fresh = Prepared.from_bytes(prepared.to_bytes())
    line.run(
        lambda client: finish(
            io.BytesIO(document),
            fresh,
            value,
            io.BytesIO(),
            engine=line.engine(client),
            timestamps=line.timestamps(client),
            clock=utc_now,
        )
    )


def test_the_signers_answer_is_not_older_than_the_timestamp(own: Line) -> None:
    """EN 319 102-1, 5.2.5; read from the file by qpdf and `cryptography`."""
    signed = own.sign(DOCUMENT)
    assert signed.finished.signed_at is not None
    with pikepdf.open(io.BytesIO(signed.data)) as pdf:
        answers = [ocsp.load_der_ocsp_response(s.read_bytes()) for s in pdf.Root.DSS.OCSPs]
    serial = own.pki.signers["p384"].certificate.serial_number
    about = [a for a in answers if a.serial_number == serial]
    assert about
    assert all(a.this_update_utc >= signed.finished.signed_at for a in about)
