"""Mistakes in revocation data (FTS-SIG-5), one test for each; R1 and R8 are with the defaults P1 and P2."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from deploy.demo_pki.certificates import crl_path
from deploy.demo_pki.revocation import OcspResponder
from deploy.demo_pki.server import Fault, FaultKind
from signing.ports import (
    CertificateExpiredError,
    CertificateRevokedError,
    Level,
    Profile,
    RevocationError,
    RevocationInvalidError,
    RevocationUnavailableError,
    RevocationUnknownError,
)
from signing.trust.sources import RevocationSource
from tests.conformance.driving import Counted, extended, signed_with
from tests.conformance.evidence import Store, read_store
from tests.conformance.issuing import (
    StoreFiles,
    certificate_like,
    checked_responder,
    extended_crl,
    good_answer,
    self_signed,
)
from tests.conformance.programs import run
from tests.oracles.oracle import Oracle
from tests.samples.sound_structure import one_page
from tests.support.line import Line, Lines
from timestamping.clock import utc_now


@pytest.fixture(scope="module")
def shared_faulty_line(lines: Lines) -> Line:
    """A line whose services tests break."""
    line = lines.start()
    line.pki.issue_signer("ocsp-only", "p256", crl=False)
    return line


@pytest.fixture
def faulty_line(shared_faulty_line: Line, monkeypatch: pytest.MonkeyPatch) -> Iterator[Line]:
    """The line with faults, which are gone after each test; `monkeypatch` is undone by itself."""
    assert monkeypatch
    yield shared_faulty_line
    shared_faulty_line.app.faults.clear()
    shared_faulty_line.server_clock.offset_seconds = 0.0


@pytest.mark.parametrize("level", [Level.LT, Level.LTA], ids=str)
def test_r02_openssl_finds_all_it_needs_in_the_file(full_line: Line, tmp_path: Path, level: Level) -> None:
    """R2 (FTS-SIG-5): the paths of signer, TSU and OCSP responder, from the embedded data and the root alone."""
    signed = full_line.sign(one_page(), "p384", Profile(level)).data
    store, pki = read_store(signed), full_line.pki
    files = StoreFiles(store, tmp_path)
    for entity in (pki.tsu, pki.citizen_ca, pki.timestamping_ca):
        result = run(
            *("openssl", "verify", "-crl_check_all", "-CAfile", full_line.root_pem),
            *("-untrusted", files.certificates, "-CRLfile", files.crls, files.certificate(entity.certificate)),
        )
        assert result.returncode == 0, result.stderr
    (response,) = files.ocsps
    result = run(
        *("openssl", "ocsp", "-respin", response, "-issuer", files.certificate(pki.citizen_ca.certificate)),
        *("-cert", files.certificate(pki.signers["p384"].certificate)),
        *("-CAfile", full_line.root_pem, "-verify_other", files.certificates),
    )
    assert "Response verify OK" in result.stderr
    assert ": good" in result.stdout


def test_r02_openssl_misses_what_is_left_out(full_line: Line, tmp_path: Path) -> None:
    """R2 (FTS-SIG-5): the check above fails where one CRL is missing."""
    store = read_store(full_line.sign(one_page(), "p384", Profile(Level.LT)).data)
    timestamping = full_line.pki.timestamping_ca.certificate
    kept = [der for der in store.crls if x509.load_der_x509_crl(der).issuer != timestamping.subject]
    assert len(kept) == len(store.crls) - 1
    files = StoreFiles(Store(store.certificates, store.ocsps, tuple(kept), store.keys, store.objects), tmp_path)
    result = run(
        *("openssl", "verify", "-crl_check_all", "-CAfile", full_line.root_pem),
        *("-untrusted", files.certificates, "-CRLfile", files.crls),
        files.certificate(full_line.pki.tsu.certificate),
    )
    assert "unable to get certificate CRL" in result.stderr


def test_r03_a_responder_without_nocheck_is_covered(
    faulty_line: Line, oracle: Oracle, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """R3 (FTS-SIG-5): revocation data about the responder is embedded; with the extension none is fetched."""
    pki = faulty_line.pki
    issuer = pki.citizen_ca.certificate
    with_mark = read_store(faulty_line.sign(one_page(), "ocsp-only", Profile(Level.LTA)).data)
    assert with_mark.crls_of(issuer) == []
    responder = checked_responder(pki.citizen_ca, pki.base_url + crl_path("citizen"))
    monkeypatch.setattr(pki, "_responder", OcspResponder(issuer, responder, pki.status_of_citizen))
    signed = faulty_line.sign(one_page(), "ocsp-only", Profile(Level.LTA)).data
    store = read_store(signed)
    assert responder.certificate in store.loaded()
    assert len(store.crls_of(issuer)) == 1
    path = tmp_path / "signed.pdf"
    path.write_bytes(signed)
    assert oracle.validate(path, [faulty_line.root_pem]).verdict("LTA", timestamps=2) == []
    faulty_line.app.faults[crl_path("citizen")] = Fault("down")
    with pytest.raises(RevocationUnavailableError):
        faulty_line.sign(one_page(), "ocsp-only", Profile(Level.LT))


def test_r04_two_certificates_of_one_responder_get_each_their_own_answer(faulty_line: Line) -> None:
    """R4 (FTS-SIG-5): the key of the cache names the certificate, not the responder alone."""
    pki = faulty_line.pki
    issuer = pki.citizen_ca.certificate
    signers = [pki.signers[name].certificate for name in ("p384", "ocsp-only", "p384")]

    async def ask(source: RevocationSource) -> list[bytes]:
        answers = [await source.cached(signer, issuer) for signer in signers]
        faulty_line.app.faults["/ocsp"] = Fault("down")
        answers.append(await source.cached(signers[1], issuer))
        return [answer.der for answer in answers]

    first, second, again, kept = faulty_line.run(lambda client: ask(RevocationSource(client, utc_now)))
    assert [serial(first), serial(second)] == [signers[0].serial_number, signers[1].serial_number]
    assert (again, kept) == (first, second)


def test_r04_two_signers_after_another_have_each_their_own_answer(faulty_line: Line) -> None:
    """R4 (FTS-SIG-5): and both answers are in the store."""
    signed = faulty_line.sign(one_page(), "p384", Profile(Level.LTA)).data
    signed = faulty_line.sign(signed, "rsa3072", Profile(Level.LTA)).data
    store = read_store(signed)
    for name in ("p384", "rsa3072"):
        assert len(store.ocsp_about(faulty_line.pki.signers[name].certificate)) >= 1


BAD_ANSWERS: MappingProxyType[FaultKind, type[RevocationError]] = MappingProxyType(
    {
        "unknown": RevocationUnknownError,
        "wrong_responder": RevocationInvalidError,
        "garbage": RevocationInvalidError,
        "html": RevocationInvalidError,
        "truncated": RevocationInvalidError,
        "huge": RevocationInvalidError,
        "down": RevocationUnavailableError,
    }
)


@pytest.mark.parametrize(("kind", "error"), BAD_ANSWERS.items(), ids=BAD_ANSWERS)
def test_r05_what_is_no_good_answer_is_not_embedded(
    faulty_line: Line, kind: FaultKind, error: type[RevocationError]
) -> None:
    """R5 (FTS-SIG-5): each is an error with the responder's address."""

    def breaks() -> None:
        faulty_line.app.faults["/ocsp"] = Fault(kind)

    signer = faulty_line.pki.signers["ocsp-only"]
    with pytest.raises(error) as caught:
        signed_with(faulty_line, one_page(), signer, Profile(Level.LT), between=breaks)
    assert caught.value.party == f"{faulty_line.pki.base_url}/ocsp"


