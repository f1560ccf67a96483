"""Changes to signed XML, by name: what is changed, and what our verification must say of it (X-3, X-6, X-7, X-9, X-10).

A vector is an entry: its material, an edit of the tree, the codes of the problems, and whether EU DSS is content.
"""

import base64
from collections.abc import Callable
from copy import deepcopy
from dataclasses import dataclass

from lxml import etree

from signing.xades.names import CONTAINER, DS, XADES, XADES141

NAMES = {"ds": DS, "xades": XADES, "xades141": XADES141, "fts": CONTAINER, "i": "urn:example:invoice"}
DSIG_11_HMAC = "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"
RSA_SHA1 = "http://www.w3.org/2000/09/xmldsig#rsa-sha1"
SHA1 = "http://www.w3.org/2000/09/xmldsig#sha1"
XSLT = "http://www.w3.org/TR/1999/REC-xslt-19991116"
INCLUSIVE = "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"

Edit = Callable[[etree._Element, etree._Element], None]
"""Changes the first tree; the second is another signed document, to steal from."""


@dataclass(frozen=True)
class Vector:
    """One change."""

    material: str
    edit: Edit
    codes: frozenset[str]
    dss_content: bool = False
    """Whether EU DSS finds nothing wrong."""


def one(tree: etree._Element, path: str) -> etree._Element:
    """The first element of a path."""
    found = tree.xpath(path, namespaces=NAMES)
    assert found, path
    return found[0]


def sets(path: str, name: str, value: str) -> Edit:
    """An attribute gets a value."""
    return lambda tree, _: one(tree, path).set(name, value)


def writes(path: str, text: Callable[[str], str]) -> Edit:
    """A text is changed."""

    def edit(tree: etree._Element, _: etree._Element) -> None:
        element = one(tree, path)
        element.text = text(element.text or "")

    return edit


def removes(path: str) -> Edit:
    """An element goes."""

    def edit(tree: etree._Element, _: etree._Element) -> None:
        element = one(tree, path)
        element.getparent().remove(element)

    return edit


def adds(path: str, xml: str) -> Edit:
    """An element is appended."""
    return lambda tree, _: one(tree, path).append(etree.fromstring(xml))


def steals(path: str) -> Edit:
    """An element is replaced by the other document's."""

    def edit(tree: etree._Element, other: etree._Element) -> None:
        element = one(tree, path)
        element.getparent().replace(element, deepcopy(one(other, path)))

    return edit


def flips(text: str) -> str:
    """Change one character of base64 in the middle."""
    middle = len(text) // 2
    return text[:middle] + ("A" if text[middle] != "A" else "B") + text[middle + 1 :]


def flips_signature(text: str) -> str:
    """Change one character near the end, where a token has its signature: a carried certificate may change unseen."""
    return text[:-12] + ("A" if text[-12] != "A" else "B") + text[-11:]


def fake_signed_properties(tree: etree._Element, _: etree._Element) -> None:
    """The signed ones go into an object of their own; in their place stand others with another time."""
    genuine = one(tree, "//xades:SignedProperties")
    fake = deepcopy(genuine)
    fake.set("Id", "fake")
    one(fake, ".//xades:SigningTime").text = "2001-01-01T00:00:00Z"
    genuine.getparent().replace(genuine, fake)
    holder = etree.SubElement(one(tree, "//ds:Signature"), f"{{{DS}}}Object")
    holder.append(genuine)


def same_id_twice(tree: etree._Element, _: etree._Element) -> None:
    """A copy of the signed properties, changed, with the same identifier, before the genuine ones."""
    genuine = one(tree, "//xades:SignedProperties")
    fake = deepcopy(genuine)
    one(fake, ".//xades:SigningTime").text = "2001-01-01T00:00:00Z"
    holder = etree.Element(f"{{{DS}}}Object")
    holder.append(fake)
    one(tree, "//ds:Signature").insert(3, holder)


def wrapped_document(tree: etree._Element, _: etree._Element) -> None:
    """The signed document moves into a wrapper; a fake one takes its place in the container."""
    genuine = one(tree, "//fts:Document")
    fake = deepcopy(genuine)
    fake.set("Id", "fake")
    one(fake, "*").clear()
    genuine.getparent().replace(genuine, fake)
    wrapper = etree.SubElement(tree, "wrapper")
    wrapper.append(genuine)


def unsigned_document_beside(tree: etree._Element, _: etree._Element) -> None:
    """Another document is put into the container."""
    other = deepcopy(one(tree, "//fts:Document"))
    other.set("Id", "other")
    tree.insert(0, other)


def data_moved_out(tree: etree._Element, _: etree._Element) -> None:
    """The signed document leaves the container; the reference leads nowhere."""
    removes("//fts:Document")(tree, tree)


