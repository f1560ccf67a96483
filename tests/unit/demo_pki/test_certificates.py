"""Profiles of the certificates that the demo PKI issues."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

from deploy.demo_pki.certificates import KeyType, fictitious_national_number
from deploy.demo_pki.pki import DemoPki, Entity
from timestamping.clock import utc_now


def everyone(pki: DemoPki) -> Iterator[Entity]:
    yield from (pki.root, pki.citizen_ca, pki.timestamping_ca, pki.ocsp_responder)
    yield from (*pki.signers.values(), *pki.tsus.values())


def value(certificate: x509.Certificate, kind: type[x509.ExtensionType]) -> x509.ExtensionType:
    return certificate.extensions.get_extension_for_class(kind).value


def locations(certificate: x509.Certificate, method: x509.ObjectIdentifier) -> list[str]:
    access = certificate.extensions.get_extension_for_class(x509.AuthorityInformationAccess).value
    return [each.access_location.value for each in access if each.access_method == method]


def crl_locations(certificate: x509.Certificate) -> list[str]:
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    return [name.value for point in points for name in point.full_name or ()]


def used_bits(certificate: x509.Certificate) -> set[str]:
    usage = certificate.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    names = [
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "key_cert_sign", "crl_sign"),
    ]
    return {name for name in names if getattr(usage.value, name)}


def test_every_name_says_test(pki: DemoPki) -> None:
    for entity in everyone(pki):
        for name in (entity.certificate.subject, entity.certificate.issuer):
            [common_name] = name.get_attributes_for_oid(NameOID.COMMON_NAME)
            assert str(common_name.value).startswith("TEST "), entity.name
            [country] = name.get_attributes_for_oid(NameOID.COUNTRY_NAME)
            assert country.value == "BE"


def test_keys_belong_to_their_certificates_and_issuers_signed(pki: DemoPki) -> None:
    for entity in everyone(pki):
        assert entity.key.public_key() == entity.certificate.public_key()
        path = (entity.certificate, *entity.chain)
        assert path[-1] == pki.root.certificate
        for subject, issuer in zip(path, (*path[1:], path[-1]), strict=True):
            subject.verify_directly_issued_by(issuer)
            authority_key = subject.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
            assert authority_key.key_identifier == x509.SubjectKeyIdentifier.from_public_key(issuer.public_key()).digest
            assert value(issuer, x509.SubjectKeyIdentifier)


def test_no_certificate_claims_a_policy_or_qualification(pki: DemoPki) -> None:
    for entity in everyone(pki):
        present = {extension.oid.dotted_string for extension in entity.certificate.extensions}
        assert not present & {"2.5.29.32", "1.3.6.1.5.5.7.1.3"}


def test_authorities(pki: DemoPki) -> None:
    for authority, path_length, years in (
        (pki.root, None, 30),
        (pki.citizen_ca, 0, 20),
        (pki.timestamping_ca, 0, 20),
    ):
        certificate = authority.certificate
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        assert constraints.critical
        assert constraints.value == x509.BasicConstraints(ca=True, path_length=path_length)
        assert used_bits(certificate) == {"key_cert_sign", "crl_sign"}
        assert isinstance(authority.key.public_key(), ec.EllipticCurvePublicKey)
        duration = certificate.not_valid_after_utc - certificate.not_valid_before_utc
        assert abs(duration - timedelta(days=365.25 * years)) < timedelta(days=1)
        assert certificate.not_valid_before_utc < utc_now() - timedelta(days=2)
    for authority in (pki.citizen_ca, pki.timestamping_ca):
        assert crl_locations(authority.certificate) == [f"{pki.base_url}/crl/root.crl"]
        ca_issuers = locations(authority.certificate, AuthorityInformationAccessOID.CA_ISSUERS)
        assert ca_issuers == [f"{pki.base_url}/ca/root.crt"]


def test_tsu_key_is_for_timestamping_only(pki: DemoPki) -> None:
    certificate = pki.tsu.certificate
    extended = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    assert extended.critical
    assert list(extended.value) == [ExtendedKeyUsageOID.TIME_STAMPING]
    assert used_bits(certificate) == {"digital_signature"}
    assert crl_locations(certificate) == [f"{pki.base_url}/crl/timestamping.crl"]
    assert locations(certificate, AuthorityInformationAccessOID.OCSP) == []
    assert pki.tsu.chain == (pki.timestamping_ca.certificate, pki.root.certificate)


def test_tsu_may_be_made_to_break_rfc_3161(pki: DemoPki) -> None:
    tsu = pki.issue_tsu("lax", "p384", extended_key_usage_critical=False)
    assert not tsu.certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).critical


def test_ocsp_responder_is_delegated_and_not_checked_itself(pki: DemoPki) -> None:
    certificate = pki.ocsp_responder.certificate
    assert list(certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
        ExtendedKeyUsageOID.OCSP_SIGNING
    ]
    assert value(certificate, x509.OCSPNoCheck)
    assert certificate.issuer == pki.citizen_ca.certificate.subject


def test_signer(pki: DemoPki) -> None:
    certificate = pki.signers["p384"].certificate
    assert used_bits(certificate) == {"content_commitment"}
    assert locations(certificate, AuthorityInformationAccessOID.OCSP) == [f"{pki.base_url}/ocsp"]
    ca_issuers = locations(certificate, AuthorityInformationAccessOID.CA_ISSUERS)
    assert ca_issuers == [f"{pki.base_url}/ca/citizen.crt"]
    assert crl_locations(certificate) == [f"{pki.base_url}/crl/citizen.crl"]
    attributes = {attribute.oid: str(attribute.value) for attribute in certificate.subject}
    common_name = f"{attributes[NameOID.GIVEN_NAME]} {attributes[NameOID.SURNAME]} (Signature)"
    assert attributes[NameOID.COMMON_NAME] == common_name == "TEST Signer p384 (Signature)"
    assert re.fullmatch(r"001332\d{5}", attributes[NameOID.SERIAL_NUMBER])


def test_signers_have_national_numbers_of_their_own(pki: DemoPki) -> None:
    numbers = [
        signer.certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)[0].value
        for signer in pki.signers.values()
    ]
    assert len(set(numbers)) == len(numbers) >= 2


@pytest.mark.parametrize("sequence", [1, 42, 997])
def test_national_number_has_valid_check_digits_and_an_impossible_birth(sequence: int) -> None:
    number = fictitious_national_number(sequence)
    assert len(number) == 11
    assert (int(number[:9]) + int(number[9:])) % 97 == 0
    assert int(number[2:4]) == 13


@pytest.mark.parametrize("sequence", [0, 998])
def test_national_number_out_of_range(sequence: int) -> None:
    with pytest.raises(ValueError, match="1 to 997"):
        fictitious_national_number(sequence)


@pytest.mark.parametrize(("key_type", "bits"), [("p256", 256), ("p384", 384), ("rsa2048", 2048)])
def test_signer_options(pki: DemoPki, key_type: KeyType, bits: int) -> None:
    start = utc_now().replace(microsecond=0) - timedelta(days=1)
    signer = pki.issue_signer(
        f"options-{key_type}",
        key_type,
        not_before=start,
        not_after=start + timedelta(hours=1),
        key_usage="digital_signature",
        ocsp=False,
        crl=False,
        national_number="00133299999",
    )
    certificate = signer.certificate
    assert isinstance(signer.key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)
    assert signer.key.key_size == bits
    assert (certificate.not_valid_before_utc, certificate.not_valid_after_utc) == (
        start,
        start + timedelta(hours=1),
    )
    assert used_bits(certificate) == {"digital_signature"}
    assert locations(certificate, AuthorityInformationAccessOID.OCSP) == []
    with pytest.raises(x509.ExtensionNotFound):
        crl_locations(certificate)
    [number] = certificate.subject.get_attributes_for_oid(NameOID.SERIAL_NUMBER)
    assert number.value == "00133299999"
