"""What time does to a signed container: expiry and renewal (FTS-SIG-8)."""

import io
import zipfile
from datetime import timedelta

import pytest

from signing.asic.ports import Container
from signing.ports import Level, Profile
from tests.support.asic import extend_container, sign_again, sign_container, verify_container
from tests.support.line import Line, Lines
from timestamping.clock import Clock, utc_now

FILES = {"letter.txt": b"a letter"}


def later(moment: timedelta) -> Clock:
    return lambda: utc_now() + moment


@pytest.mark.parametrize("level", list(Level), ids=str)
def test_after_the_signer_s_certificate_has_expired(line: Line, level: Level) -> None:
    data = sign_container(line, FILES, profile=Profile(level)).data
    signer = line.pki.signers["p384"].certificate
    report = verify_container(line, data, clock=later(signer.not_valid_after_utc - utc_now() + timedelta(days=1)))
    codes = {problem.code for signature in report.signatures for problem in signature.problems}
    expected = (False, None, {"SIGNER_UNTRUSTED"}) if level is Level.B else (True, level, set())
    assert (report.valid, report.level, codes) == expected


def test_a_signer_revoked_after_the_timestamp_stays_good(lines: Lines) -> None:
    own = lines.start()
    archived = sign_container(own, FILES).data
    own.pki.revoke(own.pki.signers["p384"].certificate)
    assert verify_container(own, archived).level is Level.LTA
    renewed, extended = extend_container(own, archived)
    assert (verify_container(own, renewed).level, extended.incomplete) == (Level.LTA, ())


@pytest.mark.parametrize("container", list(Container), ids=str)
def test_signatures_of_several_levels_are_all_extended(line: Line, container: Container) -> None:
    data = sign_container(line, FILES, container, profile=Profile(Level.B)).data
    data = sign_again(line, data, profile=Profile(Level.LT)).data
    assert [each.level for each in verify_container(line, data).signatures] == [Level.B, Level.LT]
    longer, extended = extend_container(line, data)
    assert (len(extended.archived), extended.size) == (2, len(longer))
    assert [each.level for each in verify_container(line, longer).signatures] == [Level.LTA, Level.LTA]


def test_one_of_an_unknown_authority_is_left_octet_for_octet(line: Line, lines: Lines) -> None:
    elsewhere = lines.start()
    data = sign_container(elsewhere, FILES, profile=Profile(Level.T)).data
    both = sign_again(line, data, profile=Profile(Level.T)).data
    longer, extended = extend_container(line, both)
    assert (len(extended.archived), len(extended.incomplete)) == (1, 1)
    assert signature_file(longer, 1) == signature_file(both, 1)
    assert signature_file(longer, 2) != signature_file(both, 2)


def signature_file(data: bytes, number: int) -> bytes:
    """A file of signatures as it stands in a container."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return archive.read(f"META-INF/signatures{number:03}.xml")
