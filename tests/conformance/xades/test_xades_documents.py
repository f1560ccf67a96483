"""XML as it is met: namespaces, white space, encodings, size, earlier signatures; judged by others (FTS-SIG-5)."""

import pytest
from lxml import etree

from signing.ports import DocumentLockedError, Level, Profile
from signing.xades.names import CONTAINER
from signing.xades.ports import Packaging
from signing.xml.c14n import XmlDocument
from signing.xml.ports import Canonicalization
from tests.conformance.xades.conftest import Santuario, XmlJudge, XmlSec
from tests.support.line import Line
from tests.support.xades import INVOICE, sign_xml, verify_xml

UBL = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n<Invoice xmlns="urn:oasis:names:specification:ubl:schema:xsd:Invoice-2" '
    b'xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2" '
    b'xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">'
    b'<cbc:ID>7</cbc:ID><cac:LegalMonetaryTotal><cbc:PayableAmount currencyID="EUR">1.00</cbc:PayableAmount>'
    b"</cac:LegalMonetaryTotal></Invoice>"
)
SEPA = (
    b'<Document xmlns="urn:iso:std:iso:20022:tech:xsd:pain.001.001.03" '
    b'xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">\r\n\t<CstmrCdtTrfInitn><GrpHdr><MsgId>A&#13;&#10;B</MsgId>'
    b"</GrpHdr></CstmrCdtTrfInitn>\r\n</Document>\r\n"
)
XBRL = (
    b'<xbrli:xbrl xmlns:xbrli="http://www.xbrl.org/2003/instance" xmlns:iso4217="http://www.xbrl.org/2003/iso4217" '
    b'xmlns:link="http://www.xbrl.org/2003/linkbase" xmlns:ifrs="urn:ifrs" xml:lang="nl">'
    b'<xbrli:unit id="EUR"><xbrli:measure>iso4217:EUR</xbrli:measure></xbrli:unit>'
    b'<ifrs:Assets unitRef="EUR" decimals="0">1</ifrs:Assets></xbrli:xbrl>'
)
DOCUMENTS = {
    "ubl": UBL,
    "sepa with CRLF": SEPA,
    "xbrl": XBRL,
    "utf-16": '<?xml version="1.0" encoding="UTF-16"?><a b="\u20ac">\u00e9\U0001f600</a>'.encode("utf-16"),
    "utf-8 with mark": b'\xef\xbb\xbf<?xml version="1.0" encoding="utf-8"?><a/>',
    "iso-8859-1": b'<?xml version="1.0" encoding="ISO-8859-1"?><a>\xe9</a>',
    "comments and instructions outside": b"<?xml-stylesheet href='x'?><!-- 1 --><a><!-- 2 --></a><!-- 3 --><?p q?>",
    "prefix ds bound to something else": b'<ds:a xmlns:ds="urn:other"><ds:b/></ds:a>',
    "prefix ds on the root": b'<a xmlns:ds="http://www.w3.org/2000/09/xmldsig#" xmlns:xades="urn:other"/>',
    "default namespace of signatures": b'<a xmlns="http://www.w3.org/2000/09/xmldsig#"/>',
    "another prefix for signatures": b'<s:a xmlns:s="http://www.w3.org/2000/09/xmldsig#" xmlns:x="urn:x"/>',
    "namespaces of the container": b'<a xmlns="urn:fts-gateway:signed-documents:1"><b/></a>',
    "xml attributes": b'<a xml:space="preserve" xml:id="a" xml:base="http://h/"> <b xml:lang="fr"> x </b> </a>',
    "mixed content": b"<p>Een <b>zin</b> met <i>v<b>er</b></i> staart</p>",
    "a doctype in a comment and in text": b"<a><!-- <!DOCTYPE a> --><![CDATA[<!DOCTYPE html><p>&amp;]]></a>",
}


CONTAINED = ("sepa with CRLF", "utf-16", "namespaces of the container", "comments and instructions outside")
CELLS = [(Packaging.ENVELOPED, name) for name in DOCUMENTS] + [(Packaging.INTERNALLY_DETACHED, n) for n in CONTAINED]


