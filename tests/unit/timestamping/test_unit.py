"""What a timestamping unit must be before it signs, and while it does (RFC 3161, 2.3; EN 319 421; FTS-TS-1)."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.unit.signing.issuing import DAY, NOW, Extensions, authority, issue, usage
from tests.unit.timestamping.units import EKU, MOMENT, POLICY, TIME_STAMPING, answer, make_unit, status_of
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.authority import Authority
from timestamping.authority.factory import SoftwareTsuKey
from timestamping.authority.policies import Policies
from timestamping.authority.unit import TimestampingUnit, UnitUnfitError
from timestamping.request import build_request

CA = authority("Timestamping CA")
KEY = ec.generate_private_key(ec.SECP256R1())
SIGNS = (usage("digital_signature"), True)
QUERY = build_request(bytes(32), DigestAlgorithm.SHA256, nonce=7)


def unit(extensions: Extensions = TIME_STAMPING, key: SoftwareTsuKey | None = None) -> TimestampingUnit:
    """A unit whose certificate has these extensions."""
    certificate = issue("Timestamping Unit", CA, key=KEY, extensions=extensions).certificate
    return TimestampingUnit(key or SoftwareTsuKey(KEY), certificate, clock=lambda: NOW)


@pytest.mark.parametrize(
    ("extensions", "code"),
    [
        ([SIGNS], "UNIT_PURPOSE"),
        ([SIGNS, (EKU, False)], "UNIT_PURPOSE"),
        (
            [SIGNS, (x509.ExtendedKeyUsage([*EKU, ExtendedKeyUsageOID.CODE_SIGNING]), True)],
            "UNIT_PURPOSE",
        ),
        ([SIGNS, (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.ANY_EXTENDED_KEY_USAGE]), True)], "UNIT_PURPOSE"),
        ([(EKU, True)], "UNIT_KEY_USAGE"),
        ([(usage("key_encipherment"), True), (EKU, True)], "UNIT_KEY_USAGE"),
        ([(usage("digital_signature", "key_cert_sign"), True), (EKU, True)], "UNIT_KEY_USAGE"),
        ([(usage("digital_signature", "key_agreement"), True), (EKU, True)], "UNIT_KEY_USAGE"),
    ],
)
def test_certificate_for_other_purposes(extensions: Extensions, code: str) -> None:
    with pytest.raises(UnitUnfitError) as caught:
        unit(extensions)
    assert caught.value.code == code
    assert caught.value.remedy


@pytest.mark.parametrize("names", [("digital_signature",), ("content_commitment",)])
def test_key_usages_that_sign(names: tuple[str, ...]) -> None:
    assert unit([(usage(*names), True), (EKU, True)])


def test_key_of_another_certificate() -> None:
    other = SoftwareTsuKey(ec.generate_private_key(ec.SECP256R1()))
    with pytest.raises(UnitUnfitError) as caught:
        unit(key=other)
    assert caught.value.code == "UNIT_KEY_MISMATCH"


def test_key_that_signs_with_another_hash() -> None:
    with pytest.raises(UnitUnfitError) as caught:
        unit(key=SoftwareTsuKey(KEY, DigestAlgorithm.SHA512))
    assert caught.value.code == "UNIT_KEY_MISMATCH"


def test_key_that_is_not_there() -> None:
    class Gone(SoftwareTsuKey):
        def sign(self, data: bytes) -> bytes:
            raise OSError(f"nothing signs {len(data)} octets")

    with pytest.raises(UnitUnfitError) as caught:
        unit(key=Gone(KEY))
    assert caught.value.code == "UNIT_KEY_UNAVAILABLE"


@pytest.mark.parametrize(
    "key",
    [
        rsa.generate_private_key(65537, 2048),
        ec.generate_private_key(ec.SECP256K1()),
        ec.generate_private_key(ec.SECP521R1()),
    ],
    ids=["RSA-2048", "secp256k1", "P-521"],
)
def test_keys_that_are_not_used(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> None:
    with pytest.raises(UnitUnfitError) as caught:
        make_unit(key=key)
    assert caught.value.code == "UNIT_WEAK_KEY"


def test_ed25519_is_not_used() -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    certificate = issue("Timestamping Unit", CA, key=key, extensions=TIME_STAMPING).certificate  # type: ignore[arg-type]
    with pytest.raises(UnitUnfitError) as caught:
        TimestampingUnit(SoftwareTsuKey(KEY), certificate)
    assert caught.value.code == "UNIT_WEAK_KEY"


def test_days_left_by_the_certificate() -> None:
    assert unit().days_left == 1


@pytest.mark.parametrize(
    ("not_before", "not_after", "days_left"),
    [
        (NOW - DAY / 2, NOW + DAY / 2, 0.5),
        (None, NOW + DAY / 4, 0.25),
        (NOW - DAY / 2, None, 1),
        (NOW - 9 * DAY, NOW + 9 * DAY, 1),
        (None, NOW - DAY / 2, -0.5),
    ],
    ids=["within", "end only", "begin only", "wider than the certificate", "over"],
)
def test_private_key_usage_period(not_before: datetime | None, not_after: datetime | None, days_left: float) -> None:
    """The key stops before its certificate does (RFC 3280, 4.2.1.4)."""
    period = x509.PrivateKeyUsagePeriod(_naive(not_before), _naive(not_after))
    limited = unit([*TIME_STAMPING, (period, False)])
    assert limited.days_left == days_left
    for moment in (limited.not_before, limited.not_after):
        limited.check(moment)
    for moment, code in (
        (limited.not_before - timedelta(seconds=1), "UNIT_NOT_YET_VALID"),
        (limited.not_after + timedelta(seconds=1), "UNIT_EXPIRED"),
    ):
        with pytest.raises(UnitUnfitError) as caught:
            limited.check(moment)
        assert caught.value.code == code
        reply = answer(Authority(limited, lambda at=moment: at, policies=Policies(POLICY)), QUERY)  # type: ignore[misc]
        assert status_of(reply)[1] is None


def _naive(moment: datetime | None) -> datetime | None:
    return moment and moment.astimezone(UTC).replace(tzinfo=None)


def test_authority_checks_its_unit() -> None:
    late = Authority(unit(), lambda: MOMENT + timedelta(days=9), policies=Policies(POLICY))
    with pytest.raises(UnitUnfitError):
        late.check()
    Authority(unit(), lambda: MOMENT, policies=Policies(POLICY)).check()
