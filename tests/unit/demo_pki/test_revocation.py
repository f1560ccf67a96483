"""OCSP responses and CRLs, read back with `cryptography`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import process_time

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.ocsp import OCSPCertStatus, OCSPResponseStatus
from hypothesis import given
from hypothesis import strategies as st

from deploy.demo_pki.certificates import ISSUERS
from deploy.demo_pki.pki import DemoPki, Entity
from timestamping.clock import Clock, utc_now

DatedCopy = Callable[[Clock], DemoPki]
SHA1 = hashes.SHA1()  # noqa: S303 - RFC 6960 CertIDs
SHA256 = hashes.SHA256()


def request_for(
    certificate: x509.Certificate,
    issuer: x509.Certificate,
    algorithm: hashes.HashAlgorithm = SHA1,
    nonce: bytes | None = None,
) -> bytes:
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, algorithm)
    if nonce is not None:
        builder = builder.add_extension(x509.OCSPNonce(nonce), critical=False)
    return builder.build().public_bytes(Encoding.DER)


def ask(
    pki: DemoPki,
    entity: Entity,
    algorithm: hashes.HashAlgorithm = SHA1,
    nonce: bytes | None = None,
) -> ocsp.OCSPResponse:
    request = request_for(entity.certificate, pki.citizen_ca.certificate, algorithm, nonce)
    return ocsp.load_der_ocsp_response(pki.ocsp_response(request))


def read_crl(pki: DemoPki, issuer: str) -> x509.CertificateRevocationList:
    [known] = [each for each in ISSUERS if each == issuer]
    return x509.load_der_x509_crl(pki.crl(known))


def crl_number(crl: x509.CertificateRevocationList) -> int:
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


@pytest.mark.parametrize("algorithm", [SHA1, SHA256], ids=["sha1", "sha256"])
def test_good_response_is_signed_by_the_responder_and_echoes_the_asker(
    pki: DemoPki, algorithm: hashes.HashAlgorithm
) -> None:
    signer = pki.signers["rsa3072"]
    response = ask(pki, signer, algorithm, nonce=b"0123456789abcdef")
    assert response.certificate_status is OCSPCertStatus.GOOD
    assert response.serial_number == signer.certificate.serial_number
    assert response.hash_algorithm.name == algorithm.name
    assert response.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce == b"0123456789abcdef"
    assert response.certificates == [pki.ocsp_responder.certificate]
    key_identifier = x509.SubjectKeyIdentifier.from_public_key(pki.ocsp_responder.key.public_key())
    assert response.responder_key_hash == key_identifier.digest
    key = pki.ocsp_responder.certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    key.verify(response.signature, response.tbs_response_bytes, ec.ECDSA(SHA256))


def test_nonce_is_absent_when_not_asked(pki: DemoPki) -> None:
    assert list(ask(pki, pki.signers["p384"]).extensions) == []


def test_times_are_the_clocks_in_whole_seconds(dated_copy: DatedCopy) -> None:
    moment = datetime(2031, 3, 1, 12, 34, 56, 789_000, tzinfo=UTC)
    pki = dated_copy(lambda: moment)
    response = ask(pki, pki.signers["p384"])
    whole = moment.replace(microsecond=0)
    assert response.produced_at_utc == response.this_update_utc == whole
    assert response.next_update_utc == whole + timedelta(minutes=10)


def test_revocation_takes_effect_at_its_moment(dated_copy: DatedCopy) -> None:
    now = [utc_now()]
    pki = dated_copy(lambda: now[0])
    signer = pki.signers["p384"]
    at = now[0].replace(microsecond=0) + timedelta(hours=2)
    pki.revoke(signer.certificate, at=at, reason=x509.ReasonFlags.key_compromise)

    assert ask(pki, signer).certificate_status is OCSPCertStatus.GOOD
    assert list(read_crl(pki, "citizen")) == []

    now[0] = at
    response = ask(pki, signer)
    assert response.certificate_status is OCSPCertStatus.REVOKED
    assert response.revocation_time_utc == at
    assert response.revocation_reason is x509.ReasonFlags.key_compromise
    [entry] = read_crl(pki, "citizen")
    assert entry.serial_number == signer.certificate.serial_number
    assert entry.revocation_date_utc == at
    reason = entry.extensions.get_extension_for_class(x509.CRLReason).value.reason
    assert reason is x509.ReasonFlags.key_compromise


def test_unspecified_reason_is_left_out(dated_copy: DatedCopy) -> None:
    pki = dated_copy(utc_now)
    pki.revoke(pki.signers["p384"].certificate)
    assert ask(pki, pki.signers["p384"]).revocation_reason is None
    [entry] = read_crl(pki, "citizen")
    assert list(entry.extensions) == []


@pytest.mark.parametrize(
    "reason",
    [
        reason
        for reason in x509.ReasonFlags
        if reason not in {x509.ReasonFlags.unspecified, x509.ReasonFlags.remove_from_crl}
    ],
)
def test_reasons_agree_between_ocsp_and_crl(dated_copy: DatedCopy, reason: x509.ReasonFlags) -> None:
    pki = dated_copy(utc_now)
    pki.revoke(pki.signers["p384"].certificate, reason=reason)
    assert ask(pki, pki.signers["p384"]).revocation_reason is reason
    [entry] = read_crl(pki, "citizen")
    assert entry.extensions.get_extension_for_class(x509.CRLReason).value.reason is reason


def test_unknown_serial_number(pki: DemoPki) -> None:
    known = ocsp.load_der_ocsp_request(request_for(pki.signers["p384"].certificate, pki.citizen_ca.certificate))
    request = ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        known.issuer_name_hash, known.issuer_key_hash, 4711, SHA1
    )
    response = ocsp.load_der_ocsp_response(pki.ocsp_response(request.build().public_bytes(Encoding.DER)))
    assert response.response_status is OCSPResponseStatus.SUCCESSFUL
    assert response.certificate_status is OCSPCertStatus.UNKNOWN
    assert response.serial_number == 4711


def test_other_issuers_and_hashes_are_unauthorized(pki: DemoPki) -> None:
    tsu = request_for(pki.tsu.certificate, pki.timestamping_ca.certificate)
    known = ocsp.load_der_ocsp_request(request_for(pki.signers["p384"].certificate, pki.citizen_ca.certificate))
    mixed = [
        ocsp.OCSPRequestBuilder().add_certificate_by_hash(name_hash, key_hash, known.serial_number, SHA1)
        for name_hash, key_hash in (
            (bytes(20), known.issuer_key_hash),
            (known.issuer_name_hash, bytes(20)),
        )
    ]
    sha384 = request_for(pki.signers["p384"].certificate, pki.citizen_ca.certificate, hashes.SHA384())
    for request in (tsu, sha384, *(each.build().public_bytes(Encoding.DER) for each in mixed)):
        response = ocsp.load_der_ocsp_response(pki.ocsp_response(request))
        assert response.response_status is OCSPResponseStatus.UNAUTHORIZED


@pytest.mark.parametrize("nonce", [b"", bytes(129)], ids=["empty", "129 bytes"])
def test_nonce_outside_rfc_9654_is_malformed(pki: DemoPki, nonce: bytes) -> None:
    assert ask(pki, pki.signers["p384"], nonce=nonce).response_status is OCSPResponseStatus.MALFORMED_REQUEST


@given(data=st.data())
def test_rubbish_is_answered_and_never_raises(pki: DemoPki, data: st.DataObject) -> None:
    valid = request_for(pki.signers["p384"].certificate, pki.citizen_ca.certificate, nonce=b"nonce")
    start = data.draw(st.integers(0, len(valid)))
    end = data.draw(st.integers(start, len(valid)))
    request = valid[:start] + data.draw(st.binary(max_size=8)) + valid[end:]
    response = ocsp.load_der_ocsp_response(pki.ocsp_response(request))
    if response.response_status is not OCSPResponseStatus.SUCCESSFUL:
        assert response.response_status in {
            OCSPResponseStatus.MALFORMED_REQUEST,
            OCSPResponseStatus.UNAUTHORIZED,
        }


@pytest.mark.parametrize("request_bytes", [b"", b"\x30", b"rubbish", b"\x30\x80\x00\x00"])
def test_what_is_no_request_is_malformed(pki: DemoPki, request_bytes: bytes) -> None:
    response = ocsp.load_der_ocsp_response(pki.ocsp_response(request_bytes))
    assert response.response_status is OCSPResponseStatus.MALFORMED_REQUEST


def test_ocsp_costs_less_than_half_a_millisecond(pki: DemoPki) -> None:
    request = request_for(pki.signers["p384"].certificate, pki.citizen_ca.certificate, nonce=bytes(16))

    def seconds_for_a_hundred() -> float:
        start = process_time()
        for _ in range(100):
            pki.ocsp_response(request)
        return process_time() - start

    assert min(seconds_for_a_hundred() for _ in range(3)) / 100 < 0.000_5


@pytest.mark.parametrize("issuer", ISSUERS)
def test_crl_is_signed_and_dated_to_the_full_hour(dated_copy: DatedCopy, issuer: str) -> None:
    moment = datetime(2031, 3, 1, 12, 34, 56, tzinfo=UTC)
    pki = dated_copy(lambda: moment)
    authority = {"root": pki.root, "citizen": pki.citizen_ca, "timestamping": pki.timestamping_ca}[issuer]
    crl = read_crl(pki, issuer)
    key = authority.certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert crl.is_signature_valid(key)
    assert crl.issuer == authority.certificate.subject
    assert crl.last_update_utc == datetime(2031, 3, 1, 12, tzinfo=UTC)
    assert crl.next_update_utc == datetime(2031, 3, 2, 12, tzinfo=UTC)
    key_identifier = crl.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    assert key_identifier == x509.SubjectKeyIdentifier.from_public_key(key).digest


def test_crl_is_signed_once_until_time_or_revocations_move(dated_copy: DatedCopy) -> None:
    now = [datetime(2031, 3, 1, 12, 0, tzinfo=UTC)]
    pki = dated_copy(lambda: now[0])
    first = pki.crl("citizen")
    now[0] += timedelta(minutes=59)
    assert pki.crl("citizen") == first

    pki.revoke(pki.signers["p384"].certificate)
    second = pki.crl("citizen")
    assert second != first
    now[0] += timedelta(minutes=1)
    third = pki.crl("citizen")
    numbers = [crl_number(x509.load_der_x509_crl(crl)) for crl in (first, second, third)]
    assert numbers == sorted(set(numbers))


def test_crls_list_their_own_issuers_certificates_only(dated_copy: DatedCopy) -> None:
    pki = dated_copy(utc_now)
    revoked = {
        "root": pki.timestamping_ca.certificate,
        "citizen": pki.signers["p384"].certificate,
        "timestamping": pki.tsu.certificate,
    }
    for certificate in revoked.values():
        pki.revoke(certificate)
    for issuer, certificate in revoked.items():
        assert [entry.serial_number for entry in read_crl(pki, issuer)] == [certificate.serial_number]
