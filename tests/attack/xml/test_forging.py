"""Forged XML signatures as files: `forged/MATERIAL/CODES/case.xsl` changes a signed document (X-3 to X-7, X-9, X-10).

A new case is a new file, no code: a stylesheet that imports `identity.xsl`, with the codes that our verification must
give joined by `+` in the name of its folder. It sees `<pair><signed/><other/></pair>` and keeps what is
signed; the other is there to steal from.
"""

import base64
import hmac
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from lxml import etree

from signing.limits import LIMITS
from signing.ports import Level, Profile
from signing.xades.names import XADES, XADES141
from signing.xades.ports import Packaging
from signing.xml.c14n import XmlDocument
from signing.xml.ports import Canonicalization, XmlTooLargeError
from tests.attack.xml.conftest import FILES, Materials, codes
from tests.support.line import Line, Lines
from tests.support.xades import INVOICE, sign_xml, verify_xml
from timestamping.clock import utc_now

FORGED = Path(__file__).parent / "forged"
CASES = sorted(FORGED.glob("*/*/*.xsl"))
IDENTITY = FORGED / "identity.xsl"
LAYOUTS = 8
"""Of signature wrapping."""
MEASURE = '<x:xbrl xmlns:x="urn:x" xmlns:é4217="urn:iso4217"><x:measure>é4217:EUR</x:measure></x:xbrl>'


def forged(stylesheet: Path, signed: bytes, other: bytes) -> bytes:
    """A signed document as a stylesheet changes it."""
    pair = etree.Element("pair")
    for name, data in (("signed", signed), ("other", other)):
        etree.SubElement(pair, name).append(etree.fromstring(data))
    return bytes(etree.XSLT(etree.parse(stylesheet))(pair))


@pytest.mark.parametrize("path", CASES, ids=lambda path: "/".join(path.relative_to(FORGED).parts))
def test_a_forgery_is_named(path: Path, materials: Materials, line: Line) -> None:
    material, expected = path.relative_to(FORGED).parts[:2]
    report = verify_xml(line, forged(path, *materials[material]), FILES)
    assert (report.valid, report.level) == (False, None)
    assert codes(report) == set(expected.split("+"))


def test_a_stylesheet_that_changes_nothing_breaks_nothing(materials: Materials, line: Line) -> None:
    for data, other in materials.values():
        assert verify_xml(line, forged(IDENTITY, data, other), FILES).valid


def test_every_layout_of_wrapping_is_there() -> None:
    for number in range(1, LAYOUTS + 1):
        assert [path for path in CASES if path.name.startswith(f"xsw-{number}-")], number


def test_a_comment_changes_no_value_that_is_read(materials: Materials, line: Line) -> None:
    """X-4: canonicalisation drops the comment, so the reader must see through it, too."""
    original = materials["b"][0]
    tree = etree.fromstring(original)
    element = next(tree.iter("{*}SigningTime"))
    element.text, rest = element.text[:10], element.text[10:]
    element.append(etree.Comment("x"))
    element[0].tail = rest
    report = verify_xml(line, etree.tostring(tree))
    assert report.valid
    assert report.signatures[0].claimed_at == verify_xml(line, original).signatures[0].claimed_at


@pytest.mark.parametrize("algorithm", ["hmac-sha256", "hmac-sha512"])
def test_the_public_key_is_no_secret(algorithm: str, materials: Materials, line: Line) -> None:
    """X-6: a HMAC that is right for the signer's public key as secret."""
    tree = etree.fromstring(materials["b"][0])
    next(tree.iter("{*}SignatureMethod")).set("Algorithm", f"http://www.w3.org/2001/04/xmldsig-more#{algorithm}")
    data = etree.tostring(tree)
    document = XmlDocument.read(data)
    info = document.canonical(next(document.root.iter("{*}SignedInfo")), Canonicalization.EXCLUSIVE)
    key = line.pki.signers["p384"].certificate.public_key()
    for encoding in (Encoding.DER, Encoding.PEM):
        secret = key.public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo)
        value = hmac.digest(secret, info, algorithm.removeprefix("hmac-"))
        next(tree.iter("{*}SignatureValue")).text = base64.b64encode(value).decode()
        assert codes(verify_xml(line, etree.tostring(tree))) == {"SIGNATURE_DAMAGED"}


