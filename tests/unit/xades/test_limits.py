"""Bounds on what one signature may make the verifier do, and what happens without libxml2 (FTS-SIG-8)."""

import base64
from collections.abc import Iterator
from dataclasses import replace

import pytest
from lxml import etree

from signing.limits import LIMITS
from signing.ports import Level, Profile
from signing.xades.coverage import Coverage, check_references
from signing.xades.names import ds
from signing.xades.ports import Packaging
from signing.xades.references import References, UnresolvedReferenceError, file_uri
from signing.xades.structure import MalformedSignatureError, read_signature
from signing.xml import libxml2
from signing.xml.c14n import XmlDocument
from signing.xml.ports import Canonicalization, XmlEngineMissingError
from tests.support.line import Line
from tests.support.xades import INVOICE, objects, sign_xml, verify_xml

B = Profile(Level.B)


@pytest.fixture
def no_library(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A machine without libxml2."""
    libxml2._library.cache_clear()
    monkeypatch.setattr(libxml2, "_NAME", "libxml2-that-is-not-there.so.2")
    yield
    libxml2._library.cache_clear()


@pytest.mark.usefixtures("no_library")
def test_without_the_library_nothing_is_canonicalised() -> None:
    with pytest.raises(XmlEngineMissingError):
        libxml2.load()
    with pytest.raises(XmlEngineMissingError):
        XmlDocument.read(b"<a/>").canonical(None, Canonicalization.EXCLUSIVE)


def test_references_are_bounded_with_those_of_manifests(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"{n}.bin": b"x" for n in range(5)}
    data = sign_xml(line, files, Packaging.MANIFEST, profile=B).data
    document = XmlDocument.read(data)
    references = References(document, {each.name: each.stream for each in objects(files, "")})
    signature = read_signature(document.root)
    assert len(check_references(references, signature).files) == 5
    monkeypatch.setattr(Coverage, "__init__", _narrow(Coverage.__init__, 6))
    with pytest.raises(UnresolvedReferenceError, match="more than"):
        check_references(references, signature)


def test_references_of_signed_info_are_bounded(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    files = {f"{n}.bin": b"x" for n in range(5)}
    root = XmlDocument.read(sign_xml(line, files, Packaging.DETACHED, profile=B).data).root
    assert len(read_signature(root).references()) == 6
    monkeypatch.setattr("signing.xades.structure.LIMITS", replace(LIMITS, xml_references=5))
    with pytest.raises(MalformedSignatureError, match="too many"):
        read_signature(root)


def test_signatures_are_bounded(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    once = sign_xml(line, {"invoice.xml": INVOICE}, profile=B).data
    twice = sign_xml(line, {"invoice.xml": once}, profile=B).data
    monkeypatch.setattr("signing.xades.verify.LIMITS", replace(LIMITS, signatures=1))
    assert [problem.code for problem in verify_xml(line, twice).problems] == ["TOO_MANY_SIGNATURES"]


@pytest.mark.parametrize(
    ("name", "uri"),
    [("a b", "a%20b"), ("ä", "%C3%A4"), ("100%", "100%25"), ("a+b", "a%2Bb"), ("x/y z", "x/y%20z"), ("a#b?c:d", None)],
)
def test_names_are_percent_encoded_and_found_again(line: Line, name: str, uri: str | None) -> None:
    data = sign_xml(line, {name: b"x"}, Packaging.DETACHED, profile=B).data
    assert uri in {None, file_uri(name)}
    assert verify_xml(line, data, {name: b"x"}).valid
    assert not verify_xml(line, data, {f"{name}2": b"x"}).valid


def test_base64_has_no_line_breaks(line: Line) -> None:
    tree = etree.fromstring(sign_xml(line, {"invoice.xml": INVOICE}).data)
    texts = [each.text or "" for each in tree.iter(ds("X509Certificate"), ds("SignatureValue"), ds("DigestValue"))]
    texts += [each.text or "" for each in tree.iter("{*}EncapsulatedTimeStamp", "{*}EncapsulatedX509Certificate")]
    assert len(texts) > 5
    assert all(base64.b64encode(base64.b64decode(text)).decode() == text for text in texts)


def _narrow(original: object, left: int) -> object:
    def init(self: Coverage) -> None:
        original(self)  # type: ignore[operator]
        self.left = left

    return init
