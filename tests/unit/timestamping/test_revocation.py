"""Judging OCSP responses and CRLs: who may speak, about which certificate, and what of it counts as evidence."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from asn1crypto import core
from asn1crypto import crl as asn1_crl
from asn1crypto import ocsp as asn1_ocsp
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.signing.issuing import (
    CRL_URL,
    DAY,
    NOW,
    X400_NAME,
    Holder,
    authority,
    issue,
    name,
    ocsp_response,
    responder,
    revocation_list,
    signer,
    usage,
)
from timestamping.revocation import (
    EvidenceError,
    UnknownCertificateError,
    from_crl,
    from_ocsp,
    needs_no_revocation,
)


@pytest.fixture(scope="module")
def ca() -> Holder:
    return authority("CA")


@pytest.fixture(scope="module")
def leaf(ca: Holder) -> Holder:
    return signer("Leaf", ca)


def test_good_answer_of_a_delegated_responder(ca: Holder, leaf: Holder) -> None:
    delegate = responder(ca)
    der = ocsp_response(leaf, ca, delegate)
    evidence = from_ocsp(der, leaf.certificate, ca.certificate)
    assert (evidence.der, evidence.is_ocsp, evidence.revoked_at) == (der, True, None)
    assert (evidence.this_update, evidence.next_update) == (NOW, NOW + timedelta(minutes=10))
    assert evidence.signer == delegate.certificate
    assert needs_no_revocation(evidence.signer)


@pytest.mark.parametrize("by_name", [True, False])
@pytest.mark.parametrize("algorithm", [hashes.SHA1(), hashes.SHA256()], ids=lambda a: a.name)  # noqa: S303
def test_answer_of_the_issuer_itself(ca: Holder, leaf: Holder, by_name: bool, algorithm: hashes.HashAlgorithm) -> None:
    der = ocsp_response(leaf, ca, by_name=by_name, algorithm=algorithm)
    assert from_ocsp(der, leaf.certificate, ca.certificate).signer == ca.certificate


def test_answer_of_an_rsa_responder() -> None:
    ca = authority("RSA CA", key=rsa.generate_private_key(65537, 2048))
    leaf = signer("Leaf", ca)
    assert from_ocsp(ocsp_response(leaf, ca), leaf.certificate, ca.certificate).signer == ca.certificate


def test_revoked(ca: Holder, leaf: Holder) -> None:
    moment = NOW - timedelta(hours=1)
    evidence = from_ocsp(ocsp_response(leaf, ca, revoked_at=moment), leaf.certificate, ca.certificate)
    assert evidence.revoked_at == moment


def test_unknown_is_an_error_of_its_own(ca: Holder, leaf: Holder) -> None:
    der = ocsp_response(leaf, ca, status=ocsp.OCSPCertStatus.UNKNOWN)
    with pytest.raises(UnknownCertificateError, match="does not know"):
        from_ocsp(der, leaf.certificate, ca.certificate)


def test_unknown_from_an_impostor_is_not_believed(ca: Holder, leaf: Holder) -> None:
    der = ocsp_response(leaf, ca, issue("Impostor"), status=ocsp.OCSPCertStatus.UNKNOWN)
    with pytest.raises(EvidenceError) as caught:
        from_ocsp(der, leaf.certificate, ca.certificate)
    assert not isinstance(caught.value, UnknownCertificateError)


OcspMaker = Callable[[Holder, Holder], bytes]


def other_serial_number(ca: Holder, _leaf: Holder) -> bytes:
    return ocsp_response(signer("Leaf", ca), ca)


def rekeyed_issuer(ca: Holder, leaf: Holder) -> bytes:
    """Same issuer name and serial number, other issuer key (R7 of the pitfalls: compare the key's hash too)."""
    other = replace(ca, certificate=authority("CA").certificate)
    return ocsp_response(leaf, other, ca)


def renamed_issuer(ca: Holder, leaf: Holder) -> bytes:
    """Same issuer key and serial number, other issuer name."""
    builder = ocsp.OCSPResponseBuilder().add_response_by_hash(
        issuer_name_hash=hashlib.sha1(name("Other CA").public_bytes()).digest(),  # noqa: S324 - RFC 6960
        issuer_key_hash=x509.SubjectKeyIdentifier.from_public_key(ca.key.public_key()).digest,
        serial_number=leaf.certificate.serial_number,
        algorithm=hashes.SHA1(),  # noqa: S303 - RFC 6960
        cert_status=ocsp.OCSPCertStatus.GOOD,
        this_update=NOW,
        next_update=NOW + DAY,
        revocation_time=None,
        revocation_reason=None,
    )
    response = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, ca.certificate).sign(ca.key, hashes.SHA256())
    return response.public_bytes(Encoding.DER)