def two_tokens(tree: etree._Element, _: etree._Element) -> None:
    """A container gets its token twice."""
    token = one(tree, "//xades:SignatureTimeStamp/xades:EncapsulatedTimeStamp")
    token.getparent().append(deepcopy(token))


def archive_with_the_signature_s_token(tree: etree._Element, _: etree._Element) -> None:
    """The archive timestamp shows the token of the signature timestamp."""
    token = one(tree, "//xades:SignatureTimeStamp/xades:EncapsulatedTimeStamp").text
    one(tree, "//xades141:ArchiveTimeStamp/xades:EncapsulatedTimeStamp").text = token


def order_changed(tree: etree._Element, _: etree._Element) -> None:
    """The revocation values move behind the archive timestamp."""
    values = one(tree, "//xades:RevocationValues")
    values.getparent().append(values)


def another_signature(tree: etree._Element, other: etree._Element) -> None:
    """The whole signature is another document's."""
    steals("//ds:Signature")(tree, other)


def vector(material: str, edit: Edit, *codes: str, dss_content: bool = False) -> Vector:
    return Vector(material, edit, frozenset(codes), dss_content)


_COUNTER = (
    f'<xades:CounterSignature xmlns:xades="{XADES}"><ds:Signature xmlns:ds="{DS}" Id="c"><ds:SignedInfo/>'
    "</ds:Signature></xades:CounterSignature>"
)
_XPATH = f'<ds:XPath xmlns:ds="{DS}">1=0</ds:XPath>'
_FILTER = '<f:XPath xmlns:f="http://www.w3.org/2002/06/xmldsig-filter2" Filter="intersect">/nothing</f:XPath>'
_NEW_CERTIFICATE = "//ds:X509Certificate"


def transform(algorithm: str, child: str | None = None) -> Edit:
    """The first transform of the document's reference is another."""

    def edit(tree: etree._Element, _: etree._Element) -> None:
        element = one(tree, "//ds:Reference[@URI='']/ds:Transforms/ds:Transform")
        element.set("Algorithm", algorithm)
        element[:] = [] if child is None else [etree.fromstring(child)]

    return edit


