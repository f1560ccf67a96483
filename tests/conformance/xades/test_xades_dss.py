"""EU DSS as producer: its signatures verified and extended by us, ours extended by it (FTS-SIG-5, FTS-SIG-8)."""

from pathlib import Path
from typing import Literal

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from signing.ports import Level, Profile
from tests.conformance.xades.conftest import XmlJudge
from tests.oracles.oracle import Oracle, Pkcs8Key
from tests.support.line import Line
from tests.support.xades import INVOICE, extend_xml, sign_xml, verify_xml


class DssSigner:
    """EU DSS with the key of one of the line's signers."""

    def __init__(self, oracle: Oracle, line: Line, folder: Path) -> None:
        self._oracle, self._line, self._folder = oracle, line, folder
        signer = line.pki.signers["p256"]
        path = folder / "key.pem"
        path.write_bytes(signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        chain = [line.pem(f"dss-{n}", each) for n, each in enumerate((signer.certificate, *signer.chain))]
        self._key = Pkcs8Key(path, chain)

    def sign(self, data: bytes, level: Level, packaging: Literal["ENVELOPED", "ENVELOPING"]) -> bytes:
        return self._run(data, self._key, level, packaging)

    def extend(self, data: bytes) -> bytes:
        return self._run(data, None, Level.LTA, "ENVELOPED")

    def _run(
        self, data: bytes, key: Pkcs8Key | None, level: Level, packaging: Literal["ENVELOPED", "ENVELOPING"]
    ) -> bytes:
        document, output = self._folder / "document.xml", self._folder / "output.xml"
        document.write_bytes(data)
        self._oracle.sign_xml(
            document,
            output,
            key,
            tsa_url=f"{self._line.pki.base_url}/tsa",
            level=level.value,
            anchors=[self._line.root_pem],
            packaging=packaging,
        )
        return output.read_bytes()


@pytest.fixture
def dss(oracle: Oracle, full_line: Line, tmp_path: Path) -> DssSigner:
    return DssSigner(oracle, full_line, tmp_path)


@pytest.mark.parametrize("level", [Level.B, Level.T, Level.LT, Level.LTA], ids=str)
@pytest.mark.parametrize("packaging", ["ENVELOPED", "ENVELOPING"])
def test_we_read_and_extend_what_dss_signs(
    dss: DssSigner,
    full_line: Line,
    xml_judge: XmlJudge,
    packaging: Literal["ENVELOPED", "ENVELOPING"],
    level: Level,
) -> None:
    signed = dss.sign(INVOICE, level, packaging)
    report = verify_xml(full_line, signed)
    findings = [each for s in report.signatures for each in (*s.problems, *s.notes)]
    assert (report.valid, report.level) == (True, level), findings
    longer, extended = extend_xml(full_line, signed)
    assert extended.incomplete == ()
    assert verify_xml(full_line, longer).level is Level.LTA
    assert xml_judge(longer).verdict("LTA", timestamps=3 if level is Level.LTA else 2, form="XAdES") == []


@pytest.mark.parametrize("level", [Level.T, Level.LTA], ids=str)
def test_dss_extends_what_we_sign(dss: DssSigner, full_line: Line, xml_judge: XmlJudge, level: Level) -> None:
    signed = sign_xml(full_line, {"invoice.xml": INVOICE}, profile=Profile(level)).data
    longer = dss.extend(signed)
    count = 3 if level is Level.LTA else 2
    assert xml_judge(longer).verdict("LTA", timestamps=count, form="XAdES") == []
    report = verify_xml(full_line, longer)
    findings = [each for s in report.signatures for each in (*s.problems, *s.notes)]
    assert (report.valid, report.level) == (True, Level.LTA), findings


def test_each_signs_beside_the_other(dss: DssSigner, full_line: Line, xml_judge: XmlJudge) -> None:
    ours = sign_xml(full_line, {"invoice.xml": INVOICE}).data
    both = dss.sign(ours, Level.LTA, "ENVELOPED")
    assert [s.indication for s in xml_judge(both).signatures] == ["TOTAL_PASSED"] * 2
    assert [s.level for s in verify_xml(full_line, both).signatures] == [Level.LTA, Level.LTA]
