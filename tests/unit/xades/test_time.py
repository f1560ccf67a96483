"""What time does to a XAdES signature: expiry, revocation and renewal (FTS-SIG-8)."""

import tracemalloc
from datetime import timedelta

import pytest

from signing.ports import Level, Profile
from signing.xades.ports import Packaging
from tests.support.line import Line, Lines
from tests.support.xades import INVOICE, extend_xml, sign_xml, verify_xml
from timestamping.clock import Clock, utc_now


def later(moment: timedelta) -> Clock:
    return lambda: utc_now() + moment


@pytest.mark.parametrize("level", list(Level), ids=str)
def test_after_the_signer_s_certificate_has_expired(line: Line, level: Level) -> None:
    data = sign_xml(line, {"invoice.xml": INVOICE}, profile=Profile(level)).data
    signer = line.pki.signers["p384"].certificate
    after = later(signer.not_valid_after_utc - utc_now() + timedelta(days=1))
    report = verify_xml(line, data, clock=after)
    codes = {problem.code for signature in report.signatures for problem in signature.problems}
    expected = (False, None, {"SIGNER_UNTRUSTED"}) if level is Level.B else (True, level, set())
    assert (report.valid, report.level, codes) == expected


def test_after_the_authority_s_certificate_has_expired_without_renewal(line: Line) -> None:
    data = sign_xml(line, {"invoice.xml": INVOICE}).data
    after = later(line.pki.tsu.certificate.not_valid_after_utc - utc_now() + timedelta(days=1))
    report = verify_xml(line, data, clock=after)
    assert {problem.code for stamp in report.archive_timestamps for problem in stamp.problems} == {
        "TIMESTAMP_UNTRUSTED"
    }
    assert not report.valid


def test_a_signer_revoked_after_the_timestamp_stays_good(lines: Lines) -> None:
    own = lines.start()
    archived = sign_xml(own, {"invoice.xml": INVOICE}).data
    stamped = sign_xml(own, {"invoice.xml": INVOICE}, profile=Profile(Level.T)).data
    own.pki.revoke(own.pki.signers["p384"].certificate)
    assert verify_xml(own, archived).level is Level.LTA
    report = verify_xml(own, stamped)
    assert (report.valid, report.level) == (True, Level.T)
    renewed, extended = extend_xml(own, archived)
    assert (verify_xml(own, renewed).level, extended.incomplete) == (Level.LTA, ())


def test_revocation_data_is_not_older_than_the_signature_timestamp(line: Line) -> None:
    report = verify_xml(line, sign_xml(line, {"invoice.xml": INVOICE}, profile=Profile(Level.LT)).data)
    (signature,) = report.signatures
    assert (signature.level, signature.notes) == (Level.LT, [])
    assert signature.proven_at is not None
    assert signature.claimed_at is not None
    assert abs(signature.proven_at - signature.claimed_at) < timedelta(minutes=1)


def test_a_large_detached_file_is_not_held(line: Line) -> None:
    documents = {"large.bin": bytes(32 * 1024 * 1024)}
    tracemalloc.start()
    try:
        data = sign_xml(line, documents, Packaging.DETACHED).data
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8 * 1024 * 1024
    assert verify_xml(line, data, documents).level is Level.LTA