VECTORS = {
    "content": vector("lta", writes("//i:Note", lambda _: "other"), "CONTENT_CHANGED", "ARCHIVE_TIMESTAMP"),
    "content at B": vector("b", writes("//i:Note", lambda _: "other"), "CONTENT_CHANGED"),
    "attribute of the root": vector("b", sets("/*", "paid", "yes"), "CONTENT_CHANGED"),
    "element added": vector("b", adds("/*", "<total>0</total>"), "CONTENT_CHANGED"),
    "element removed": vector("b", removes("//i:Note"), "CONTENT_CHANGED"),
    "signing time": vector("b", writes("//xades:SigningTime", lambda _: "2001-01-01T00:00:00Z"), "CONTENT_CHANGED"),
    "media type": vector("b", writes("//xades:MimeType", lambda _: "text/plain"), "CONTENT_CHANGED"),
    "signature value": vector("b", writes("//ds:SignatureValue", flips), "SIGNATURE_INVALID"),
    "digest value": vector("b", writes("//ds:DigestValue", flips), "CONTENT_CHANGED", "SIGNATURE_INVALID"),
    "certificate of another": vector("b", steals(_NEW_CERTIFICATE), "SIGNATURE_INVALID"),
    "no certificate": vector("b", removes("//ds:X509Data"), "SIGNATURE_INVALID"),
    "certificate reference of another": vector(
        "b", steals("//xades:SigningCertificateV2"), "CONTENT_CHANGED", "SIGNATURE_INVALID"
    ),
    "certificate reference gone": vector(
        "b", removes("//xades:SigningCertificateV2"), "CONTENT_CHANGED", "SIGNATURE_INVALID"
    ),
    "signature of another document": vector("b", another_signature, "CONTENT_CHANGED"),
    "HMAC": vector("b", sets("//ds:SignatureMethod", "Algorithm", DSIG_11_HMAC), "SIGNATURE_DAMAGED"),
    "RSA with SHA-1": vector("b", sets("//ds:SignatureMethod", "Algorithm", RSA_SHA1), "SIGNATURE_DAMAGED"),
    "digest SHA-1": vector("b", sets("//ds:DigestMethod", "Algorithm", SHA1), "REFERENCE", "SIGNATURE_INVALID"),
    "XSLT": vector("b", transform(XSLT), "REFERENCE", "SIGNATURE_INVALID"),
    "XPath that takes all out": vector(
        "b",
        transform("http://www.w3.org/TR/1999/REC-xpath-19991116", _XPATH),
        "REFERENCE",
        "SIGNATURE_INVALID",
    ),
    "filter that takes all out": vector(
        "b", transform("http://www.w3.org/2002/06/xmldsig-filter2", _FILTER), "REFERENCE", "SIGNATURE_INVALID"
    ),
    "reference to the net": vector(
        "b", sets("//ds:Reference", "URI", "http://127.0.0.1:9/x"), "REFERENCE", "SIGNATURE_INVALID"
    ),
    "reference gone": vector("b", removes("//ds:Reference"), "SIGNATURE_DAMAGED"),
    "properties of another signature": vector(
        "b", sets("//xades:QualifyingProperties", "Target", "#other"), "SIGNATURE_DAMAGED", dss_content=True
    ),
    "fake signed properties": vector("b", fake_signed_properties, "REFERENCE"),
    "same identifier twice": vector("b", same_id_twice, "REFERENCE"),
    "object added": vector(
        "b", adds("//ds:Signature", f'<Object xmlns="{DS}">x</Object>'), "OBJECT_NOT_SIGNED", dss_content=True
    ),
    "enveloped object": vector("enveloping", writes("//ds:Object[@MimeType]", flips), "CONTENT_CHANGED"),
    "enveloped object gone": vector("enveloping", removes("//ds:Object[@MimeType]"), "REFERENCE"),
    "document moved into a wrapper": vector("container", wrapped_document, "PART_COVERED", dss_content=True),
    "document beside the signed ones": vector("container", unsigned_document_beside, "PART_COVERED", dss_content=True),
    "document gone": vector("container", data_moved_out, "REFERENCE"),
    "manifest entry": vector("manifest", writes("//ds:Manifest//ds:DigestValue", flips), "CONTENT_CHANGED"),
    "manifest entry gone": vector("manifest", removes("//ds:Manifest/ds:Reference"), "CONTENT_CHANGED"),
    "counter-signature as a child of the signature": vector(
        "t", adds("/*/ds:Signature", _COUNTER), "SIGNATURE_DAMAGED", "UNSUPPORTED_FORMAT"
    ),
    "signature without content": vector(
        "b", adds("/*", f'<ds:Signature xmlns:ds="{DS}" Id="empty"/>'), "SIGNATURE_DAMAGED"
    ),
    "timestamp of another signature": vector("t", steals("//xades:EncapsulatedTimeStamp"), "TIMESTAMP_INVALID"),
    "timestamp token": vector("t", writes("//xades:EncapsulatedTimeStamp", flips_signature), "TIMESTAMP_INVALID"),
    "two tokens": vector("t", two_tokens, "TIMESTAMP_INVALID"),
    "timestamp canonicalised otherwise": vector(
        "t", sets("//xades:SignatureTimeStamp/ds:CanonicalizationMethod", "Algorithm", INCLUSIVE), "TIMESTAMP_INVALID"
    ),
    "archived signature timestamp gone": vector(
        "lta", removes("//xades:SignatureTimeStamp"), "CONTENT_CHANGED", "ARCHIVE_TIMESTAMP"
    ),
    "archived values gone": vector("lta", removes("//xades:OCSPValues"), "CONTENT_CHANGED", "ARCHIVE_TIMESTAMP"),
    "archived values changed": vector(
        "lta", writes("//xades:EncapsulatedOCSPValue", flips), "CONTENT_CHANGED", "ARCHIVE_TIMESTAMP"
    ),
    "white space in archived values": vector(
        "lta", writes("//xades:EncapsulatedOCSPValue", lambda text: f"{text}\n"), "CONTENT_CHANGED", "ARCHIVE_TIMESTAMP"
    ),
    "values behind the archive timestamp": vector("lta", order_changed, "CONTENT_CHANGED", "ARCHIVE_TIMESTAMP"),
    "archived KeyInfo with one certificate more": vector(
        "lta",
        lambda tree, other: one(tree, "//ds:X509Data").append(deepcopy(one(other, "//ds:X509Certificate"))),
        "CONTENT_CHANGED",
        "ARCHIVE_TIMESTAMP",
    ),
    "archive token of another": vector(
        "lta",
        steals("//xades141:ArchiveTimeStamp/xades:EncapsulatedTimeStamp"),
        "CONTENT_CHANGED",
        "ARCHIVE_TIMESTAMP",
    ),
    "archive shows the signature's token": vector(
        "lta", archive_with_the_signature_s_token, "CONTENT_CHANGED", "ARCHIVE_TIMESTAMP"
    ),
    "archive token": vector(
        "lta",
        writes("//xades141:ArchiveTimeStamp/xades:EncapsulatedTimeStamp", flips_signature),
        "TIMESTAMP_INVALID",
        "ARCHIVE_TIMESTAMP",
    ),
    "archive token is no base64": vector(
        "lta",
        writes("//xades141:ArchiveTimeStamp/xades:EncapsulatedTimeStamp", lambda _: base64.b85encode(b"~!").decode()),
        "TIMESTAMP_INVALID",
        "ARCHIVE_TIMESTAMP",
    ),
}