def self_issued_responder(ca: Holder, leaf: Holder) -> bytes:
    purpose = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), False)
    return ocsp_response(leaf, ca, issue("Responder", extensions=[purpose]))


def responder_without_the_purpose(ca: Holder, leaf: Holder) -> bytes:
    return ocsp_response(leaf, ca, responder(ca, purpose=ExtendedKeyUsageOID.CLIENT_AUTH))


def responder_that_is_a_citizen(ca: Holder, leaf: Holder) -> bytes:
    return ocsp_response(leaf, ca, signer("Citizen", ca))


def responder_of_another_authority(ca: Holder, leaf: Holder) -> bytes:
    return ocsp_response(leaf, ca, responder(authority("CA")))


def responder_below_the_responder(ca: Holder, leaf: Holder) -> bytes:
    delegate = responder(ca)
    below = responder(delegate)
    return ocsp_response(leaf, ca, below, certificates=[below.certificate, delegate.certificate])


def responder_expired(ca: Holder, leaf: Holder) -> bytes:
    return ocsp_response(leaf, ca, responder(ca, not_before=NOW - 3 * DAY, not_after=NOW - DAY))


def responder_not_yet_valid(ca: Holder, leaf: Holder) -> bytes:
    return ocsp_response(leaf, ca, responder(ca, not_before=NOW + timedelta(hours=1)))


def responder_with_an_unknown_critical_extension(ca: Holder, leaf: Holder) -> bytes:
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.25.42"), b"\x05\x00")
    return ocsp_response(leaf, ca, responder(ca, extensions=[(extension, True)]))


def responder_not_embedded(ca: Holder, leaf: Holder) -> bytes:
    return ocsp_response(leaf, ca, responder(ca), certificates=[])


def signed_by_another_key(ca: Holder, leaf: Holder) -> bytes:
    """The certificate of a true responder, the signature of somebody else."""
    return _with_signature_of(ocsp_response(leaf, ca, responder(ca)), ocsp_response(leaf, ca, issue("Somebody")))


def status_changed(ca: Holder, leaf: Holder) -> bytes:
    """`revoked` became `good` on the way."""
    return _with_signature_of(ocsp_response(leaf, ca), ocsp_response(leaf, ca, revoked_at=NOW))


def _with_signature_of(der: bytes, other: bytes) -> bytes:
    response, donor = asn1_ocsp.OCSPResponse.load(der), asn1_ocsp.OCSPResponse.load(other)
    basic = response["response_bytes"]["response"].parsed
    basic["signature"] = donor["response_bytes"]["response"].parsed["signature"]
    response["response_bytes"]["response"] = core.ParsableOctetString(basic.dump())
    return bytes(response.dump())


