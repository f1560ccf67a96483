"""SignedData with one signer: what is read, what is refused, and that nothing but CmsError comes out."""

import pytest
from asn1crypto import cms as asn1
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import example, given
from hypothesis import strategies as st

from signing.pades import cms_builder
from signing.ports import Level, Profile
from tests.unit.signing.issuing import (
    X400_NAME,
    Holder,
    PrivateKey,
    authority,
    issue,
    on_an_unknown_curve,
    with_duplicate_extension,
)
from tests.unit.timestamping.units import make_unit, signed_data, tst_info
from timestamping import der
from timestamping.algorithms import DigestAlgorithm
from timestamping.cms import (
    CmsError,
    SignedData,
    check_ess_certificate,
    check_signature,
    check_signature_value,
    load_certificate,
    message_digest,
    parse_signed_data,
)

SHA256 = DigestAlgorithm.SHA256
CA = authority("CA")
PERSON = issue("Person", CA)
DIGEST = SHA256.digest(b"document")
ATTRIBUTES = cms_builder.signed_attributes(PERSON.certificate, SHA256, DIGEST)
ALGORITHM = cms_builder.signature_algorithm(PERSON.certificate, Profile(Level.B))


def built(holder: Holder = PERSON, *, key: PrivateKey | None = None, attributes: bytes = ATTRIBUTES) -> bytes:
    signing_key = key or holder.key
    assert isinstance(signing_key, ec.EllipticCurvePrivateKey)
    value = signing_key.sign(attributes, ec.ECDSA(hashes.SHA256()))
    return cms_builder.build(holder.certificate, [CA.certificate], SHA256, ALGORITHM, attributes, value, None)


SIGNED = built()


def check(data: SignedData, digest: bytes = DIGEST) -> None:
    check_signature(data, data.signer_certificate(), digest)


def test_signed_document() -> None:
    data = parse_signed_data(SIGNED + bytes(64))
    assert data.der == SIGNED
    assert data.content_type == "1.2.840.113549.1.7.1"
    assert set(data.certificates) == {PERSON.certificate, CA.certificate}
    assert data.signer_certificate() == PERSON.certificate
    assert message_digest(data.signer) == DIGEST
    check(data)


def test_content_is_detached() -> None:
    assert parse_signed_data(SIGNED).content is None


def test_content_inside() -> None:
    unit = make_unit()
    assert parse_signed_data(signed_data(unit.tsu, tst_info())).content == tst_info()


def test_signer_named_by_key_identifier() -> None:
    key = x509.SubjectKeyIdentifier.from_public_key(PERSON.key.public_key())
    holder = issue("Person", CA, key=PERSON.key, extensions=[(key, False)])
    attributes = cms_builder.signed_attributes(holder.certificate, SHA256, DIGEST)
    info = asn1.ContentInfo.load(built(holder, attributes=attributes))
    signer = info["content"]["signer_infos"][0]
    signer["sid"] = asn1.SignerIdentifier({"subject_key_identifier": key.digest})
    data = parse_signed_data(info.dump())
    assert (data.signer.issuer, data.signer.serial_number) == (None, None)
    assert data.signer_certificate() == holder.certificate
    check(data)


def test_other_document() -> None:
    with pytest.raises(CmsError, match="message digest"):
        check(parse_signed_data(SIGNED), SHA256.digest(b"another document"))


def test_signature_of_another_key() -> None:
    data = parse_signed_data(built(key=ec.generate_private_key(ec.SECP256R1())))
    with pytest.raises(CmsError, match="signature value"):
        check(data)


def test_certificate_that_is_not_embedded() -> None:
    info = asn1.ContentInfo.load(SIGNED)
    info["content"]["certificates"] = asn1.CertificateSet([])
    with pytest.raises(CmsError, match="not embedded"):
        parse_signed_data(info.dump()).signer_certificate()


def test_ess_attribute_may_be_absent_only_where_the_caller_says_so() -> None:
    attributes = der.set_of(
        *(a.dump() for a in asn1.CMSAttributes.load(ATTRIBUTES) if a["type"].native != "signing_certificate_v2")
    )
    data = parse_signed_data(built(attributes=attributes))
    with pytest.raises(CmsError, match="signing-certificate-v2 is missing"):
        data.signer_certificate()
    assert data.signer_certificate(ess=False) == PERSON.certificate
    other = parse_signed_data(built(attributes=cms_builder.signed_attributes(CA.certificate, SHA256, DIGEST)))
    for ess in (True, False):
        with pytest.raises(CmsError, match="names another certificate"):
            other.signer_certificate(ess=ess)
    with pytest.raises(CmsError):
        check_ess_certificate(data.signer, PERSON.certificate)


@pytest.mark.parametrize("rsa_pss", [True, False])
@pytest.mark.parametrize("digest", DigestAlgorithm)
def test_rsa_values(rsa_pss: bool, digest: DigestAlgorithm) -> None:
    key = rsa.generate_private_key(65537, 2048)
    certificate = issue("RSA", CA, key=key).certificate
    algorithm = cms_builder.parsed_algorithm(
        cms_builder.signature_algorithm(certificate, Profile(Level.B, digest, rsa_pss=rsa_pss))
    )
    pss = padding.PSS(mgf=padding.MGF1(digest.primitive), salt_length=digest.size)
    right, wrong = (pss, padding.PKCS1v15()) if rsa_pss else (padding.PKCS1v15(), pss)
    hashed = digest.digest(b"data")
    good = key.sign(b"data", right, digest.primitive)
    check_signature_value(certificate, algorithm, digest, good, hashed)
    for bad in (key.sign(b"data", wrong, digest.primitive), good[:-1], b"", bytes(256), good + b"\x00"):
        with pytest.raises(CmsError):
            check_signature_value(certificate, algorithm, digest, bad, hashed)
    with pytest.raises(CmsError, match="does not fit the signer's key"):
        check_signature_value(PERSON.certificate, algorithm, digest, good, hashed)


