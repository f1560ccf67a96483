"""Tampering with signed XML: our verification names each change; EU DSS notices it, too (X-3, X-6, X-7, X-9, X-10)."""

from pathlib import Path

import pytest
from lxml import etree

from signing.ports import Level, Profile
from signing.xades.names import ds, xades
from signing.xades.ports import Packaging
from tests.attack.xml.conftest import FILES, LEVELS, Materials, codes
from tests.attack.xml.tampering import VECTORS
from tests.oracles.oracle import Oracle, OracleError
from tests.support.line import Line, Lines
from tests.support.xades import INVOICE, sign_xml, verify_xml


def test_materials_are_valid(materials: Materials, line: Line) -> None:
    for name, (data, _) in materials.items():
        report = verify_xml(line, data, FILES)
        assert (name, report.valid, codes(report)) == (name, True, set())


@pytest.mark.parametrize("name", VECTORS)
def test_tampering_is_named(name: str, materials: Materials, line: Line, oracle: Oracle, tmp_path: Path) -> None:
    vector = VECTORS[name]
    original, other = materials[vector.material]
    tree = etree.fromstring(original)
    vector.edit(tree, etree.fromstring(other))
    data = etree.tostring(tree, encoding="UTF-8", xml_declaration=True)
    report = verify_xml(line, data, FILES)
    assert (report.valid, report.level) == (False, None)
    assert codes(report) == vector.codes
    assert dss_is_content(data, vector.material, line, oracle, tmp_path) == vector.dss_content


def test_files_behind_a_detached_signature(line: Line) -> None:
    for packaging in (Packaging.DETACHED, Packaging.MANIFEST):
        data = sign_xml(line, FILES, packaging, profile=Profile(Level.LTA)).data
        assert verify_xml(line, data, FILES).valid
        assert codes(verify_xml(line, data, {**FILES, "letter.bin": b"\x00\x02"})) >= {"CONTENT_CHANGED"}
        assert codes(verify_xml(line, data, {"invoice.xml": INVOICE})) >= {"REFERENCE"}


def test_a_removed_signature_timestamp_lowers_the_level(materials: Materials, line: Line) -> None:
    tree = etree.fromstring(materials["t"][0])
    stamp = next(tree.iter("{*}SignatureTimeStamp"))
    stamp.getparent().remove(stamp)
    report = verify_xml(line, etree.tostring(tree))
    assert (report.valid, report.level) == (True, Level.B)


@pytest.mark.parametrize("kind", ["empty", "of another signature"])
@pytest.mark.parametrize("name", ["t", "lta"])
def test_an_injected_counter_signature_is_named_and_counts_for_nothing(
    materials: Materials, line: Line, name: str, kind: str
) -> None:
    """Anybody may add an unsigned property: that takes nothing from the signature and gives nothing to it."""
    original, other = (etree.fromstring(each) for each in materials[name])
    counter = etree.SubElement(next(original.iter("{*}UnsignedSignatureProperties")), xades("CounterSignature"))
    if kind == "empty":
        etree.SubElement(etree.SubElement(counter, ds("Signature"), Id="c"), ds("SignedInfo"))
    else:
        counter.append(next(other.iter(ds("Signature"))))
    report = verify_xml(line, etree.tostring(original), FILES)
    assert (report.valid, report.level, len(report.signatures)) == (True, LEVELS[name], 1)
    assert "UNSUPPORTED_PROPERTY" in {note.code for note in report.signatures[0].notes}


def test_an_untrusted_signer_is_named(materials: Materials, line: Line, lines: Lines) -> None:
    elsewhere = lines.start()
    for name in LEVELS:
        assert "SIGNER_UNTRUSTED" in codes(verify_xml(elsewhere, materials[name][0]))
    assert line.pki.root.certificate != elsewhere.pki.root.certificate


def dss_is_content(data: bytes, material: str, line: Line, oracle: Oracle, folder: Path) -> bool:
    """Whether EU DSS has no complaint, the signer's and the authority's certificates being anchors below LTA."""
    path = folder / "signature.xml"
    path.write_bytes(data)
    detached = []
    for name, each in FILES.items():
        (folder / name).write_bytes(each)
        detached.append(folder / name)
    anchors = [line.root_pem]
    level: Level = LEVELS.get(material, Level.B)
    if level is not Level.LTA:
        anchors += [line.pem(name, signer.certificate) for name, signer in line.pki.signers.items()]
        anchors.append(line.pem("tsu", line.pki.tsu.certificate))
    files = detached if material == "manifest" else []
    try:
        validation = oracle.validate(path, anchors, detached=files)
    except OracleError:
        return False
    stamps = {Level.B: 0, Level.T: 1, Level.LTA: 2}[level]
    return validation.verdict(level.value, timestamps=stamps, form="XAdES") == []
