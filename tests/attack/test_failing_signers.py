"""Signers, responders and lists that are wrong in ways that no outage shows (R); outages are in `test_services`.

Each failure has its own error that names who failed, and none ends in a signature of a lower level: the call raises.
"""

import io
from datetime import timedelta

import pikepdf
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509 import ocsp

from deploy.demo_pki import certificates
from deploy.demo_pki.faults import Fault
from deploy.demo_pki.pki import Entity
from signing.ports import (
    CertificateRevokedError,
    CertificateUntrustedError,
    CertificateUsageError,
    Level,
    Profile,
    RevocationInvalidError,
    RevocationNotFreshError,
    RevocationUnavailableError,
    RevocationUnknownError,
)
from tests.attack.editing import contents
from tests.attack.failing import (
    ABOVE_T,
    DOCUMENT,
    Failing,
    as_entity,
    entity,
)
from tests.support.line import Lines, Signed
from tests.unit.signing.issuing import Holder, authority, signer
from timestamping.cms import OID_SIGNATURE_TIMESTAMP, parse_signed_data


@pytest.mark.parametrize("level", Level)
def test_weak_rsa_key(failing: Failing, level: Level) -> None:
    weak = entity("weak", rsa.generate_private_key(65537, 1024), failing.pki)  # noqa: S505 - that is the test
    error = failing.refusal(CertificateUsageError, weak, level=level)
    assert "1024 bits" in str(error)
    assert error.party == weak.certificate.subject.rfc4514_string()


@pytest.mark.parametrize("curve", [ec.SECP224R1(), ec.SECP256K1(), ec.BrainpoolP256R1()], ids=lambda c: c.name)
def test_key_on_another_curve(failing: Failing, curve: ec.EllipticCurve) -> None:
    odd = entity("odd", ec.generate_private_key(curve), failing.pki)
    assert curve.name in str(failing.refusal(CertificateUsageError, odd))


@pytest.mark.parametrize("level", Level)
def test_signer_of_an_authority_of_his_own(failing: Failing, level: Level) -> None:
    ca = authority("TEST Citizen CA")
    impostor = signer("Impostor", ca)
    error = failing.refusal(CertificateUntrustedError, as_entity(impostor, ca), level=level)
    assert (error.code, error.party) == ("CERTIFICATE_UNTRUSTED", "CN=Impostor")


def test_signer_whose_root_comes_along(failing: Failing) -> None:
    """That the chain ends in a self-signed certificate makes nobody an anchor."""
    root = authority("Root")
    ca = authority("CA", root)
    failing.refusal(CertificateUntrustedError, as_entity(signer("Impostor", ca), ca, root))


def test_namesake_of_the_citizen_authority(failing: Failing) -> None:
    """A CA under the true CA's name and another key, and the true CA beside it in the chain."""
    true = failing.pki.citizen_ca
    fake = Holder(ec.generate_private_key(ec.SECP256R1()), true.certificate)
    failing.refusal(
        CertificateUntrustedError,
        Entity("fake", *_pair(signer("Impostor", fake)), (true.certificate, failing.pki.root.certificate)),
    )


def _pair(holder: Holder) -> tuple[certificates.PrivateKey, x509.Certificate]:
    return holder.key, holder.certificate


@pytest.mark.parametrize("level", Level)
def test_signer_unknown_to_the_responder(failing: Failing, level: Level) -> None:
    unknown = entity("unknown", ec.generate_private_key(ec.SECP256R1()), failing.pki, crl=False)
    error = failing.refusal(RevocationUnknownError, unknown, level=level)
    assert (error.code, error.party) == ("REVOCATION_UNKNOWN", failing.place("/ocsp"))


@pytest.mark.parametrize("level", ABOVE_T)
def test_signer_unknown_to_the_responder_and_not_on_the_list(failing: Failing, level: Level) -> None:
    """A list that does not name him was made before the timestamp, and says nothing about who issued him."""
    unknown = entity("unlisted", ec.generate_private_key(ec.SECP256R1()), failing.pki)
    error = failing.refusal(RevocationUnknownError, unknown, level=level)
    assert error.party == failing.place("/ocsp")


@pytest.mark.parametrize("level", ABOVE_T)
def test_revoked_between_the_calls(failing: Failing, level: Level) -> None:
    late = failing.pki.issue_signer(f"late-{level.lower()}", "p256")
    error = failing.refusal(
        CertificateRevokedError, late, level=level, between=lambda _: failing.pki.revoke(late.certificate)
    )
    assert (error.code, error.party) == ("CERTIFICATE_REVOKED", late.certificate.subject.rfc4514_string())


