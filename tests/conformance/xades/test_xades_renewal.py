"""Extension of XAdES signatures to LTA, and renewal of archive timestamps, judged by EU DSS (FTS-SIG-5, FTS-SIG-8)."""

import pytest
from lxml import etree

from signing.ports import Level, NotExtendedError, Profile
from signing.xades.names import xades141
from signing.xades.ports import Packaging
from tests.conformance.programs import OpenSsl
from tests.conformance.xades.conftest import XmlJudge, XmlSec
from tests.conformance.xades.test_xades_matrix import DOCUMENTS, timestamps
from tests.support.line import Line
from tests.support.xades import INVOICE, extend_xml, sign_xml, verify_xml
from timestamping.algorithms import DigestAlgorithm

CELLS = [(Packaging.ENVELOPED, level) for level in Level] + [
    (packaging, level) for packaging in list(Packaging)[1:] for level in (Level.B, Level.LTA)
]


@pytest.mark.parametrize(("packaging", "level"), CELLS, ids=[f"{p}-{lv}" for p, lv in CELLS])
def test_every_level_is_extended_to_lta(
    full_line: Line, xml_judge: XmlJudge, xmlsec: XmlSec, openssl: OpenSsl, packaging: Packaging, level: Level
) -> None:
    documents = DOCUMENTS[packaging]
    files = documents if packaging.is_detached else {}
    signed = sign_xml(full_line, documents, packaging, profile=Profile(level)).data
    longer, extended = extend_xml(full_line, signed, files, DigestAlgorithm.SHA512)
    count = 3 if level is Level.LTA else 2
    complaints = xml_judge(longer, files).verdict("LTA", timestamps=count, form="XAdES")
    complaints += xmlsec(longer, files) + timestamps(longer, files, openssl, count)
    assert (complaints, extended.incomplete, len(extended.archived)) == ([], (), 1)
    report = verify_xml(full_line, longer, files)
    assert (report.valid, report.level) == (True, Level.LTA)
    assert report.archive_timestamps[-1].digest == "sha512"
    if level is Level.LTA:
        before = signed.partition(b"</xades:UnsignedSignatureProperties>")[0]
        assert longer.startswith(before)


def test_renewed_again_and_again(full_line: Line, xml_judge: XmlJudge) -> None:
    data = sign_xml(full_line, {"invoice.xml": INVOICE}).data
    for _ in range(3):
        data, _ = extend_xml(full_line, data)
    assert xml_judge(data).verdict("LTA", timestamps=5, form="XAdES") == []
    report = verify_xml(full_line, data)
    assert (report.valid, len(report.archive_timestamps)) == (True, 4)
    assert [stamp.notes for stamp in report.archive_timestamps] == [[], [], [], []]


def test_a_broken_signature_is_left_as_it_is(full_line: Line, xml_judge: XmlJudge) -> None:
    once = sign_xml(full_line, {"invoice.xml": INVOICE}, signer="p256", profile=Profile(Level.T)).data
    twice = etree.fromstring(sign_xml(full_line, {"invoice.xml": once}, profile=Profile(Level.T)).data)
    value = next(twice.iter("{*}SignatureValue"))
    value.text = "AAAA" + value.text[4:]
    longer, extended = extend_xml(full_line, etree.tostring(twice))
    assert [len(extended.archived), len(extended.incomplete)] == [1, 1]
    assert longer.count(b"<xades141:ArchiveTimeStamp ") == 1
    assert sorted(s.indication for s in xml_judge(longer).signatures) == ["TOTAL_FAILED", "TOTAL_PASSED"]


def test_nothing_to_extend_is_refused(full_line: Line) -> None:
    with pytest.raises(NotExtendedError):
        extend_xml(full_line, INVOICE)
    signed = sign_xml(full_line, DOCUMENTS[Packaging.DETACHED], Packaging.DETACHED).data
    with pytest.raises(NotExtendedError, match="not at hand"):
        extend_xml(full_line, signed)


def test_a_renewal_brings_what_the_last_authority_lacks(full_line: Line) -> None:
    data = sign_xml(full_line, {"invoice.xml": INVOICE}).data
    tree = etree.fromstring(data)
    assert len(list(tree.iter(xades141("TimeStampValidationData")))) == 1
    longer, _ = extend_xml(full_line, data)
    found = list(etree.fromstring(longer).iter(xades141("TimeStampValidationData")))
    identifiers = [each.get("Id") for each in etree.fromstring(longer).iter(xades141("ArchiveTimeStamp"))]
    assert [each.get("URI") for each in found[1:]] in ([], [f"#{identifiers[0]}"])
