"""Signatures that xmlsec1 makes, in forms that we never write, verified and extended by us (FTS-SIG-8)."""

import base64
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from lxml import etree

from signing.ports import Level, Profile
from signing.xades.names import DS, ENVELOPED, EXCLUSIVE_PREFIXES, XPATH
from signing.xades.ports import Packaging
from signing.xades.references import References
from signing.xml.c14n import XmlDocument
from signing.xml.ports import Canonicalization
from tests.conformance.programs import run
from tests.conformance.xades.conftest import XmlJudge
from tests.support.line import Line
from tests.support.xades import extend_xml, sign_xml, verify_xml
from timestamping.algorithms import DigestAlgorithm

DOCUMENT = (
    b'<a xml:lang="fr" xml:base="http://h/x/" xml:space="preserve" xmlns="urn:d" xmlns:z="urn:z" xmlns:u="urn:unused">'
    b'<b z:q="1"><c><d/></c></b><!-- comment --> text\n</a>'
)
PLAIN = DOCUMENT.replace(b' xml:lang="fr" xml:base="http://h/x/" xml:space="preserve"', b"")
"""For node sets that no transform canonicalises: there EU DSS lets inherited `xml:` attributes into the imprint."""
Edit = Callable[[etree._Element], None]


def canonicalised(method: Canonicalization) -> Edit:
    """SignedInfo and the references by another algorithm."""

    def edit(tree: etree._Element) -> None:
        exclusive = Canonicalization.EXCLUSIVE.value
        for element in tree.iterfind(f".//{{{DS}}}SignedInfo//*[@Algorithm='{exclusive}']"):
            element.set("Algorithm", method.value)

    return edit


def enveloped(tree: etree._Element) -> None:
    """The enveloped-signature transform instead of Filter 2."""
    transform = next(tree.iter(f"{{{DS}}}Transform"))
    transform.set("Algorithm", ENVELOPED)
    transform[:] = []


def by_xpath(tree: etree._Element) -> None:
    """XPath instead of Filter 2."""
    transform = next(tree.iter(f"{{{DS}}}Transform"))
    transform.set("Algorithm", XPATH)
    transform[:] = []
    etree.SubElement(transform, f"{{{DS}}}XPath").text = "not(ancestor-or-self::ds:Signature)"


def with_prefixes(tree: etree._Element) -> None:
    """A PrefixList in SignedInfo and in the reference to the signed properties."""
    for element in (
        next(tree.iter(f"{{{DS}}}CanonicalizationMethod")),
        list(tree.iter(f"{{{DS}}}Transform"))[-1],
    ):
        etree.SubElement(element, EXCLUSIVE_PREFIXES, {"PrefixList": "u z #default"})


def without_transform(tree: etree._Element) -> None:
    """The signed properties without any transform: C14N 1.0 is meant."""
    transforms = list(tree.iter(f"{{{DS}}}Transforms"))[-1]
    transforms.getparent().remove(transforms)


VARIANTS: dict[str, Edit] = {
    **{method.name: canonicalised(method) for method in Canonicalization},
    "enveloped-signature": enveloped,
    "XPath": by_xpath,
    "PrefixList": with_prefixes,
    "no transform": without_transform,
}


@pytest.mark.parametrize("name", VARIANTS)
def test_signatures_of_xmlsec(name: str, full_line: Line, xml_judge: XmlJudge, tmp_path: Path) -> None:
    tree = etree.fromstring(
        sign_xml(
            full_line,
            {"a.xml": PLAIN if name == "no transform" else DOCUMENT},
            signer="rsa3072",
            profile=Profile(Level.B),
        ).data
    )
    VARIANTS[name](tree)
    signed = signed_by_xmlsec(tree, full_line, tmp_path)
    report = verify_xml(full_line, signed)
    assert (report.valid, report.level, report.problems) == (True, Level.B, [])
    longer, extended = extend_xml(full_line, signed)
    assert extended.incomplete == ()
    assert verify_xml(full_line, longer).level is Level.LTA
    assert xml_judge(longer).verdict("LTA", timestamps=2, form="XAdES") == []
    changed = signed.replace(b"<b ", b"<b x='1' ", 1)
    assert not verify_xml(full_line, changed).valid


def test_a_signature_over_its_own_keys_is_about_nothing(full_line: Line, tmp_path: Path) -> None:
    signature = sign_xml(full_line, {"a.xml": PLAIN}, Packaging.DETACHED, "rsa3072", Profile(Level.B)).data
    tree = etree.fromstring(signature)
    next(tree.iter(f"{{{DS}}}KeyInfo")).set("Id", "keys")
    next(tree.iter(f"{{{DS}}}Reference")).set("URI", "#keys")
    (report,) = verify_xml(full_line, signed_by_xmlsec(tree, full_line, tmp_path)).signatures
    assert [problem.code for problem in report.problems] == ["REFERENCE"]


def test_a_manifest_that_is_taken_out_can_be_filled_by_anybody(full_line: Line) -> None:
    files = {"a.xml": PLAIN}
    tree = etree.fromstring(sign_xml(full_line, files, Packaging.MANIFEST, "rsa3072", Profile(Level.B)).data)
    next(tree.iter(f"{{{DS}}}Transforms")).insert(0, etree.Element(f"{{{DS}}}Transform", Algorithm=ENVELOPED))
    document = XmlDocument.read(etree.tostring(tree))
    root = document.root
    digest = (
        References(document).dereference(next(root.iter(f"{{{DS}}}Reference")), root).digest(DigestAlgorithm.SHA256)
    )
    next(root.iter(f"{{{DS}}}DigestValue")).text = base64.b64encode(digest).decode()
    document.changed()
    info = document.canonical(next(root.iter(f"{{{DS}}}SignedInfo")), Canonicalization.EXCLUSIVE)
    key = full_line.pki.signers["rsa3072"].key
    assert isinstance(key, rsa.RSAPrivateKey)
    value = key.sign(info, padding.PKCS1v15(), SHA256())
    next(root.iter(f"{{{DS}}}SignatureValue")).text = base64.b64encode(value).decode()
    (report,) = verify_xml(full_line, etree.tostring(root), files).signatures
    assert [(p.code, "Manifest" in p.message) for p in report.problems] == [("REFERENCE", True)]


def signed_by_xmlsec(tree: etree._Element, line: Line, folder: Path) -> bytes:
    """The tree with digests and value by xmlsec1."""
    for name in ("DigestValue", "SignatureValue"):
        for element in tree.iterfind(f".//{{{DS}}}SignedInfo//{{{DS}}}{name}"):
            element.text = None
    next(tree.iter(f"{{{DS}}}SignatureValue")).text = None
    template, key, output = folder / "template.xml", folder / "key.pem", folder / "signed.xml"
    template.write_bytes(etree.tostring(tree))
    private = line.pki.signers["rsa3072"].key
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    names = ("http://uri.etsi.org/01903/v1.3.2#:SignedProperties", f"{DS}:KeyInfo", f"{DS}:Manifest")
    identified = [part for name in names for part in ("--id-attr:Id", name)]
    done = run(
        "env", "-C", folder, "xmlsec1", "--sign", "--privkey-pem", key, *identified, "--output", output, template
    )
    assert done.returncode == 0, done.stderr
    return output.read_bytes()