@pytest.mark.parametrize(("packaging", "name"), CELLS, ids=[f"{p}-{n}" for p, n in CELLS])
def test_documents_as_they_are_met(
    name: str, packaging: Packaging, full_line: Line, xml_judge: XmlJudge, xmlsec: XmlSec, santuario: Santuario
) -> None:
    original = DOCUMENTS[name]
    signed = sign_xml(full_line, {"document.xml": original}, packaging).data
    report = verify_xml(full_line, signed)
    assert (report.valid, report.level) == (True, Level.LTA)
    assert xml_judge(signed).verdict("LTA", timestamps=2, form="XAdES") + xmlsec(signed) + santuario(signed) == []
    if packaging is Packaging.ENVELOPED:
        assert without_signatures(signed) == without_signatures(original)


def test_twenty_thousand_elements(full_line: Line, xml_judge: XmlJudge, xmlsec: XmlSec, santuario: Santuario) -> None:
    lines = b"".join(b'<l:line n="%d"><l:amount>%d.00</l:amount></l:line>\n' % (n, n) for n in range(10_000))
    signed = sign_xml(full_line, {"big.xml": b'<i xmlns="urn:i" xmlns:l="urn:l">' + lines + b"</i>"}).data
    assert verify_xml(full_line, signed).level is Level.LTA
    assert xml_judge(signed).verdict("LTA", timestamps=2, form="XAdES") + xmlsec(signed) + santuario(signed) == []


def test_a_second_signature_leaves_the_first_as_it_was(full_line: Line, xml_judge: XmlJudge) -> None:
    once = sign_xml(full_line, {"invoice.xml": INVOICE}, signer="p256").data
    twice = sign_xml(full_line, {"invoice.xml": once}, signer="rsa3072").data
    thrice = sign_xml(full_line, {"invoice.xml": twice}, signer="p384", profile=Profile(Level.LT)).data
    report = verify_xml(full_line, thrice)
    assert report.valid
    assert [signature.level for signature in report.signatures] == [Level.LTA, Level.LTA, Level.LT]
    validation = xml_judge(thrice)
    assert [s.indication for s in validation.signatures] == ["TOTAL_PASSED"] * 3
    assert [t.indication for t in validation.timestamps] == ["PASSED"] * 5


def test_a_signature_that_covers_later_ones_locks_the_document(full_line: Line) -> None:
    signed = sign_xml(full_line, {"invoice.xml": INVOICE}).data
    tree = etree.fromstring(signed)
    transform = next(tree.iter("{*}Transform"))
    transform.set("Algorithm", "http://www.w3.org/2000/09/xmldsig#enveloped-signature")
    transform.remove(transform[0])
    with pytest.raises(DocumentLockedError):
        sign_xml(full_line, {"invoice.xml": etree.tostring(tree)})


def test_a_signature_file_takes_no_enveloped_signature(full_line: Line) -> None:
    signature = sign_xml(full_line, {"invoice.xml": INVOICE}, Packaging.DETACHED, profile=Profile(Level.B)).data
    with pytest.raises(DocumentLockedError):
        sign_xml(full_line, {"signature.xml": signature})


def test_a_container_keeps_names_and_types(full_line: Line) -> None:
    signed = sign_xml(full_line, {"a.xml": UBL, "b.xml": SEPA}, Packaging.INTERNALLY_DETACHED).data
    kept = etree.fromstring(signed).findall(f"{{{CONTAINER}}}Document")
    assert [(each.get("Name"), each.get("MimeType")) for each in kept] == [
        ("a.xml", "application/xml"),
        ("b.xml", "application/xml"),
    ]


def test_a_signed_document_survives_another_envelope(full_line: Line, xmlsec: XmlSec) -> None:
    signed = sign_xml(full_line, {"a.xml": UBL}, Packaging.INTERNALLY_DETACHED, profile=Profile(Level.LTA)).data
    body = signed.partition(b"?>")[2].strip()
    wrapped = (
        b'<s:Envelope xmlns:s="urn:soap" xmlns="urn:other" xml:lang="de"><s:Body>' + body + b"</s:Body></s:Envelope>"
    )
    assert xmlsec(wrapped) == []
    report = verify_xml(full_line, wrapped)
    assert [problem.code for s in report.signatures for problem in s.problems] == ["PART_COVERED"]
    assert all(stamp.valid for stamp in report.archive_timestamps)


def without_signatures(data: bytes) -> bytes:
    """The canonical form, comments included, without any signature."""
    document = XmlDocument.read(data)
    signatures = list(document.root.iter("{http://www.w3.org/2000/09/xmldsig#}Signature"))
    return document.canonical(None, Canonicalization.C14N_10_COMMENTS, without=signatures)