@pytest.mark.parametrize("status", ["TRY_LATER", "INTERNAL_ERROR", "UNAUTHORIZED", "MALFORMED_REQUEST", "SIG_REQUIRED"])
def test_r05_a_responder_that_gives_no_answer(faulty_line: Line, monkeypatch: pytest.MonkeyPatch, status: str) -> None:
    """R5 (FTS-SIG-5): tryLater and its like are no revocation data."""
    refusal = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus[status]).public_bytes(Encoding.DER)

    def breaks() -> None:
        monkeypatch.setattr(faulty_line.pki, "ocsp_response_at", lambda _request, _moment: refusal)

    signer = faulty_line.pki.signers["ocsp-only"]
    with pytest.raises(RevocationInvalidError, match=status.lower()):
        signed_with(faulty_line, one_page(), signer, Profile(Level.LT), between=breaks)


def _scope(**bits: bool) -> x509.IssuingDistributionPoint:
    return x509.IssuingDistributionPoint(
        full_name=None,
        relative_name=None,
        only_contains_user_certs=bits.get("users", False),
        only_contains_ca_certs=bits.get("authorities", False),
        only_some_reasons=None,
        indirect_crl=bits.get("indirect", False),
        only_contains_attribute_certs=bits.get("attributes", False),
    )


