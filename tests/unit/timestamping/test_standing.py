"""Revocation of the certificates behind a timestamp: what shows that they stood, and what does not (FTS-TS-5)."""

from collections.abc import Callable
from datetime import datetime, timedelta
from types import MappingProxyType

import pytest
from asn1crypto import core
from cryptography import x509

from tests.conformance.timestamps.revoking import (
    AFTER,
    BEFORE,
    DATA,
    GEN_TIME,
    REASONS,
    STAYS_VALID,
    Authority,
    answer,
    crl,
)
from tests.unit.signing.issuing import DAY, NOW
from timestamping import cms
from timestamping.algorithms import DigestAlgorithm
from timestamping.findings import Code, Severity
from timestamping.revocation_values import MOST_VALUES, RevocationValues, embedded_values
from timestamping.standing import Status
from timestamping.verify import Report, verify

DIGESTS = MappingProxyType({DigestAlgorithm.SHA256: DigestAlgorithm.SHA256.digest(DATA)})
EXPIRED_CERTS_ON_CRL = x509.ObjectIdentifier("2.5.29.60")


def judged(
    tsa: Authority, values: RevocationValues | None = None, *, token: bytes | None = None, now: datetime = NOW
) -> Report:
    return verify(
        token or tsa.token(),
        clock=lambda: now,
        digests=DIGESTS,
        anchors=(tsa.root.certificate,),
        untrusted=tsa.path,
        revocation=values,
    )


def crls(tsa: Authority, *about_unit: bytes) -> RevocationValues:
    """CRLs about the unit, and a good one about the CA."""
    return RevocationValues(crls=(crl(tsa.root), *about_unit))


def ocsps(tsa: Authority, *about_unit: bytes) -> RevocationValues:
    """OCSP responses about the unit, and a good CRL about the CA."""
    return RevocationValues(about_unit, (crl(tsa.root),))


@pytest.fixture(scope="module")
def tsa() -> Authority:
    return Authority()


def test_good(tsa: Authority) -> None:
    for values in (crls(tsa, crl(tsa.ca)), ocsps(tsa, answer(tsa.unit, tsa.ca, tsa.responder))):
        report = judged(tsa, values)
        assert (report.findings, report.revocation) == ([], Status.GOOD)
        assert [each.status for each in report.standings] == [Status.GOOD, Status.GOOD]


def test_nothing_at_hand_is_never_good(tsa: Authority) -> None:
    """Not asked for, it is a note; asked for, the timestamp is not valid."""
    unasked = judged(tsa)
    assert (unasked.valid, unasked.revocation) == (True, Status.UNKNOWN)
    assert unasked.codes == {Code.REVOCATION_NOT_CHECKED}
    asked = judged(tsa, RevocationValues())
    assert (asked.valid, asked.revocation) == (False, Status.UNKNOWN)
    assert asked.codes == {Code.REVOCATION_UNKNOWN}


@pytest.mark.parametrize("source", ["crl", "ocsp"])
@pytest.mark.parametrize("when", [BEFORE, GEN_TIME, AFTER], ids=["before", "then", "after"])
@pytest.mark.parametrize("reason", [name for name in REASONS if name != "removeFromCRL"])
def test_revoked(tsa: Authority, source: str, when: datetime, reason: str) -> None:
    """RFC 3161, clause 4: earlier tokens stay valid for the reasons that say that nothing was compromised, only."""
    if source == "crl":
        values = crls(tsa, crl(tsa.ca, (tsa.unit, when, REASONS[reason])))
    else:
        values = ocsps(tsa, answer(tsa.unit, tsa.ca, tsa.responder, when, REASONS[reason]))
    report = judged(tsa, values)
    stays = when is AFTER and reason in STAYS_VALID
    assert report.valid is stays
    assert report.codes == {Code.CERTIFICATE_REVOKED_LATER if stays else Code.CERTIFICATE_REVOKED}
    assert report.revocation is (Status.GOOD if stays else Status.REVOKED)
    evidence = report.standings[0].evidence
    assert evidence is not None
    assert (evidence.revoked_at, evidence.reason) == (when, REASONS[reason])


def test_what_the_token_carries_counts_unasked(tsa: Authority) -> None:
    good, bad = crl(tsa.ca), crl(tsa.ca, (tsa.unit, BEFORE, REASONS["superseded"]))
    response = answer(tsa.unit, tsa.ca, tsa.responder)
    for attribute in (False, True):
        for token in (
            tsa.token([good, crl(tsa.root)], attribute=attribute),
            tsa.token([crl(tsa.root)], [response], attribute=attribute),
        ):
            report = judged(tsa, token=token)
            assert (report.valid, report.revocation, report.findings) == (True, Status.GOOD, [])
        report = judged(tsa, token=tsa.token([bad], attribute=attribute))
        assert (report.valid, report.revocation) == (False, Status.REVOKED)
        assert Code.CERTIFICATE_REVOKED in report.codes


