"""The strict verifier as a function: what it reports, and that no octets make it raise, hang or believe (FTS-TS-5)."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from time import perf_counter

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.signing.issuing import authority, issue, name, on_an_unknown_curve
from tests.unit.timestamping.units import MOMENT, POLICY, SHA256, TIME_STAMPING, attributes_of, signed_data, tst_info
from timestamping import der
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.factory import SoftwareTsuKey, TokenFactory
from timestamping.findings import CLAUSES, NORM_CODES, NOTE_CODES, Code, Finding, Severity
from timestamping.request import build_request, parse_request
from timestamping.verify import CLOCK_SKEW, Report, verify

ROOT = authority("Root")
CA = authority("Timestamping CA", ROOT)
TSU = issue("Timestamping Unit", CA, extensions=TIME_STAMPING)
QUERY = build_request(bytes(32), SHA256, nonce=7, policy=POLICY)
REQUEST = parse_request(QUERY)
FACTORY = TokenFactory(SoftwareTsuKey(TSU.key), TSU.certificate, (CA.certificate,), policy=POLICY)
TOKEN = FACTORY.token(REQUEST, SHA256, MOMENT)
REPLY = der.sequence(der.sequence(der.integer(0)), TOKEN)
ALWAYS = {Code.REVOCATION_NOT_CHECKED}


def judge(data: bytes, at: datetime = MOMENT) -> Report:
    return verify(data, clock=lambda: at, digests={SHA256: bytes(32)}, request=REQUEST, anchors=[ROOT.certificate])


def test_a_good_reply_says_what_it_says() -> None:
    report = judge(REPLY)
    assert report.codes == ALWAYS
    assert report.conformant
    assert (report.status, report.gen_time, report.accuracy) == (0, MOMENT, timedelta(seconds=1))
    assert (report.policy, report.nonce, report.imprint) == (POLICY, 7, bytes(32))
    assert report.imprint_algorithm == SHA256.oid
    assert report.path == (TSU.certificate, CA.certificate, ROOT.certificate)
    assert judge(TOKEN).status is None
    assert judge(TOKEN).conformant


def test_nothing_to_compare_with_is_noted_and_nobody_trusted_is_invalid() -> None:
    report = verify(TOKEN, clock=lambda: MOMENT)
    assert report.codes == {*ALWAYS, Code.IMPRINT_NOT_COMPARED, Code.NO_ANCHOR}
    assert not report.valid
    assert verify(TOKEN, clock=lambda: MOMENT, anchors=[ROOT.certificate]).valid


@pytest.mark.parametrize("digests", [{}, {SHA256: bytes(31)}, {DigestAlgorithm.SHA512: bytes(64)}])
def test_other_digests(digests: dict[DigestAlgorithm, bytes]) -> None:
    report = verify(TOKEN, clock=lambda: MOMENT, digests=digests, anchors=[ROOT.certificate])
    assert report.codes == {*ALWAYS, Code.IMPRINT_DIFFERS}


@pytest.mark.parametrize(("behind", "plausible"), [(CLOCK_SKEW, True), (CLOCK_SKEW + timedelta(seconds=1), False)])
def test_our_clock_may_be_a_minute_behind(behind: timedelta, plausible: bool) -> None:
    assert judge(REPLY, MOMENT - behind).valid == plausible


def test_every_code_has_its_clause_and_one_severity() -> None:
    assert set(CLAUSES) == set(Code)
    assert not NORM_CODES & NOTE_CODES
    assert {Finding(code, "").severity for code in Code} == set(Severity)


def test_the_documentation_lists_every_code() -> None:
    text = (Path(__file__).parents[3] / "docs" / "timestamp-verification.md").read_text()
    rows = re.findall(r"^\| `([A-Z0-9_]+)` \| (\w+) \| ([^|]+) \| [^|]+ \|$", text, re.MULTILINE)
    assert rows == [(code.value, Finding(code, "").severity.value, CLAUSES[code]) for code in Code]


def test_unit_on_an_unknown_curve() -> None:
    report = judge(signed_data(on_an_unknown_curve(TSU), tst_info()))
    assert Code.SIGNATURE_VALUE in report.codes


def test_unreadable_tst_info_leaves_the_signer_judged() -> None:
    report = judge(signed_data(TSU, b"\x30\x03\x02\x01\x01"))
    assert not report.valid
    assert report.unit == TSU.certificate
    assert {Code.POLICY_MALFORMED, Code.GEN_TIME_FORM} <= report.codes


def test_a_namesake_with_the_same_serial_number_in_front() -> None:
    """Issuer and serial number are not unique once somebody forges a namesake; the ESS attribute decides (T-2)."""
    impostor = authority("Timestamping CA")
    twin = x509.CertificateBuilder(
        subject_name=name("Forged"),
        issuer_name=impostor.certificate.subject,
        public_key=impostor.key.public_key(),
        serial_number=TSU.certificate.serial_number,
        not_valid_before=TSU.certificate.not_valid_before_utc,
        not_valid_after=TSU.certificate.not_valid_after_utc,
    ).sign(impostor.key, hashes.SHA256())
    assert (twin.issuer, twin.serial_number) == (TSU.certificate.issuer, TSU.certificate.serial_number)
    token = signed_data(TSU, tst_info(), certificates=[twin, TSU.certificate, CA.certificate])
    report = verify(token, clock=lambda: MOMENT, digests={SHA256: bytes(32)}, anchors=[ROOT.certificate])
    assert report.unit == TSU.certificate
    assert report.valid


HOSTILE: dict[str, bytes] = {
    "serial number of 200,000 digits": signed_data(TSU, tst_info(serial_number=10**200_000)),
    "nonce of 200,000 digits": signed_data(TSU, tst_info(more=[der.integer(10**200_000)])),
    "accuracy of ages": signed_data(TSU, tst_info(more=[der.sequence(der.integer(10**200))])),
    "policy of 100,000 octets": signed_data(TSU, b"").replace(
        der.explicit(0, der.octet_string(b"")),
        der.explicit(
            0, der.octet_string(der.sequence(der.integer(1), der.tlv(0x06, b"\x2a" + b"\xff" * 100_000 + b"\x01")))
        ),
    ),
    "a million octets behind": TOKEN + bytes(1_000_000),
    "2 MB": REPLY + bytes(2_000_000),
    "nested": b"\x30\x80" * 50_000,
    "extensions without end": signed_data(
        TSU,
        tst_info(more=[der.tlv(0xA1, *[der.sequence(der.oid("2.25.42"), der.octet_string(b""))] * 5_000)]),
    ),
    "a thousand certificates": signed_data(TSU, tst_info(), certificates=[CA.certificate] * 1_000),
    "two hundred signers": signed_data(TSU, tst_info(), signers=200),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_octets_cost_little(kind: str) -> None:
    started = perf_counter()
    report = judge(HOSTILE[kind])
    assert perf_counter() - started < 3.0
    assert not report.conformant
    assert all(len(finding.message) <= 300 for finding in report.findings)


def unchanged(report: Report) -> bool:
    return (report.gen_time, report.imprint, report.policy, report.unit) == (MOMENT, bytes(32), POLICY, TSU.certificate)


@given(at=st.integers(0, len(REPLY) - 1), change=st.integers(1, 255))
def test_one_changed_octet(at: int, change: int) -> None:
    changed = bytearray(REPLY)
    changed[at] ^= change
    report = judge(bytes(changed))
    assert not report.valid or unchanged(report)


@example(at=0, piece=b"\x30\x80", dropped=4)
@given(at=st.integers(0, len(REPLY)), piece=st.binary(max_size=8), dropped=st.integers(0, 8))
def test_spliced(at: int, piece: bytes, dropped: int) -> None:
    report = judge(REPLY[:at] + piece + REPLY[at + dropped :])
    assert not report.valid or unchanged(report)


@given(which=st.sampled_from(["content type", "message digest", "signing certificate"]), value=st.binary(max_size=40))
def test_any_attribute_rightly_signed(which: str, value: bytes) -> None:
    """Who holds a key can sign whatever octets as an attribute; nothing may come of it but findings."""
    attributes = attributes_of(TSU, tst_info())
    attributes[which] = der.sequence(attributes[which][2:13], der.tlv(0x31, value))
    report = judge(signed_data(TSU, tst_info(), list(attributes.values())))
    assert not report.valid


@given(st.binary(max_size=120))
def test_any_content_rightly_signed(content: bytes) -> None:
    assert not judge(signed_data(TSU, der.tlv(0x30, content))).valid


@given(st.binary(max_size=200))
def test_anything(octets: bytes) -> None:
    assert not judge(octets).valid
