"""Tampering with signed containers: a file of TOML says what is done and what our verification must say (Z1 to Z4).

`material` is `b`, `lta` (ASiC-E) or `simple` (ASiC-S at LTA). [[replace]], [[remove]], [[rename]], [[add]] and
[[steal]] (an entry of another container) work on the entries, in this order; `codes` are all problems that are found,
`dss` tells whether EU DSS `complains`, `warns`, or `accepts`.
"""

import io
import tomllib
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from signing.asic.ports import Container
from signing.pades.report import DocumentReport
from signing.ports import DocumentError, Level, Profile
from tests.oracles.oracle import Oracle, OracleError
from tests.support.asic import extend_container, sign_container, verify_container
from tests.support.line import Line

CASES = sorted(Path(__file__).parent.glob("tampered/*.toml"))
FILES = {"order.txt": b"pay 100", "letter.bin": bytes(range(256))}

Materials = Mapping[str, bytes]


@pytest.fixture(scope="module")
def materials(line: Line) -> Materials:
    """Signed containers; `other` is one to steal from."""
    return {
        "b": sign_container(line, FILES, profile=Profile(Level.B)).data,
        "lta": sign_container(line, FILES).data,
        "simple": sign_container(line, {"order.txt": b"pay 100"}, Container.ASIC_S).data,
        "other": sign_container(line, {"other.txt": b"another"}, signer="rsa3072").data,
    }


def codes(report: DocumentReport) -> set[str]:
    """The codes of all problems, wherever they stand."""
    found = list(report.problems)
    for signature in report.signatures:
        found += [*signature.problems, *(p for t in signature.timestamps for p in t.problems)]
    for stamp in report.archive_timestamps:
        found += stamp.problems
    return {finding.code for finding in found}


def test_materials_are_valid(materials: Materials, line: Line) -> None:
    for name, data in materials.items():
        report = verify_container(line, data)
        assert (name, report.valid, codes(report)) == (name, True, set())


@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_tampering_is_named(path: Path, materials: Materials, line: Line, oracle: Oracle, tmp_path: Path) -> None:
    case = tomllib.loads(path.read_text("utf-8"))
    changed = edited(materials[case["material"]], case, materials["other"])
    report = verify_container(line, changed)
    assert codes(report) == set(case["codes"])
    assert not report.valid
    assert said_by_dss(changed, case["material"], line, oracle, tmp_path) == case["dss"]


def test_a_signature_over_one_file_of_two_is_not_extended(materials: Materials, line: Line) -> None:
    added = edited(materials["b"], {"add": [{"name": "extra.txt", "content": "x"}]}, b"")
    with pytest.raises(DocumentError, match=r"extra\.txt"):
        extend_container(line, added)


def said_by_dss(data: bytes, material: str, line: Line, oracle: Oracle, folder: Path) -> str:
    """What EU DSS does, the signer's certificate being an anchor at level B: `complains`, `warns`, or `accepts`."""
    path = folder / "container.asice"
    path.write_bytes(data)
    anchors = [line.root_pem]
    level, stamps = Level.LTA, 2
    if material == "b":
        anchors += [line.pem(name, signer.certificate) for name, signer in line.pki.signers.items()]
        level, stamps = Level.B, 0
    try:
        validation = oracle.validate(path, anchors)
    except OracleError:
        return "complains"
    if validation.verdict(level.value, timestamps=stamps, form="XAdES"):
        return "complains"
    return "warns" if any(signature.warnings for signature in validation.signatures) else "accepts"


def edited(data: bytes, case: Mapping[str, Any], other: bytes) -> bytes:
    """A container with changed entries, written anew."""
    entries = _entries(data)
    for edit in case.get("replace", []):
        content, old = entries[edit["name"]], edit["old"].encode()
        assert old in content, edit
        entries[edit["name"]] = content.replace(old, edit["new"].encode(), 1)
    for edit in case.get("remove", []):
        del entries[edit["name"]]
    for edit in case.get("rename", []):
        entries = {edit["to"] if name == edit["name"] else name: content for name, content in entries.items()}
    for edit in case.get("add", []):
        entries[edit["name"]] = edit["content"].encode()
    for edit in case.get("steal", []):
        entries[edit.get("as", edit["name"])] = _entries(other)[edit["name"]]
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w") as archive:
        for name, content in entries.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return output.getvalue()


def _entries(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