SCOPES: MappingProxyType[str, tuple[x509.ExtensionType, bool]] = MappingProxyType(
    {
        "authorities only": (_scope(authorities=True), True),
        "attribute certificates only": (_scope(attributes=True), True),
        "indirect": (_scope(indirect=True), True),
        "a delta": (x509.DeltaCRLIndicator(1), True),
        "an unknown critical extension": (x509.UnrecognizedExtension(x509.ObjectIdentifier("2.25.1"), b"\5\0"), True),
    }
)


@pytest.mark.parametrize("name", SCOPES)
def test_r06_a_crl_that_does_not_cover_the_certificate_is_refused(
    faulty_line: Line, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """R6 (FTS-SIG-5): the TSU's state stands in its authority's CRL, so a list of another scope is no evidence."""
    pki = faulty_line.pki
    given = pki.crl_at
    crl = extended_crl(given("timestamping", utc_now()), pki.timestamping_ca, *SCOPES[name])
    monkeypatch.setattr(
        pki, "crl_at", lambda issuer, moment: crl if issuer == "timestamping" else given(issuer, moment)
    )
    with pytest.raises(RevocationInvalidError) as caught:
        faulty_line.sign(one_page(), "p384", Profile(Level.LTA))
    assert caught.value.party == pki.base_url + crl_path("timestamping")


def test_r06_a_crl_of_the_right_scope_is_taken(faulty_line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    """R6 (FTS-SIG-5): the same, for end entities."""
    pki = faulty_line.pki
    given = pki.crl_at
    crl = extended_crl(given("timestamping", utc_now()), pki.timestamping_ca, _scope(users=True), True)
    monkeypatch.setattr(
        pki, "crl_at", lambda issuer, moment: crl if issuer == "timestamping" else given(issuer, moment)
    )
    assert crl in read_store(faulty_line.sign(one_page(), "p384", Profile(Level.LTA)).data).crls


@pytest.mark.parametrize("kind", ["good", "re-keyed issuer", "renamed issuer", "another certificate"])
def test_r07_the_answer_must_be_about_this_certificate_of_this_issuer(
    faulty_line: Line, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """R7 (FTS-SIG-5): both hashes of the CertID are compared with the issuer, and the serial number."""
    pki = faulty_line.pki
    signer, issuer = pki.signers["ocsp-only"], pki.citizen_ca.certificate
    about = {
        "good": (signer.certificate, issuer),
        "re-keyed issuer": (signer.certificate, self_signed(issuer.subject)),
        "renamed issuer": (certificate_like(signer.certificate, pki.root), issuer),
        "another certificate": (pki.signers["p384"].certificate, issuer),
    }[kind]

    def breaks() -> None:
        monkeypatch.setattr(pki, "ocsp_response_at", lambda _request, _moment: good_answer(pki.ocsp_responder, *about))

    def sign() -> bytes:
        return signed_with(faulty_line, one_page(), signer, Profile(Level.LT), between=breaks)

    if kind == "good":
        assert read_store(sign()).ocsp_about(signer.certificate)
        return
    with pytest.raises(RevocationInvalidError):
        sign()


def test_r09_no_timestamp_saves_a_certificate_that_expired_meanwhile(faulty_line: Line) -> None:
    """R9 (FTS-SIG-5): the signature timestamp must lie in the certificate's validity, at every level that has one."""
    clock = faulty_line.server_clock
    signer = faulty_line.pki.issue_signer("brief", "p256", not_after=utc_now() + timedelta(hours=1))
    for level in (Level.T, Level.LT, Level.LTA):
        clock.offset_seconds = 0.0
        with pytest.raises(CertificateExpiredError):
            signed_with(
                faulty_line, one_page(), signer, Profile(level), between=lambda: shift(faulty_line), clock=clock
            )


@pytest.mark.parametrize("level", [Level.LT, Level.LTA], ids=str)
def test_r09_revoked_between_preparing_and_finishing(faulty_line: Line, level: Level) -> None:
    """R9 (FTS-SIG-5): there is no signature."""
    signer = faulty_line.pki.issue_signer(f"revoked-{level.lower()}", "p256")
    with pytest.raises(CertificateRevokedError):
        signed_with(
            faulty_line,
            one_page(),
            signer,
            Profile(level),
            between=lambda: faulty_line.pki.revoke(signer.certificate),
        )


def test_r09_revoked_before_preparing(faulty_line: Line) -> None:
    """R9 (FTS-SIG-5): the key is not even asked."""
    signer = faulty_line.pki.issue_signer("revoked-before", "p256")
    faulty_line.pki.revoke(signer.certificate)
    asked: list[bool] = []
    with pytest.raises(CertificateRevokedError):
        signed_with(faulty_line, one_page(), signer, Profile(Level.B), between=lambda: asked.append(True))
    assert asked == []


def test_r09_revoked_behind_the_timestamp_leaves_the_signature_valid(
    faulty_line: Line, oracle: Oracle, tmp_path: Path
) -> None:
    """R9 (FTS-SIG-5): what was proven before the revocation stays proven, to us and to EU DSS."""
    signer = faulty_line.pki.issue_signer("revoked-later", "p256")
    signed = faulty_line.sign(one_page(), signer, Profile(Level.LTA)).data
    faulty_line.pki.revoke(signer.certificate)
    assert faulty_line.verify(signed).level is Level.LTA
    path = tmp_path / "signed.pdf"
    path.write_bytes(signed)
    assert oracle.validate(path, [faulty_line.root_pem]).verdict("LTA", timestamps=2) == []


@pytest.mark.parametrize("path", ["/ocsp", crl_path("root"), crl_path("timestamping")])
def test_r10_no_archive_timestamp_over_incomplete_data(faulty_line: Line, path: str) -> None:
    """R10 (FTS-SIG-5): with one service down the authority is not asked for the second token."""
    counted = Counted()

    def breaks() -> None:
        faulty_line.app.faults[path] = Fault("down")

    with pytest.raises(RevocationError) as caught:
        signed_with(
            faulty_line,
            one_page(),
            faulty_line.pki.signers["ocsp-only"],
            Profile(Level.LTA),
            counted=counted,
            between=breaks,
        )
    assert caught.value.party == faulty_line.pki.base_url + path
    assert counted.requests == 1


def test_r10_no_extension_while_a_service_is_down(faulty_line: Line) -> None:
    """R10 (FTS-SIG-5): what can be had later must not be sealed as missing; a foreign signature is another matter."""
    signed = faulty_line.sign(one_page(), "ocsp-only", Profile(Level.T)).data
    faulty_line.app.faults["/ocsp"] = Fault("down")
    counted = Counted()
    with pytest.raises(RevocationUnavailableError) as caught:
        extended(faulty_line, signed, counted=counted)
    assert caught.value.party == f"{faulty_line.pki.base_url}/ocsp"
    assert counted.requests == 0
    faulty_line.app.faults.clear()
    longer, result = extended(faulty_line, signed, counted=counted)
    assert (faulty_line.verify(longer).level, result.incomplete) == (Level.LTA, ())


def shift(line: Line) -> None:
    """Let two hours pass."""
    line.server_clock.offset_seconds = 7_200.0


def serial(der: bytes) -> int:
    """The serial number that an OCSP response is about."""
    return ocsp.load_der_ocsp_response(der).serial_number
