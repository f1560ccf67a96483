"""Which certificate of a card a name means."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from fts.card import candidates
from signing.eid.ports import CardCertificate, KeyAlgorithm


def entry(
    label: str, common_name: str, *, commitment: bool, can_sign: bool = True, der: bytes | None = None
) -> CardCertificate:
    if der is None:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])
        now = datetime.now(UTC)
        builder = x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + timedelta(days=1))
        usage = x509.KeyUsage(not commitment, commitment, *[False] * 7)
        der = builder.add_extension(usage, critical=True).sign(key, hashes.SHA256()).public_bytes(Encoding.DER)
    return CardCertificate("TEST", label, b"\1", der, KeyAlgorithm.EC, 256, can_sign, ())


AUTHENTICATION = entry("Authentication", "Alice (Authentication)", commitment=False)
SIGNATURE = entry("Signature", "Alice (Signature)", commitment=True)
OTHER = entry("Signature 2", "Bob (Signature)", commitment=True)
CA = entry("CA", "Citizen CA", commitment=True, can_sign=False)
UNREADABLE = entry("Broken", "", commitment=False, der=b"0\x03\x02\x01\x01")

EID = [AUTHENTICATION, SIGNATURE, CA, UNREADABLE]
TWO = [*EID, OTHER]


@pytest.mark.parametrize(
    ("card", "wanted", "expected"),
    [
        (EID, None, [SIGNATURE]),
        (TWO, None, [SIGNATURE, OTHER]),
        ([AUTHENTICATION, CA], None, []),
        (TWO, "Signature", [SIGNATURE]),
        (TWO, "Signature 2", [OTHER]),
        (TWO, "signature", [SIGNATURE, OTHER]),
        (TWO, "bob", [OTHER]),
        (TWO, "alice", [SIGNATURE]),
        (TWO, "Authentication", [AUTHENTICATION]),
        (TWO, "Broken", [UNREADABLE]),
        (TWO, "carol", []),
    ],
)
def test_candidates(card: list[CardCertificate], wanted: str | None, expected: list[CardCertificate]) -> None:
    assert [choice.entry for choice in candidates(card, wanted)] == expected
