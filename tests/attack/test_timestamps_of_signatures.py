"""Timestamps in a PDF that are genuine and prove nothing: out of order, or of an authority that was revoked (T-4)."""

import io
from datetime import timedelta

import pytest
from asn1crypto import crl
from pyhanko.sign.validation.dss import DocumentSecurityStore

from signing.ports import Level, Profile
from tests.samples.sound import SOUND
from tests.support.line import Line, Lines
from timestamping.clock import utc_now

DOCUMENT = SOUND["one_page"]()


@pytest.mark.parametrize("level", [Level.T, Level.LT, Level.LTA])
def test_a_timestamp_of_the_future_is_out_of_order(level: Level, line: Line) -> None:
    signed = line.sign(DOCUMENT, profile=Profile(level)).data
    report = line.verify(signed, clock=lambda: utc_now() - timedelta(hours=2))
    stamps = [*report.signatures[0].timestamps, *report.archive_timestamps]
    assert "TIMESTAMP_ORDER" in {problem.code for stamp in stamps for problem in stamp.problems}
    assert (report.valid, report.signatures[0].level) == (False, None)


def test_an_authority_that_was_revoked_before_is_no_proof(lines: Lines) -> None:
    """A list that says so stands in a later revision, where anybody may add it."""
    line = lines.start()
    signed = line.sign(DOCUMENT).data
    assert line.verify(signed).valid
    line.pki.revoke(line.pki.tsu.certificate, at=utc_now() - timedelta(days=1))
    told = crl.CertificateList.load(line.pki.crl("timestamping"))
    output = io.BytesIO(signed)
    DocumentSecurityStore.add_dss(output, sig_contents=None, crls=[told], force_write=True)
    report = line.verify(output.getvalue())
    assert not report.valid
    assert "TIMESTAMP_REVOCATION" in {problem.code for problem in report.archive_timestamps[0].problems}
