"""Counter-signatures and forms outside the baseline, made by EU DSS: the verdict on them is safe (FTS-SIG-5)."""

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
from lxml import etree

from signing.ports import Level, NotExtendedError, Profile
from signing.xades.names import xades, xades141
from tests.conformance.xades.conftest import XmlJudge
from tests.oracles.build import classpath
from tests.oracles.oracle import Oracle
from tests.support.line import Line
from tests.support.xades import INVOICE, extend_xml, sign_xml, verify_xml

PROGRAM = Path(__file__).parent / "java" / "DssForms.java"
SECONDS = 120
Dss = Callable[..., bytes]


@pytest.fixture
def dss_forms(oracle: Oracle, full_line: Line, tmp_path: Path) -> Dss:
    """EU DSS that extends to a form, or counter-signs: `dss_forms(data, form, *more)`."""
    assert oracle

    def made(data: bytes, form: str, *more: str | Path) -> bytes:
        given, output = tmp_path / "given.xml", tmp_path / "made.xml"
        given.write_bytes(data)
        services = (full_line.root_pem, f"{full_line.pki.base_url}/tsa")
        subprocess.run(
            ["java", "-cp", classpath(), PROGRAM, form, given, output, *services, *more],
            check=True,
            capture_output=True,
            timeout=SECONDS,
        )
        return output.read_bytes()

    return made


@pytest.fixture
def counter_signed(dss_forms: Dss, full_line: Line, tmp_path: Path) -> Callable[[bytes], bytes]:
    """EU DSS's counter-signature, by `p256`, of the only signature of a document."""
    signer = full_line.pki.signers["p256"]
    key = tmp_path / "key.p12"
    protected = BestAvailableEncryption(b"secret")
    key.write_bytes(
        pkcs12.serialize_key_and_certificates(b"key", signer.key, signer.certificate, signer.chain, protected)
    )

    def made(data: bytes) -> bytes:
        (signature,) = verify_xml(full_line, data).signatures
        return dss_forms(data, "COUNTER", key, "secret", signature.field_name)

    return made


def signed(line: Line, level: Level) -> bytes:
    return sign_xml(line, {"invoice.xml": INVOICE}, profile=Profile(level)).data


@pytest.mark.parametrize("level", [Level.B, Level.LTA], ids=str)
def test_a_counter_signature_neither_helps_nor_harms(
    counter_signed: Callable[[bytes], bytes], full_line: Line, xml_judge: XmlJudge, level: Level
) -> None:
    """The verdict on what is counter-signed is what it was; the counter-signature itself is only named."""
    data = signed(full_line, level)
    both = counter_signed(data)
    judged = xml_judge(both).signatures
    assert sorted(each.level or "" for each in judged) == sorted([f"XAdES_BASELINE_{level}", "XAdES_BASELINE_B"])
    report = verify_xml(full_line, both)
    assert (report.valid, report.level, len(report.signatures)) == (True, level, 1)
    notes = [note for note in report.signatures[0].notes if note.code == "UNSUPPORTED_PROPERTY"]
    assert [note.message.split(" is ")[0] for note in notes] == ["the property CounterSignature"]
    assert not verify_xml(full_line, both.replace(b"2026-001", b"2026-002")).valid


def test_what_is_counter_signed_can_be_extended(
    counter_signed: Callable[[bytes], bytes], full_line: Line, xml_judge: XmlJudge
) -> None:
    """The archive timestamp covers the counter-signature, too: it can no longer be taken out unnoticed."""
    longer, extended = extend_xml(full_line, counter_signed(signed(full_line, Level.T)))
    assert (len(extended.archived), extended.incomplete) == (1, ())
    assert verify_xml(full_line, longer).level is Level.LTA
    (base,) = [each for each in xml_judge(longer).signatures if each.signer and "p384" in each.signer]
    assert (base.indication, base.level) == ("TOTAL_PASSED", "XAdES_BASELINE_LTA")
    tree = etree.fromstring(longer)
    (counter,) = tree.iter(xades("CounterSignature"))
    counter.getparent().remove(counter)
    assert not verify_xml(full_line, etree.tostring(tree)).valid


