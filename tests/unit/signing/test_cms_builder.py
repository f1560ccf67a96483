"""The CMS that is written, read by another library: structure, order and contents (EN 319 122-1, RFC 5652)."""

import pytest
from asn1crypto import algos, cms, core, tsp
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from signing.pades import cms_builder
from signing.ports import CertificateUsageError, Level, Profile
from tests.unit.signing.issuing import Holder, PrivateKey, authority, issue, name, usage
from timestamping.algorithms import DigestAlgorithm
from timestamping.cms import check_signature, parse_signed_data

KEYS: dict[str, PrivateKey] = {
    "p256": ec.generate_private_key(ec.SECP256R1()),
    "p384": ec.generate_private_key(ec.SECP384R1()),
    "rsa": rsa.generate_private_key(65537, 2048),
}
CA = authority("CA")
CONTENT = b"what is signed"


def signed(holder: Holder, profile: Profile, *, timestamp: bytes | None = None) -> bytes:
    """Sign `CONTENT` as a card would."""
    digest = profile.digest
    attributes = cms_builder.signed_attributes(holder.certificate, digest, digest.digest(CONTENT))
    if isinstance(holder.key, rsa.RSAPrivateKey):
        scheme: padding.AsymmetricPadding = padding.PKCS1v15()
        if profile.rsa_pss:
            scheme = padding.PSS(mgf=padding.MGF1(digest.primitive), salt_length=digest.size)
        value = holder.key.sign(attributes, scheme, digest.primitive)
    else:
        value = holder.key.sign(attributes, ec.ECDSA(digest.primitive))
    algorithm = cms_builder.signature_algorithm(holder.certificate, profile)
    return cms_builder.build(holder.certificate, [CA.certificate], digest, algorithm, attributes, value, timestamp)


def holder(kind: str) -> Holder:
    return issue(f"Signer {kind}", CA, key=KEYS[kind], extensions=[(usage("content_commitment"), True)])


@pytest.mark.parametrize("digest", DigestAlgorithm)
@pytest.mark.parametrize(
    ("kind", "rsa_pss", "algorithm"),
    [("p256", False, "ecdsa"), ("p384", False, "ecdsa"), ("rsa", False, "rsa"), ("rsa", True, "rsassa_pss")],
)
def test_structure(kind: str, rsa_pss: bool, algorithm: str, digest: DigestAlgorithm) -> None:
    person = holder(kind)
    der = signed(person, Profile(Level.B, digest, rsa_pss=rsa_pss))
    info = cms.ContentInfo.load(der, strict=True)
    assert info["content_type"].native == "signed_data"
    data = info["content"]
    assert data["version"].native == "v1"
    assert [a["algorithm"].native for a in data["digest_algorithms"]] == [digest.value]
    assert data["encap_content_info"]["content_type"].native == "data"
    assert data["encap_content_info"]["content"].native is None
    certificates = [choice.chosen.dump() for choice in data["certificates"]]
    expected = {c.public_bytes(Encoding.DER) for c in (person.certificate, CA.certificate)}
    assert set(certificates) == expected
    (signer,) = data["signer_infos"]
    assert signer["version"].native == "v1"
    assert signer["sid"].chosen["serial_number"].native == person.certificate.serial_number
    assert signer["sid"].chosen["issuer"].dump() == person.certificate.issuer.public_bytes()
    assert signer["digest_algorithm"]["algorithm"].native == digest.value
    assert signer["signature_algorithm"].signature_algo in (algorithm, "rsassa_pkcs1v15" if kind == "rsa" else "")
    assert signer["unsigned_attrs"].native is None
    parsed = parse_signed_data(der)
    check_signature(parsed, person.certificate, digest.digest(CONTENT))


def test_signed_attributes_are_those_of_pades_and_no_others() -> None:
    person = holder("p256")
    attributes = cms.CMSAttributes.load(
        cms_builder.signed_attributes(person.certificate, DigestAlgorithm.SHA256, b"d" * 32), strict=True
    )
    kinds = [attribute["type"].native for attribute in attributes]
    assert sorted(kinds) == ["content_type", "message_digest", "signing_certificate_v2"]
    values = {attribute["type"].native: attribute["values"][0] for attribute in attributes}
    assert values["content_type"].native == "data"
    assert values["message_digest"].native == b"d" * 32
    (identifier,) = values["signing_certificate_v2"]["certs"]
    assert identifier["hash_algorithm"]["algorithm"].native == "sha256"
    assert identifier["cert_hash"].native == DigestAlgorithm.SHA256.digest(
        person.certificate.public_bytes(Encoding.DER)
    )
    assert identifier["issuer_serial"]["serial_number"].native == person.certificate.serial_number


@pytest.mark.parametrize("digest", DigestAlgorithm)
def test_attributes_are_sorted_and_the_default_digest_is_left_out(digest: DigestAlgorithm) -> None:
    encoded = cms_builder.signed_attributes(holder("p256").certificate, digest, bytes(digest.size))
    members = [member.dump() for member in core.SetOf.load(encoded, spec=core.Any)]
    assert members == sorted(members)
    signing_certificate = next(
        attribute["values"][0]
        for attribute in cms.CMSAttributes.load(encoded)
        if attribute["type"].native == "signing_certificate_v2"
    )
    first = core.Sequence.load(tsp.SigningCertificateV2.load(signing_certificate.dump())["certs"][0].dump())
    assert isinstance(first[0], core.OctetString) is (digest is DigestAlgorithm.SHA256)


def test_pss_parameters() -> None:
    profile = Profile(Level.B, DigestAlgorithm.SHA384, rsa_pss=True)
    algorithm = algos.SignedDigestAlgorithm.load(cms_builder.signature_algorithm(holder("rsa").certificate, profile))
    assert algorithm["algorithm"].native == "rsassa_pss"
    parameters = algorithm["parameters"].native
    assert parameters["hash_algorithm"]["algorithm"] == "sha384"
    assert parameters["mask_gen_algorithm"] == {
        "algorithm": "mgf1",
        "parameters": {"algorithm": "sha384", "parameters": None},
    }
    assert parameters["salt_length"] == 48


def test_unsigned_attribute_holds_the_token() -> None:
    token = bytes(cms.ContentInfo({"content_type": "data", "content": b"token"}).dump())
    data = cms.ContentInfo.load(signed(holder("p256"), Profile(Level.T), timestamp=token))["content"]
    (attribute,) = data["signer_infos"][0]["unsigned_attrs"]
    assert attribute["type"].native == "signature_time_stamp_token"
    assert [value.dump() for value in attribute["values"]] == [token]


def test_key_that_is_neither_rsa_nor_elliptic() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    person = issue("Edward", CA, key=key)  # type: ignore[arg-type]
    with pytest.raises(CertificateUsageError, match="neither RSA nor elliptic") as caught:
        cms_builder.signature_algorithm(person.certificate, Profile(Level.B))
    assert caught.value.party == name("Edward").rfc4514_string()
