"""Canonical forms beside those of Apache Santuario, which shares no code with libxml2 (FTS-SIG-5)."""

from pathlib import Path

import pytest
from lxml import etree

from signing.xml.c14n import XmlDocument
from signing.xml.ports import Canonicalization, CanonicalizationError
from tests.oracles.oracle import Oracle
from tests.support.xades import INVOICE

DOCUMENTS = {
    "invoice": INVOICE,
    "inherited attributes": (
        b'<a xml:lang="fr" xml:base="http://h/x/" xml:id="A" xml:space="preserve" xmlns="urn:d" xmlns:z="urn:z" '
        b'xmlns:u="urn:unused"><b z:q="1"><c><d/></c></b></a>'
    ),
    "default namespace high up": b'<a xmlns="urn:a"><b><c><d/></c><e xmlns=""><f/></e></b></a>',
    "prefixes declared anew": (
        b'<p:a xmlns:p="urn:1"><p:b xmlns:p="urn:2"><p:c xmlns:p="urn:1" p:x="1" x="2"/></p:b></p:a>'
    ),
    "comments and instructions": (
        b"<?one two?><!-- before --><a><!-- in --><?pi ?>x<b/>y<!-- after --></a><!-- last -->"
    ),
    "character references": b'<a b="&#9;&#10;&#13;&quot;&lt;\'">&#13;&gt;&amp;<![CDATA[<&>]]>\r\nline\rline</a>',
    "mixed content": "<p>Een <b>zin</b> met <i>vér<b>der</b></i> \U0001f600.</p>".encode(),
}
PREFIXES = ("u", "")
"""For exclusive with PrefixList: a prefix that nothing visibly uses, and the default namespace."""


BASES = b'<a xml:base="http://h/x/" xml:lang="fr"><b xml:base="../y/"><c xml:base="z" xml:lang="nl"><d/></c></b></a>'


@pytest.fixture(params=DOCUMENTS, ids=str)
def document(request: pytest.FixtureRequest) -> bytes:
    return DOCUMENTS[request.param]


@pytest.mark.parametrize("method", list(Canonicalization), ids=lambda method: method.name)
def test_every_element_is_as_santuario_makes_it(
    document: bytes, method: Canonicalization, oracle: Oracle, tmp_path: Path
) -> None:
    path = tmp_path / "document.xml"
    path.write_bytes(document)
    read = XmlDocument.read(document)
    ours = [read.canonical(element, method) for element in read.root.iter(etree.Element)]
    assert ours == oracle.canonicalize(path, method)


def test_the_base_is_joined_in_1_1_and_the_nearest_ancestor_counts_in_1_0(oracle: Oracle, tmp_path: Path) -> None:
    path = tmp_path / "document.xml"
    path.write_bytes(BASES)
    read = XmlDocument.read(BASES)
    joined = [read.canonical(element, Canonicalization.C14N_11) for element in read.root.iter(etree.Element)]
    assert joined == oracle.canonicalize(path, Canonicalization.C14N_11)
    nearest = read.canonical(read.root[0][0][0], Canonicalization.C14N_10)
    assert nearest == b'<d xml:base="z" xml:lang="nl"></d>'


def test_a_prefix_list_keeps_what_is_not_used(document: bytes, oracle: Oracle, tmp_path: Path) -> None:
    path = tmp_path / "document.xml"
    path.write_bytes(document)
    read = XmlDocument.read(document)
    method = Canonicalization.EXCLUSIVE
    ours = [read.canonical(element, method, prefixes=PREFIXES) for element in read.root.iter(etree.Element)]
    assert ours == oracle.canonicalize(path, method, "u #default")


def test_the_document_has_what_stands_around_its_root() -> None:
    read = XmlDocument.read(DOCUMENTS["comments and instructions"])
    assert read.canonical(None, Canonicalization.C14N_10) == b"<?one two?>\n<a><?pi?>x<b></b>y</a>"
    assert read.canonical(None, Canonicalization.C14N_10_COMMENTS) == (
        b"<?one two?>\n<!-- before -->\n<a><!-- in --><?pi?>x<b></b>y<!-- after --></a>\n<!-- last -->"
    )


@pytest.mark.parametrize("method", list(Canonicalization), ids=lambda method: method.name)
def test_what_is_left_out_leaves_the_rest_as_it_was(method: Canonicalization) -> None:
    data = b'<a xmlns:n="urn:n">1<x/>2<x><x/></x><n:k/>3<x/></a>'
    read = XmlDocument.read(data)
    left_out = list(read.root.iter("x"))
    without = XmlDocument.read(data.replace(b"<x><x/></x>", b"").replace(b"<x/>", b""))
    assert read.canonical(None, method, without=left_out) == without.canonical(None, method)
    assert read.canonical(None, method) == XmlDocument.read(data).canonical(None, method)


def test_left_out_below_an_element() -> None:
    read = XmlDocument.read(b"<a><b>1<x/>2</b><x/></a>")
    left_out = list(read.root.iter("x"))
    assert read.canonical(read.root[0], Canonicalization.EXCLUSIVE, without=left_out) == b"<b>12</b>"


def test_many_siblings_are_found_from_either_end() -> None:
    read = XmlDocument.read(b"<r>" + b"".join(b"<i n='%d'/>t<!--c-->" % n for n in range(1000)) + b"</r>")
    for element in (read.root[0], read.root[998], read.root[1000], read.root[1998]):
        expected = b'<i n="%s"></i>' % element.get("n").encode()
        assert read.canonical(element, Canonicalization.C14N_10) == expected


def test_a_change_is_seen_once_it_is_said() -> None:
    read = XmlDocument.read(b"<a><b/></a>")
    assert read.canonical(None, Canonicalization.EXCLUSIVE) == b"<a><b></b></a>"
    read.root.remove(read.root[0])
    read.changed()
    assert read.canonical(None, Canonicalization.EXCLUSIVE) == b"<a></a>"


def test_an_element_of_another_document_is_refused() -> None:
    with pytest.raises(CanonicalizationError):
        XmlDocument.read(b"<a/>").canonical(XmlDocument.read(b"<a/>").root, Canonicalization.EXCLUSIVE)


def test_a_relative_namespace_has_no_canonical_form() -> None:
    read = XmlDocument.read(b'<a xmlns="relative/name"/>')
    with pytest.raises(CanonicalizationError):
        read.canonical(None, Canonicalization.C14N_10)


@pytest.mark.parametrize("method", Canonicalization)
def test_nor_has_an_element_below_one(method: Canonicalization) -> None:
    read = XmlDocument.read(b'<a xmlns:n="relative/name"><b><c/></b><k/></a>')
    for element in (read.root, read.root[0], read.root[0][0], read.root[1], read.root[1]):
        with pytest.raises(CanonicalizationError):
            read.canonical(element, method)
    assert XmlDocument.read(b"<a><b/></a>").canonical(None, method) == b"<a><b></b></a>"