def test_one_that_says_revoked_outweighs_those_that_do_not(tsa: Authority) -> None:
    bad = crl(tsa.ca, (tsa.unit, BEFORE, None), this_update=NOW - timedelta(minutes=50))
    for values in (
        crls(tsa, crl(tsa.ca), bad),
        RevocationValues((answer(tsa.unit, tsa.ca, tsa.responder),), (crl(tsa.root), bad)),
    ):
        assert judged(tsa, values).codes == {Code.CERTIFICATE_REVOKED}


def test_the_authority_above_counts_too(tsa: Authority) -> None:
    about_unit = crl(tsa.ca)
    revoked = crl(tsa.root, (tsa.ca, AFTER, REASONS["cACompromise"]))
    assert judged(tsa, RevocationValues(crls=(about_unit, revoked))).codes == {Code.CERTIFICATE_REVOKED}
    report = judged(tsa, RevocationValues(crls=(about_unit,)))
    assert not report.valid
    assert report.codes == {Code.REVOCATION_UNKNOWN}
    assert [each.status for each in report.standings] == [Status.GOOD, Status.UNKNOWN]


def test_a_suspected_compromise_reaches_back(tsa: Authority) -> None:
    """The invalidity date of a CRL entry lies before genTime, its revocation behind it (RFC 5280, 5.3.2)."""
    entry = (tsa.unit, AFTER, REASONS["superseded"])
    assert judged(tsa, crls(tsa, crl(tsa.ca, entry))).valid
    assert not judged(tsa, crls(tsa, crl(tsa.ca, entry, invalid_at=BEFORE))).valid
    assert judged(tsa, crls(tsa, crl(tsa.ca, entry, invalid_at=AFTER))).valid


HOUR = timedelta(hours=1)
AGES: MappingProxyType[str, tuple[timedelta, timedelta, Code | None]] = MappingProxyType(
    {
        "younger, current now": (timedelta(minutes=5), HOUR, None),
        "younger, out of date now": (HOUR, HOUR / 2, None),
        "older, current then": (-HOUR, 2 * HOUR, Code.REVOCATION_OLDER),
        "older, out of date then": (-2 * HOUR, HOUR, Code.REVOCATION_UNKNOWN),
        "from the future": (5 * HOUR, HOUR, Code.REVOCATION_UNKNOWN),
    }
)
"""thisUpdate from genTime, nextUpdate from it, and what is found."""


@pytest.mark.parametrize("source", ["crl", "ocsp"])
@pytest.mark.parametrize("age", AGES)
def test_how_old_it_may_be(tsa: Authority, source: str, age: str) -> None:
    begin, length, code = AGES[age]
    issued = GEN_TIME + begin
    if source == "crl":
        values = crls(tsa, crl(tsa.ca, this_update=issued, next_update=issued + length))
    else:
        response = answer(tsa.unit, tsa.ca, tsa.responder, this_update=issued, next_update=issued + length)
        values = ocsps(tsa, response)
    report = judged(tsa, values)
    assert report.codes == ({code} if code else set())
    assert report.valid is (code is not Code.REVOCATION_UNKNOWN)


def test_an_old_answer_without_an_end_shows_nothing(tsa: Authority) -> None:
    response = answer(tsa.unit, tsa.ca, tsa.responder, this_update=BEFORE, next_update=None)
    assert judged(tsa, ocsps(tsa, response)).codes == {Code.REVOCATION_UNKNOWN}