@pytest.mark.parametrize("level", Level)
def test_revoked_before(failing: Failing, level: Level) -> None:
    early = failing.pki.issue_signer(f"early-{level.lower()}", "p256")
    failing.pki.revoke(early.certificate)
    assert failing.refusal(CertificateRevokedError, early, level=level).code == "CERTIFICATE_REVOKED"


def test_revoked_and_told_by_the_list_alone(failing: Failing) -> None:
    early = failing.pki.issue_signer("early-listed", "p256", ocsp=False)
    failing.pki.revoke(early.certificate)
    failing.refusal(CertificateRevokedError, early)


@pytest.mark.parametrize("level", Level)
def test_responder_whose_answer_is_cut(failing: Failing, level: Level) -> None:
    alone = failing.pki.issue_signer(f"alone-{level.lower()}", "p256", crl=False)
    failing.line.app.faults["/ocsp"] = Fault("truncated")
    error = failing.refusal(RevocationInvalidError, alone, level=level)
    assert (error.code, error.party) == ("REVOCATION_INVALID", failing.place("/ocsp"))


@pytest.mark.parametrize("path", ["/crl/root.crl", "/crl/timestamping.crl"])
@pytest.mark.parametrize("kind", ["down", "html", "garbage", "truncated", "stale"])
def test_list_that_fails(failing: Failing, path: str, kind: str) -> None:
    failing.line.app.faults[path] = Fault(kind, shift=timedelta(days=2))  # type: ignore[arg-type]
    expected = RevocationUnavailableError if kind == "down" else RevocationInvalidError
    for level in ABOVE_T:
        assert failing.refusal(expected, level=level).party == failing.place(path)


def test_list_of_a_signer_without_a_responder_fails(failing: Failing) -> None:
    listed = failing.pki.issue_signer("listed-down", "p256", ocsp=False)
    failing.line.app.faults["/crl/citizen.crl"] = Fault("down")
    assert failing.refusal(RevocationUnavailableError, listed).party == failing.place("/crl/citizen.crl")


def test_list_is_older_than_the_timestamp(failing: Failing) -> None:
    listed = failing.pki.issue_signer("listed", "p256", ocsp=False)
    error = failing.refusal(RevocationNotFreshError, listed)
    assert (error.code, error.party) == ("REVOCATION_NOT_FRESH", failing.place("/crl/citizen.crl"))


def test_responder_a_second_behind_is_waited_for(failing: Failing) -> None:
    failing.line.app.faults["/ocsp"] = Fault("stale", shift=timedelta(seconds=1))
    signed = failing.line.sign(DOCUMENT)
    assert signed.report is not None
    assert signed.report.level is Level.LTA
    assert_fresh(signed, failing)


@pytest.mark.parametrize("level", ABOVE_T)
def test_answer_in_the_file_is_not_older_than_the_timestamp(failing: Failing, level: Level) -> None:
    assert_fresh(failing.line.sign(DOCUMENT, "p384", Profile(level)), failing)


def assert_fresh(signed: Signed, failing: Failing) -> None:
    """Compare by other readers: the timestamp by its token, the answer by qpdf and `cryptography` (R1)."""
    (token,) = parse_signed_data(contents(signed.data, 0)).signer.unsigned_attributes[OID_SIGNATURE_TIMESTAMP]
    stamped = token[token.index(b"\x18\x0f") + 2 :][:15].decode()
    with pikepdf.open(io.BytesIO(signed.data)) as pdf:
        answers = [ocsp.load_der_ocsp_response(stream.read_raw_bytes()) for stream in pdf.Root.DSS.OCSPs]
    serial_number = failing.pki.signers["p384"].certificate.serial_number
    about_signer = [a for a in answers if a.serial_number == serial_number]
    assert about_signer
    assert all(a.this_update_utc.strftime("%Y%m%d%H%M%SZ") >= stamped for a in about_signer)


def test_revoked_intermediate_authority(lines: Lines) -> None:
    line = lines.start()
    ca = line.pki.citizen_ca.certificate
    line.pki.revoke(ca)
    for level in ABOVE_T:
        with pytest.raises(CertificateRevokedError) as caught:
            line.sign(DOCUMENT, "p384", Profile(level))
        assert (caught.value.code, caught.value.party) == ("CERTIFICATE_REVOKED", ca.subject.rfc4514_string())