@pytest.mark.parametrize("place", ["root", "signature", "object"])
def test_a_counter_signature_elsewhere_is_a_signature(
    counter_signed: Callable[[bytes], bytes], full_line: Line, place: str
) -> None:
    """Only where it is a property of another signature is it none of the document's own."""
    tree = etree.fromstring(counter_signed(signed(full_line, Level.T)))
    (counter,) = tree.iter(xades("CounterSignature"))
    signature = next(tree.iter("{*}Signature"))
    target = {"root": tree, "signature": signature, "object": next(signature.iter("{*}Object"))}[place]
    target.append(counter)
    report = verify_xml(full_line, etree.tostring(tree))
    assert (report.valid, report.level) == (False, None)


def test_a_document_with_nothing_but_a_counter_signature(
    counter_signed: Callable[[bytes], bytes], full_line: Line
) -> None:
    tree = etree.fromstring(counter_signed(signed(full_line, Level.T)))
    signature = next(tree.iter("{*}Signature"))
    for child in list(signature)[:3]:
        signature.remove(child)
    report = verify_xml(full_line, etree.tostring(tree))
    assert (report.valid, [each.valid for each in report.signatures]) == (False, [False])


def test_forms_outside_the_baseline_are_valid_and_never_above_t(
    dss_forms: Dss, full_line: Line, xml_judge: XmlJudge
) -> None:
    """C, X, X-L and A by DSS, each from the one before; what they add counts for nothing, and is not extended."""
    data = signed(full_line, Level.T)
    for form in ("XAdES_C", "XAdES_X", "XAdES_XL", "XAdES_A"):
        data = dss_forms(data, form)
        assert [each.level for each in xml_judge(data).signatures] == [form]
        report = verify_xml(full_line, data)
        (signature,) = report.signatures
        assert (report.valid, report.level) == (True, Level.T), (form, signature)
        assert "NOT_BASELINE" in {note.code for note in signature.notes}
        with pytest.raises(NotExtendedError, match=r"CompleteCertificateRefsV2 \(form C\)"):
            extend_xml(full_line, data)
        assert not verify_xml(full_line, data.replace(b"2026-001", b"2026-002")).valid
    assert xml_judge(data).signatures[0].indication == "TOTAL_PASSED"
    assert len(report.archive_timestamps) == 1


@pytest.mark.parametrize("level", [Level.T, Level.LT, Level.LTA], ids=str)
def test_an_archive_timestamp_of_1_3_2_makes_no_lta(full_line: Line, level: Level) -> None:
    """It is not read, even where it holds a good token: neither LTA on its account nor not valid."""
    archived = etree.fromstring(signed(full_line, Level.LTA))
    token = next(archived.iter(xades141("ArchiveTimeStamp")))
    tree = etree.fromstring(signed(full_line, level))
    earlier = etree.SubElement(next(tree.iter(xades("UnsignedSignatureProperties"))), xades("ArchiveTimeStamp"))
    earlier.extend(list(token))
    report = verify_xml(full_line, etree.tostring(tree))
    assert (report.valid, report.level) == (True, Level.T)
    assert [note.code for note in report.signatures[0].notes if "1.3.2" in note.message] == ["NOT_BASELINE"]
    with pytest.raises(NotExtendedError, match="ArchiveTimeStamp"):
        extend_xml(full_line, etree.tostring(tree))


def test_a_foreign_property_counts_for_nothing(full_line: Line) -> None:
    tree = etree.fromstring(signed(full_line, Level.LT))
    etree.SubElement(next(tree.iter(xades("UnsignedSignatureProperties"))), "{urn:other}Property")
    report = verify_xml(full_line, etree.tostring(tree))
    assert (report.valid, report.level) == (True, Level.LT)
    assert [note.code for note in report.signatures[0].notes] == ["UNSUPPORTED_PROPERTY"]
    longer, _ = extend_xml(full_line, etree.tostring(tree))
    assert verify_xml(full_line, longer).level is Level.LTA
