"""Replies with one defect each before three verifiers (FTS-TS-5): ours finds every one, the others miss some.

What OpenSSL 3.0 and rfc3161-client 1.0.9 say is asserted too, so that a change of theirs is noticed and a defect that
does not reach a verifier cannot pass for one that is found.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import pytest
from cryptography import x509
from rfc3161_client import VerifierBuilder

from tests.conformance.timestamps.cases import NONCE, Case, make
from tests.conformance.timestamps.judges import Judges
from tests.conformance.timestamps.units import UnitWish
from tests.support.line import POLICY
from timestamping.findings import Code, Severity
from timestamping.ports import TimestampError
from timestamping.token import parse_reply

ACCEPTS, REFUSES = True, False


@dataclass(frozen=True)
class Row:
    """A defect: what our verifier must find, and what the others make of it."""

    found: Sequence[Code]
    openssl: bool
    rfc3161_client: bool
    defects: Sequence[str] = ()
    unit: UnitWish = field(default_factory=UnitWish)

    @property
    def case(self) -> Case:
        return Case(tuple(self.defects), self.unit)


BASELINES: Mapping[str, Row] = MappingProxyType(
    {
        "P-256": Row((), ACCEPTS, ACCEPTS),
        "P-384": Row((), ACCEPTS, ACCEPTS, unit=UnitWish(key="p384")),
        "RSA": Row((), ACCEPTS, ACCEPTS, unit=UnitWish(key="rsa2048")),
        "milliseconds": Row((), ACCEPTS, ACCEPTS, ("genTime with milliseconds",)),
        "tsa names the unit": Row((), ACCEPTS, ACCEPTS, ("tsa of the unit",)),
        "qualified statement": Row((), ACCEPTS, ACCEPTS, ("qualified statement",)),
    }
)
_EXPIRED = UnitWish(valid_hours=(-48.0, -1.0))
MATRIX: Mapping[str, Row] = MappingProxyType(
    {
        "nonce differs": Row((Code.NONCE_DIFFERS,), REFUSES, ACCEPTS, ("nonce differs",)),
        "nonce absent": Row((Code.NONCE_DIFFERS,), REFUSES, ACCEPTS, ("nonce absent",)),
        "certReq but no certificates": Row(
            (Code.CERTIFICATES_MISSING, Code.SIGNER_UNKNOWN), REFUSES, REFUSES, ("certificates left out",)
        ),
        "EKU not critical": Row((Code.EKU_NOT_CRITICAL,), REFUSES, REFUSES, unit=UnitWish(critical=False)),
        "second EKU": Row(
            (Code.EKU_NOT_ALONE,), REFUSES, REFUSES, unit=UnitWish(purposes=("timeStamping", "codeSigning"))
        ),
        "TSU certificate expired": Row((Code.UNIT_NOT_VALID, Code.PATH_NOT_VALID), REFUSES, REFUSES, unit=_EXPIRED),
        "ESSCertIDv2 of another certificate": Row(
            (Code.ESS_DIFFERS,), REFUSES, ACCEPTS, ("ESS of another certificate",)
        ),
        "no signing-certificate attribute": Row((Code.ESS_MISSING,), REFUSES, ACCEPTS, ("no ESS",)),
        "ESSCertID v1": Row((Code.ESS_VERSION_1,), ACCEPTS, ACCEPTS, ("ESS version 1",)),
        "policy differs": Row((Code.POLICY_DIFFERS,), REFUSES, ACCEPTS, ("other policy",)),
        "no accuracy": Row((Code.ACCURACY_MISSING,), ACCEPTS, ACCEPTS, ("no accuracy",)),
        "unknown critical extension": Row((Code.CRITICAL_EXTENSION,), ACCEPTS, ACCEPTS, ("critical extension",)),
        "tsa name differs": Row((Code.TSA_NAME_DIFFERS,), REFUSES, ACCEPTS, ("tsa of another name",)),
        "genTime in 2099": Row(
            (Code.GEN_TIME_FUTURE, Code.UNIT_NOT_VALID, Code.PATH_NOT_VALID), ACCEPTS, REFUSES, ("genTime in 2099",)
        ),
        "fraction with trailing zeros": Row((Code.GEN_TIME_FORM,), ACCEPTS, REFUSES, ("genTime with trailing zeros",)),
        "offset in place of Z": Row((Code.GEN_TIME_FORM,), ACCEPTS, REFUSES, ("genTime with an offset",)),
        "negative serial number": Row((Code.SERIAL_NUMBER,), ACCEPTS, ACCEPTS, ("serial number negative",)),
        "negative serial number, padded": Row(
            (Code.SERIAL_NUMBER, Code.DER_VIOLATED), REFUSES, REFUSES, ("serial number negative and padded",)
        ),
        "serial number of 320 bits": Row((Code.SERIAL_NUMBER,), ACCEPTS, ACCEPTS, ("serial number of 320 bits",)),
        "signed attributes unsorted": Row((Code.ATTRIBUTES_UNSORTED,), ACCEPTS, REFUSES, ("attributes unsorted",)),
    }
)
"""Defects by row of the table; rows of it with two defects each are two here."""


@pytest.mark.parametrize("name", BASELINES)
def test_a_good_reply_passes_everywhere(judges: Judges, name: str) -> None:
    made = make(BASELINES[name].case)
    report = made.judged()
    assert report.valid
    assert report.conformant
    assert report.codes == {Code.REVOCATION_NOT_CHECKED}
    assert report.path == (*made.untrusted,)
    assert report.qualified_statement == (name == "qualified statement")
    assert judges.by_openssl(made.reply, made.query) == []
    assert judges.by_rfc3161_client(made.reply, made.case.query.data.encode()) == []


@pytest.mark.parametrize("name", MATRIX)
def test_ours_finds_exactly_the_defect(name: str) -> None:
    row = MATRIX[name]
    report = make(row.case).judged()
    assert sorted(report.codes - {Code.REVOCATION_NOT_CHECKED}) == sorted(row.found)
    assert not report.conformant
    assert report.valid == (name == "no accuracy")
    assert all(finding.clause and finding.message for finding in report.findings)


@pytest.mark.parametrize("name", MATRIX)
def test_the_client_takes_none_of_them(name: str) -> None:
    """A token with a defect is never used; that the accuracy is not stated spoils no proof."""
    made = make(MATRIX[name].case)
    if name == "no accuracy":
        assert parse_reply(made.reply, made.request, party="the authority")
    else:
        with pytest.raises(TimestampError):
            parse_reply(made.reply, made.request, party="the authority")


@pytest.mark.parametrize("name", MATRIX)
def test_what_the_others_make_of_it(judges: Judges, name: str) -> None:
    row = MATRIX[name]
    made = make(row.case)
    by_openssl = judges.by_openssl(made.reply, made.query)
    by_rfc3161_client = judges.by_rfc3161_client(made.reply, made.case.query.data.encode())
    assert (not by_openssl, not by_rfc3161_client) == (row.openssl, row.rfc3161_client), [by_openssl, by_rfc3161_client]


@pytest.mark.parametrize("name", ["nonce differs", "nonce absent", "policy differs"])
def test_rfc3161_client_finds_what_it_is_told_to_look_for(judges: Judges, name: str) -> None:
    made = make(MATRIX[name].case)

    def told(builder: VerifierBuilder) -> VerifierBuilder:
        return builder.nonce(NONCE).policy_id(x509.ObjectIdentifier(POLICY))

    assert judges.by_rfc3161_client(made.reply, made.case.query.data.encode(), change=told) != []


def test_all_defects_at_once_are_all_told() -> None:
    """Every finding is reported, not the first alone."""
    together = (
        *("nonce differs", "other policy", "ESS of another certificate", "no accuracy", "critical extension"),
        *("tsa of another name", "genTime in 2099", "serial number of 320 bits", "attributes unsorted"),
    )
    wish = UnitWish(critical=False, purposes=("timeStamping", "codeSigning"))
    report = make(Case(together, wish)).judged()
    wanted = {
        code for name in together for row in MATRIX.values() if tuple(row.defects) == (name,) for code in row.found
    }
    assert report.codes >= wanted | {Code.EKU_NOT_CRITICAL, Code.EKU_NOT_ALONE}
    assert {finding.severity for finding in report.findings} == set(Severity)
