"""A container in 2042, renewed in 2031 and 2037, judged by EU DSS (FTS-SIG-5, FTS-SIG-8)."""

import io
import zipfile
from pathlib import Path

import pytest

from signing.asic.ports import Container
from signing.ports import Level
from tests.attack.failing import Switch
from tests.conformance.aging import IN_2042, renewed_until_2037
from tests.conformance.asic.conftest import DssContainers
from tests.oracles.oracle import Oracle
from tests.support.asic import extend_container, sign_again, sign_container, verify_container
from tests.support.line import Line

FILES = {"a.txt": b"a letter", "b.bin": bytes(range(256))}


@pytest.mark.parametrize("producer", ["ours", "dss"])
def test_renewed_in_2031_and_2037_it_is_valid_in_2042(
    aging: tuple[Line, Switch], oracle: Oracle, tmp_path: Path, producer: str
) -> None:
    """Two signatures; all certificates but the root and the last authority have ended by then. No file has changed."""
    line, switch = aging
    second = line.pki.issue_signer("p256", "p256")
    dss = DssContainers(oracle, line, tmp_path)

    def sign() -> bytes:
        if producer == "dss":
            data = dss.sign(FILES, Container.ASIC_E, Level.LTA)
        else:
            data = sign_container(line, FILES, signer=second, clock=line.server_clock).data
        return sign_again(line, data, "p384").data

    def renew(data: bytes) -> bytes:
        longer, extended = extend_container(line, data, clock=line.server_clock)
        assert (len(extended.archived), extended.incomplete) == (2, ())
        return longer

    data, units = renewed_until_2037(line, switch, sign, renew)
    ended = [each.not_valid_after_utc < IN_2042 for each in (second.certificate, *units)]
    assert ended == [True, True, True, False]
    report = verify_container(line, data, clock=lambda: IN_2042)
    assert (report.valid, report.level, len(report.signatures)) == (True, Level.LTA, 2)
    stamps = [each.gen_time.year for each in report.archive_timestamps if each.gen_time is not None]
    assert [year for year in sorted(stamps) if year > 2030] == [2031, 2031, 2037, 2037, 2037, 2037]
    path = tmp_path / "signed.asice"
    path.write_bytes(data)
    judged = oracle.validate(path, [line.root_pem], IN_2042)
    assert judged.verdict("LTA", signatures=2, timestamps=10, form="XAdES") == []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert {name: archive.read(name) for name in FILES} == FILES


def test_without_renewal_it_is_not_valid_in_2042(full_line: Line, oracle: Oracle, tmp_path: Path) -> None:
    data = sign_container(full_line, FILES).data
    report = verify_container(full_line, data, clock=lambda: IN_2042)
    assert (report.valid, report.level) == (False, None)
    assert [p.code for p in report.archive_timestamps[0].problems] == ["TIMESTAMP_UNTRUSTED"]
    path = tmp_path / "signed.asice"
    path.write_bytes(data)
    assert oracle.validate(path, [full_line.root_pem], IN_2042).verdict("LTA", timestamps=2, form="XAdES") != []