def test_revocation_values_of_another_authority_prove_nothing(line: Line, lines: Lines) -> None:
    """Answers of another PKI in their place: the level falls to what is left."""
    signed, other = (
        sign_xml(each, {"a.xml": INVOICE}, profile=Profile(Level.LT)).data for each in (line, lines.start())
    )
    assert verify_xml(line, signed).level is Level.LT
    trees = [etree.fromstring(data) for data in (signed, other)]
    for name in ("RevocationValues", "TimeStampValidationData"):
        genuine, foreign = (next(tree.iter(f"{{*}}{name}")) for tree in trees)
        genuine.getparent().replace(genuine, foreign)
    report = verify_xml(line, etree.tostring(trees[0]))
    assert (report.valid, report.level) == (True, Level.T)
    assert [note.code for note in report.signatures[0].notes] == ["NO_VALIDATION_DATA"]


@pytest.mark.parametrize("material", ["t", "lta"])
def test_a_timestamp_of_the_future_is_out_of_order(material: str, materials: Materials, line: Line) -> None:
    report = verify_xml(line, materials[material][0], clock=lambda: utc_now() - timedelta(hours=2))
    assert "TIMESTAMP_ORDER" in codes(report)
    assert (report.valid, report.level) == (False, None)


@pytest.mark.parametrize("packaging", [Packaging.ENVELOPED, Packaging.INTERNALLY_DETACHED], ids=str)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_prefix_in_a_value_cannot_be_bound_anew(packaging: Packaging, encoding: str, line: Line) -> None:
    """Exclusive canonicalisation alone leaves out a namespace that no name uses: `é4217:EUR` would mean another."""
    document = f'<?xml version="1.0" encoding="{encoding}"?>{MEASURE}'.encode(encoding)
    signed = sign_xml(line, {"a.xml": document}, packaging, profile=Profile(Level.B)).data
    assert verify_xml(line, signed).valid
    changed = signed.replace(b"urn:iso4217", b"urn:other")
    assert changed != signed
    assert codes(verify_xml(line, changed)) == {"CONTENT_CHANGED"}


def test_nor_can_the_default_namespace_of_a_value(line: Line) -> None:
    document = b'<x:a xmlns:x="urn:x"><x:b xmlns="urn:iso4217" type="EUR"/></x:a>'
    signed = sign_xml(line, {"a.xml": document}, profile=Profile(Level.B)).data
    assert verify_xml(line, signed).valid
    assert codes(verify_xml(line, signed.replace(b"urn:iso4217", b"urn:other"))) == {"CONTENT_CHANGED"}


def test_prefixes_are_bounded(line: Line) -> None:
    declared = "".join(f'<a xmlns:p{n}="urn:p"/>' for n in range(LIMITS.xml_prefixes + 1))
    with pytest.raises(XmlTooLargeError):
        sign_xml(line, {"a.xml": f"<r>{declared}</r>".encode()}, profile=Profile(Level.B))
    assert sign_xml(line, {"a.xml": f"<r>{declared}</r>".encode()}, Packaging.DETACHED, profile=Profile(Level.B)).data


def test_an_authority_that_was_revoked_before_is_no_proof(lines: Lines) -> None:
    """A list that says so stands behind the archive timestamp, where anybody may add it."""
    line = lines.start()
    tree = etree.fromstring(sign_xml(line, {"a.xml": INVOICE}).data)
    line.pki.revoke(line.pki.tsu.certificate, at=utc_now() - timedelta(days=1))
    told = base64.b64encode(line.pki.crl("timestamping")).decode()
    stamp = next(tree.iter("{*}ArchiveTimeStamp"))
    lists = etree.fromstring(
        f'<d:TimeStampValidationData xmlns:d="{XADES141}" xmlns:x="{XADES}"><x:RevocationValues><x:CRLValues>'
        f"<x:EncapsulatedCRLValue>{told}</x:EncapsulatedCRLValue></x:CRLValues></x:RevocationValues>"
        "</d:TimeStampValidationData>"
    )
    stamp.getparent().append(lists)
    report = verify_xml(line, etree.tostring(tree))
    assert (report.valid, report.level) == (False, None)
    assert [problem.code for problem in report.archive_timestamps[0].problems] == ["TIMESTAMP_REVOCATION"]