def cut_in_half(ca: Holder, leaf: Holder) -> bytes:
    der = ocsp_response(leaf, ca)
    return der[: len(der) // 2]


def web_page(_ca: Holder, _leaf: Holder) -> bytes:
    return b"<!doctype html><title>Log in</title>"


def nothing(_ca: Holder, _leaf: Holder) -> bytes:
    return b""


@pytest.mark.parametrize(
    "make",
    [
        other_serial_number,
        rekeyed_issuer,
        renamed_issuer,
        self_issued_responder,
        responder_without_the_purpose,
        responder_that_is_a_citizen,
        responder_of_another_authority,
        responder_below_the_responder,
        responder_expired,
        responder_not_yet_valid,
        responder_with_an_unknown_critical_extension,
        responder_not_embedded,
        signed_by_another_key,
        status_changed,
        cut_in_half,
        web_page,
        nothing,
    ],
    ids=lambda make: make.__name__,
)
def test_no_evidence_from_ocsp(ca: Holder, leaf: Holder, make: OcspMaker) -> None:
    der = make(ca, leaf)
    with pytest.raises(EvidenceError) as caught:
        from_ocsp(der, leaf.certificate, ca.certificate)
    assert not isinstance(caught.value, UnknownCertificateError)


@pytest.mark.parametrize("status", [s for s in ocsp.OCSPResponseStatus if s is not ocsp.OCSPResponseStatus.SUCCESSFUL])
def test_responder_that_gives_no_answer(ca: Holder, leaf: Holder, status: ocsp.OCSPResponseStatus) -> None:
    der = ocsp.OCSPResponseBuilder.build_unsuccessful(status).public_bytes(Encoding.DER)
    with pytest.raises(EvidenceError, match=status.name.lower()):
        from_ocsp(der, leaf.certificate, ca.certificate)


def test_answer_about_another_certificate_of_the_same_issuer(ca: Holder, leaf: Holder) -> None:
    other = signer("Other", ca)
    der = ocsp_response(leaf, ca)
    assert from_ocsp(der, leaf.certificate, ca.certificate)
    with pytest.raises(EvidenceError, match="another certificate"):
        from_ocsp(der, other.certificate, ca.certificate)


def test_crl_lists_or_does_not_list(ca: Holder, leaf: Holder) -> None:
    moment = NOW - timedelta(hours=1)
    good = from_crl(revocation_list(ca, {1: moment}), leaf.certificate, ca.certificate)
    assert (good.is_ocsp, good.revoked_at, good.signer) == (False, None, ca.certificate)
    assert good.this_update == NOW - timedelta(minutes=30)
    listed = revocation_list(ca, {leaf.certificate.serial_number: moment})
    assert from_crl(listed, leaf.certificate, ca.certificate).revoked_at == moment


CrlMaker = Callable[[Holder], bytes]


def _scope(**chosen: bool) -> x509.IssuingDistributionPoint:
    point = {
        "only_contains_user_certs": False,
        "only_contains_ca_certs": False,
        "indirect_crl": False,
        "only_contains_attribute_certs": False,
    } | chosen
    return x509.IssuingDistributionPoint(
        full_name=[x509.UniformResourceIdentifier(CRL_URL)], relative_name=None, only_some_reasons=None, **point
    )


def crl_of_another_issuer(_: Holder) -> bytes:
    return revocation_list(authority("Other CA"))


def crl_of_a_namesake(_: Holder) -> bytes:
    return revocation_list(authority("CA"))


def crl_signed_by_another(ca: Holder) -> bytes:
    return revocation_list(ca, signed_by=authority("Other CA"))


def crl_for_authorities_only(ca: Holder) -> bytes:
    return revocation_list(ca, extensions=[(_scope(only_contains_ca_certs=True), True)])


def crl_for_attribute_certificates(ca: Holder) -> bytes:
    return revocation_list(ca, extensions=[(_scope(only_contains_attribute_certs=True), True)])


def crl_indirect(ca: Holder) -> bytes:
    return revocation_list(ca, extensions=[(_scope(indirect_crl=True), True)])


def crl_for_some_reasons(ca: Holder) -> bytes:
    reasons = frozenset({x509.ReasonFlags.key_compromise})
    place = [x509.UniformResourceIdentifier(CRL_URL)]
    scope = x509.IssuingDistributionPoint(place, None, False, False, reasons, False, False)
    return revocation_list(ca, extensions=[(scope, True)])


def crl_delta(ca: Holder) -> bytes:
    return revocation_list(ca, extensions=[(x509.DeltaCRLIndicator(1), True)])


def crl_with_an_unknown_critical_extension(ca: Holder) -> bytes:
    extension = x509.UnrecognizedExtension(x509.ObjectIdentifier("2.25.42"), b"\x05\x00")
    return revocation_list(ca, extensions=[(extension, True)])


def crl_entry_struck_out(ca: Holder) -> bytes:
    """An empty list under the signature of one that has entries."""
    empty = asn1_crl.CertificateList.load(revocation_list(ca))
    empty["signature"] = asn1_crl.CertificateList.load(revocation_list(ca, {1: NOW - DAY}))["signature"]
    return bytes(empty.dump())


def crl_cut(ca: Holder) -> bytes:
    return revocation_list(ca)[:-10]


@pytest.mark.parametrize(
    "make",
    [
        crl_of_another_issuer,
        crl_of_a_namesake,
        crl_signed_by_another,
        crl_for_authorities_only,
        crl_for_attribute_certificates,
        crl_indirect,
        crl_for_some_reasons,
        crl_delta,
        crl_with_an_unknown_critical_extension,
        crl_entry_struck_out,
        crl_cut,
    ],
    ids=lambda make: make.__name__,
)
def test_no_evidence_from_crl(ca: Holder, leaf: Holder, make: CrlMaker) -> None:
    with pytest.raises(EvidenceError):
        from_crl(make(ca), leaf.certificate, ca.certificate)


def test_crl_of_an_authority_that_may_not_sign_any() -> None:
    extensions = [(x509.BasicConstraints(True, None), True), (usage("key_cert_sign"), True)]
    ca = issue("CA", extensions=extensions)
    leaf = signer("Leaf", ca)
    with pytest.raises(EvidenceError):
        from_crl(revocation_list(ca), leaf.certificate, ca.certificate)


def test_scope_of_end_entities_and_of_authorities(ca: Holder, leaf: Holder) -> None:
    for_users = revocation_list(ca, extensions=[(_scope(only_contains_user_certs=True), True)])
    for_authorities = crl_for_authorities_only(ca)
    below = authority("Below", ca)
    assert from_crl(for_users, leaf.certificate, ca.certificate)
    assert from_crl(for_authorities, below.certificate, ca.certificate)
    with pytest.raises(EvidenceError, match="cover"):
        from_crl(for_users, below.certificate, ca.certificate)


def test_indirect_entry_of_another_issuer_is_not_read_as_ours(ca: Holder, leaf: Holder) -> None:
    """An entry with a critical CertificateIssuer speaks of somebody else's certificate with this serial number."""
    entry = (
        x509.RevokedCertificateBuilder(leaf.certificate.serial_number, NOW)
        .add_extension(x509.CertificateIssuer([x509.DirectoryName(name("Other CA"))]), critical=True)
        .build()
    )
    builder = x509.CertificateRevocationListBuilder(ca.certificate.subject, NOW - DAY, NOW + DAY)
    builder = builder.add_revoked_certificate(entry).add_extension(_scope(indirect_crl=True), critical=True)
    der = builder.sign(ca.key, hashes.SHA256()).public_bytes(Encoding.DER)
    with pytest.raises(EvidenceError):
        from_crl(der, leaf.certificate, ca.certificate)


def test_times_are_utc(ca: Holder, leaf: Holder) -> None:
    for evidence in (
        from_ocsp(ocsp_response(leaf, ca), leaf.certificate, ca.certificate),
        from_crl(revocation_list(ca), leaf.certificate, ca.certificate),
    ):
        assert evidence.this_update.tzinfo is UTC
        assert isinstance(evidence.next_update, datetime)
        assert evidence.next_update.tzinfo is UTC


CA = authority("Fuzzed CA")
LEAF = signer("Fuzzed leaf", CA)
OCSP = ocsp_response(LEAF, CA, responder(CA))
CRL = revocation_list(CA, {5: NOW - DAY})


@given(st.integers(0, len(OCSP) - 1), st.integers(1, 255))
def test_one_changed_octet_of_an_ocsp_response(at: int, change: int) -> None:
    """Whatever octet is changed, the answer is not evidence, or it is the same evidence (unsigned parts)."""
    changed = bytearray(OCSP)
    changed[at] ^= change
    try:
        evidence = from_ocsp(bytes(changed), LEAF.certificate, CA.certificate)
    except EvidenceError:
        return
    assert (evidence.this_update, evidence.revoked_at) == (NOW, None)


VERSION_AT = CRL.index(b"\x02\x01\x01") + 2


@example(at=VERSION_AT, change=2)
@given(at=st.integers(0, len(CRL) - 1), change=st.integers(1, 255))
def test_one_changed_octet_of_a_crl(at: int, change: int) -> None:
    changed = bytearray(CRL)
    changed[at] ^= change
    with pytest.raises(EvidenceError):
        from_crl(bytes(changed), LEAF.certificate, CA.certificate)


def test_responder_with_an_x400_name() -> None:
    der = ocsp_response(LEAF, CA, responder(CA, extensions=[(X400_NAME, False)]))
    with pytest.raises(EvidenceError):
        from_ocsp(der, LEAF.certificate, CA.certificate)


def test_crl_of_an_x400_place() -> None:
    place = bytes.fromhex("3008a006a004a3020500")
    scope = x509.UnrecognizedExtension(x509.IssuingDistributionPoint.oid, place)
    with pytest.raises(EvidenceError):
        from_crl(revocation_list(CA, extensions=[(scope, True)]), LEAF.certificate, CA.certificate)