def test_pss_under_another_hash_than_stated() -> None:
    key = rsa.generate_private_key(65537, 2048)
    certificate = issue("RSA", CA, key=key).certificate
    profile = Profile(Level.B, DigestAlgorithm.SHA512, rsa_pss=True)
    algorithm = cms_builder.parsed_algorithm(cms_builder.signature_algorithm(certificate, profile))
    with pytest.raises(CmsError, match="PSS hash"):
        check_signature_value(certificate, algorithm, SHA256, bytes(256), bytes(32))


def test_raw_ecdsa_value_is_no_der() -> None:
    """r and s side by side, as a card gives them, are not what CMS holds."""
    algorithm = cms_builder.parsed_algorithm(ALGORITHM)
    with pytest.raises(CmsError):
        check_signature_value(PERSON.certificate, algorithm, SHA256, b"\x01" * 64, bytes(32))


@pytest.mark.parametrize("oid", ["1.3.14.3.2.26", "1.2.840.113549.2.5", "2.16.840.1.101.3.4.2.4", "2.25.1"])
def test_digest_algorithms_that_are_not_accepted(oid: str) -> None:
    info = asn1.ContentInfo.load(SIGNED)
    info["content"]["signer_infos"][0]["digest_algorithm"]["algorithm"] = oid
    with pytest.raises(CmsError, match="is not accepted"):
        parse_signed_data(info.dump())


def twice(name: str) -> bytes:
    info = asn1.ContentInfo.load(SIGNED)
    parts = info["content"][name]
    parts.append(parts[0])
    return bytes(info.dump())


def test_two_signers() -> None:
    """P-11: which of the two would a reader believe?"""
    with pytest.raises(CmsError, match="2 signers"):
        parse_signed_data(twice("signer_infos"))


@pytest.mark.parametrize(
    "octets",
    [
        b"",
        b"\x00" * 50,
        b"\x30\x00",
        b"<html>",
        b"\x30" * 5_000,
        SIGNED[:-1],
        SIGNED[:100],
        CA.certificate.public_bytes(Encoding.DER),
    ],
    ids=["empty", "zeros", "empty sequence", "html", "nested", "cut", "head", "certificate"],
)
def test_no_signed_data(octets: bytes) -> None:
    with pytest.raises(CmsError):
        parse_signed_data(octets)


def test_certificate_with_an_extension_twice() -> None:
    """A signer named by key identifier, and somebody's malformed certificate in front."""
    malformed = with_duplicate_extension(CA)
    key = x509.SubjectKeyIdentifier.from_public_key(PERSON.key.public_key())
    info = asn1.ContentInfo.load(SIGNED)
    info["content"]["signer_infos"][0]["sid"] = asn1.SignerIdentifier({"subject_key_identifier": key.digest})
    choice = asn1.CertificateChoices.load(malformed.certificate.public_bytes(Encoding.DER))
    info["content"]["certificates"] = asn1.CertificateSet([choice])
    with pytest.raises(CmsError):
        parse_signed_data(info.dump()).signer_certificate()


VERSION_AT = SIGNED.index(b"\xa0\x03\x02\x01\x02") + 4


def test_certificate_of_an_unknown_version() -> None:
    certificate = bytearray(PERSON.certificate.public_bytes(Encoding.DER))
    certificate[bytes(certificate).index(b"\xa0\x03\x02\x01\x02") + 4] = 9
    with pytest.raises(ValueError, match="version"):
        load_certificate(bytes(certificate))


ISSUER_AT = SIGNED.index(b"\x0c\x02CA", SIGNED.index(PERSON.certificate.public_bytes(Encoding.DER)))
"""The tag of the issuer's name in the signer's certificate."""


@example(at=ISSUER_AT, change=1)
@example(at=VERSION_AT, change=8)
@given(at=st.integers(0, len(SIGNED) - 1), change=st.integers(1, 255))
def test_one_changed_octet(at: int, change: int) -> None:
    """Any changed octet is refused, or stands where nothing is protected (certificates beside the signer's)."""
    changed = bytearray(SIGNED)
    changed[at] ^= change
    try:
        data = parse_signed_data(bytes(changed))
        check(data)
    except CmsError:
        return
    assert data.signer_certificate() == PERSON.certificate


@example(at=ISSUER_AT, piece=b"\x0d", dropped=1)
@example(at=VERSION_AT, piece=b"\x09", dropped=1)
@given(at=st.integers(0, len(SIGNED)), piece=st.binary(max_size=8), dropped=st.integers(0, 8))
def test_spliced(at: int, piece: bytes, dropped: int) -> None:
    try:
        data = parse_signed_data(SIGNED[:at] + piece + SIGNED[at + dropped :])
        check(data)
    except CmsError:
        return
    assert data.signer_certificate() == PERSON.certificate


def test_certificate_with_an_x400_name() -> None:
    certificate = issue("X.400", CA, extensions=[(X400_NAME, False)]).certificate
    with pytest.raises(ValueError, match="unusable"):
        load_certificate(certificate.public_bytes(Encoding.DER))


def test_key_on_an_unknown_curve() -> None:
    odd = on_an_unknown_curve(PERSON)
    attributes = cms_builder.signed_attributes(odd.certificate, SHA256, DIGEST)
    value = PERSON.key.sign(attributes, ec.ECDSA(hashes.SHA256()))  # type: ignore[arg-type, call-arg]
    der_data = cms_builder.build(odd.certificate, [], SHA256, ALGORITHM, attributes, value, None)
    with pytest.raises(CmsError):
        check(parse_signed_data(der_data))
