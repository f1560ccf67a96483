"""Signature values as cards and middleware give them, judged before anything else happens (FTS-SIG-3)."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed, decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import given
from hypothesis import strategies as st

from deploy.demo_pki.pki import DemoPki, Entity
from signing.pades.cms_builder import signature_algorithm
from signing.ports import CertificateError, Level, Profile, SignatureValueError
from signing.values import check_readable, checked_value
from timestamping.algorithms import DigestAlgorithm

DIGEST = hashlib.sha256(b"to be signed").digest()
ORDER = int("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16)
"""Of P-384 (SEC 2, clause 2.5.1)."""


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory) -> Entity:
    pki = DemoPki.create(tmp_path_factory.mktemp("values") / "pki", base_url="http://127.0.0.1:1")
    return pki.signers["p384"]


def value_of(signer: Entity, digest: bytes = DIGEST) -> bytes:
    assert isinstance(signer.key, ec.EllipticCurvePrivateKey)
    return signer.key.sign(digest, ec.ECDSA(Prehashed(SHA256())))


def check(signer: Entity, value: bytes) -> bytes:
    certificate = signer.certificate.public_bytes(Encoding.DER)
    algorithm = signature_algorithm(signer.certificate, Profile(Level.B))
    return checked_value(certificate, algorithm, DigestAlgorithm.SHA256, DIGEST, value)


def padded(number: int) -> bytes:
    """An INTEGER with superfluous zero octets, as BeIDConnect writes it."""
    octets = b"\0\0" + number.to_bytes(49)
    return bytes([2, len(octets)]) + octets


def test_the_usual_form_stays_as_it_is(signer: Entity) -> None:
    value = value_of(signer)
    assert check(signer, value) == value


def test_superfluous_zeros_are_taken_away(signer: Entity) -> None:
    value = value_of(signer)
    body = b"".join(padded(number) for number in decode_dss_signature(value))
    assert check(signer, bytes([0x30, len(body)]) + body) == value


def test_r_and_s_in_equal_length_become_a_sequence(signer: Entity) -> None:
    value = value_of(signer)
    r, s = decode_dss_signature(value)
    assert check(signer, r.to_bytes(48) + s.to_bytes(48)) == value


def test_both_values_of_s_are_signatures(signer: Entity) -> None:
    r, s = decode_dss_signature(value_of(signer))
    other = encode_dss_signature(r, ORDER - s)
    assert check(signer, other) == other


@pytest.mark.parametrize("cut", [0, 1, 8, 40])
def test_a_truncated_value_is_refused(signer: Entity, cut: int) -> None:
    value = value_of(signer)
    with pytest.raises(SignatureValueError):
        check(signer, value[:cut])


def test_another_digest_and_another_key_are_refused(signer: Entity) -> None:
    with pytest.raises(SignatureValueError):
        check(signer, value_of(signer, hashlib.sha256(b"something else").digest()))
    other = ec.generate_private_key(ec.SECP384R1())
    with pytest.raises(SignatureValueError):
        check(signer, other.sign(DIGEST, ec.ECDSA(Prehashed(SHA256()))))


@given(st.binary(max_size=120))
def test_whatever_comes_is_refused_with_a_code(signer: Entity, octets: bytes) -> None:
    with pytest.raises(SignatureValueError):
        check(signer, octets)
    with pytest.raises(SignatureValueError):
        check(signer, b"\x30" + bytes([len(octets)]) + octets)


@given(st.binary(max_size=200))
def test_what_is_no_certificate_is_refused_with_a_code(octets: bytes) -> None:
    with pytest.raises(CertificateError):
        check_readable(octets)
