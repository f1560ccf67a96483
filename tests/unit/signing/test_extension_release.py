"""What an extension gives is compared with what it was given, in every form (FTS-SIG-5, FTS-SIG-8)."""

import io
from datetime import UTC, datetime

import pytest

from signing.asic.release import release_extended as release_container
from signing.ports import Level, NotExtendedError, Profile, ReleaseError
from signing.xades.extend import Extended
from signing.xades.release import release_extended as release_xml
from tests.support.asic import extend_container, sign_container
from tests.support.line import Line
from tests.support.xades import INVOICE, extend_xml, sign_xml
from timestamping.clock import utc_now

T = Profile(Level.T)
SAID = Extended(1, ("a",), datetime(2026, 1, 1, tzinfo=UTC), ())


def check_xml(line: Line, before: bytes, after: bytes) -> Level | None:
    report = release_xml(io.BytesIO(before), io.BytesIO(after), SAID, line.anchors, clock=utc_now)
    return report.level


def check_container(line: Line, before: bytes, after: bytes) -> Level | None:
    report = release_container(io.BytesIO(before), io.BytesIO(after), SAID, line.anchors, clock=utc_now)
    return report.level


def test_xml_is_compared(line: Line) -> None:
    signed = sign_xml(line, {"invoice.xml": INVOICE}, profile=T).data
    longer, _ = extend_xml(line, signed)
    assert check_xml(line, signed, longer) is Level.LTA
    with pytest.raises(NotExtendedError, match="level T"):
        check_xml(line, signed, signed)
    with pytest.raises(ReleaseError, match="no good new archive timestamp"):
        check_xml(line, longer, longer)
    with pytest.raises(ReleaseError, match="would no longer be valid"):
        check_xml(line, signed, longer.replace(b"2026-001", b"2026-002"))
    other, _ = extend_xml(line, sign_xml(line, {"invoice.xml": INVOICE}, profile=T).data)
    with pytest.raises(ReleaseError, match="other signatures"):
        check_xml(line, signed, other)


def test_a_container_is_compared(line: Line) -> None:
    signed = sign_container(line, {"a.txt": b"a"}, profile=T).data
    longer, _ = extend_container(line, signed)
    assert check_container(line, signed, longer) is Level.LTA
    with pytest.raises(NotExtendedError, match="level T"):
        check_container(line, signed, signed)
    with pytest.raises(ReleaseError, match="other signatures"):
        check_container(line, signed, extend_container(line, sign_container(line, {"a.txt": b"a"}).data)[0])
    with pytest.raises(ReleaseError):
        check_container(line, signed, b"PK\x03\x04")