def test_lists_forget_what_has_expired() -> None:
    """RFC 5280, clause 3.3: an entry may go once the certificate has expired, if the list does not say otherwise."""
    tsa = Authority(unit_until=GEN_TIME + HOUR)
    moment = x509.UnrecognizedExtension(EXPIRED_CERTS_ON_CRL, core.GeneralizedTime(NOW - 20 * DAY).dump())
    late = x509.UnrecognizedExtension(EXPIRED_CERTS_ON_CRL, core.GeneralizedTime(NOW).dump())
    garbage = x509.UnrecognizedExtension(EXPIRED_CERTS_ON_CRL, b"\x30\x00")
    assert judged(tsa, crls(tsa, crl(tsa.ca))).codes == {Code.REVOCATION_UNKNOWN}
    assert judged(tsa, crls(tsa, crl(tsa.ca, extensions=[(late, False)]))).codes == {Code.REVOCATION_UNKNOWN}
    assert judged(tsa, crls(tsa, crl(tsa.ca, extensions=[(garbage, False)]))).codes == {Code.REVOCATION_UNKNOWN}
    assert judged(tsa, crls(tsa, crl(tsa.ca, extensions=[(moment, False)]))).codes == set()
    before_its_end = crl(tsa.ca, this_update=GEN_TIME + HOUR / 2)
    assert judged(tsa, crls(tsa, before_its_end)).codes == set()
    revoked = crl(tsa.ca, (tsa.unit, BEFORE, None))
    assert judged(tsa, crls(tsa, revoked)).codes == {Code.CERTIFICATE_REVOKED}


OTHERS: MappingProxyType[str, Callable[[Authority, Authority], RevocationValues]] = MappingProxyType(
    {
        "another authority's CRL": lambda tsa, other: crls(tsa, crl(other.ca)),
        "a CRL by another key": lambda tsa, other: crls(tsa, crl(type(tsa.ca)(other.ca.key, tsa.ca.certificate))),
        "an answer about another": lambda tsa, other: ocsps(tsa, answer(other.unit, other.ca, other.responder)),
        "an answer of a stranger": lambda tsa, other: ocsps(tsa, answer(tsa.unit, tsa.ca, other.responder)),
        "an answer of the unit": lambda tsa, _other: ocsps(tsa, answer(tsa.unit, tsa.ca, tsa.unit)),
        "an answer that knows nothing": lambda tsa, _other: ocsps(
            tsa, answer(tsa.unit, tsa.ca, tsa.responder, unknown=True)
        ),
        "garbage": lambda tsa, _other: RevocationValues((b"\x30\x00", b""), (crl(tsa.root), b"\x30\x80" * 1000)),
    }
)


@pytest.mark.parametrize("name", OTHERS)
def test_what_says_nothing_about_the_unit(tsa: Authority, name: str) -> None:
    assert judged(tsa, OTHERS[name](tsa, Authority())).codes == {Code.REVOCATION_UNKNOWN}


def test_a_responder_that_can_be_revoked_must_be_shown_good() -> None:
    tsa = Authority(with_check=True)
    response = answer(tsa.unit, tsa.ca, tsa.responder)
    alone = judged(tsa, ocsps(tsa, response))
    assert alone.codes == {Code.REVOCATION_UNKNOWN}
    assert "CN=Responder" in alone.findings[0].message
    # a CRL would tell of the unit as well, so the responder is shown good by its CA's own answer
    about = answer(tsa.responder, tsa.ca, tsa.ca)
    assert judged(tsa, ocsps(tsa, response, about)).codes == set()
    revoked = answer(tsa.responder, tsa.ca, tsa.ca, BEFORE, REASONS["keyCompromise"])
    assert judged(tsa, ocsps(tsa, response, revoked)).codes == {Code.REVOCATION_UNKNOWN}


def test_without_a_path_nothing_is_good(tsa: Authority) -> None:
    report = verify(tsa.token(), clock=lambda: NOW, digests=DIGESTS, revocation=crls(tsa, crl(tsa.ca)))
    assert (report.valid, report.revocation, report.standings) == (False, Status.UNKNOWN, ())
    assert {Code.NO_ANCHOR, Code.REVOCATION_UNKNOWN} <= report.codes


def test_a_trusted_unit_needs_no_revocation_data(tsa: Authority) -> None:
    report = verify(
        tsa.token(),
        clock=lambda: NOW,
        digests=DIGESTS,
        anchors=(tsa.unit.certificate,),
        revocation=RevocationValues(),
    )
    assert [f for f in report.findings if f.severity is not Severity.NOTE] == []
    assert (report.revocation, report.standings) == (Status.GOOD, ())


def test_a_token_stuffed_with_lists_is_bounded(tsa: Authority) -> None:
    """So many of each kind are read; the rest proves nothing."""
    stuffing = [crl(tsa.root, this_update=NOW - timedelta(minutes=1, seconds=number)) for number in range(100)]
    token = tsa.token(stuffing)
    values = embedded_values(cms.outer(token), cms.parse_signed_data(token).signer)
    assert (len(values.crls), len(set(values.crls) - set(stuffing))) == (MOST_VALUES, 0)
    assert judged(tsa, token=token).codes == {Code.REVOCATION_NOT_CHECKED}
