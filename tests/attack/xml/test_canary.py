"""Nothing that a document names is opened or connected to: a file and a port are watched (X-1, X-7)."""

import ctypes
import os
import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from lxml import etree

from signing.ports import DocumentError, Level, Profile
from signing.xades.ports import Packaging
from signing.xml.c14n import XmlDocument
from signing.xml.ports import Canonicalization
from tests.attack.xml.conftest import FILES, codes
from tests.support.line import Line
from tests.support.xades import INVOICE, sign_xml, verify_xml

IN_OPEN = 0x20
EVENT_BYTES = 4096
ENCODINGS = ("utf-8", "utf-16", "utf-16-le", "utf-7", "utf-32")
DOCUMENTS = (
    '<!DOCTYPE a SYSTEM "{url}"><a/>',
    '<!DOCTYPE a PUBLIC "-//X//Y" "{url}"><a/>',
    '<!DOCTYPE a [<!ENTITY x SYSTEM "{url}">]><a>&x;</a>',
    '<!DOCTYPE a [<!ENTITY x SYSTEM "{url}">]><a b="&x;"/>',
    '<!DOCTYPE a [<!ENTITY x PUBLIC "-//X//Y" "{url}" NDATA n><!NOTATION n SYSTEM "{url}">]><a/>',
    '<!DOCTYPE a [<!ENTITY % x SYSTEM "{url}">%x;]><a/>',
    '<a xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:a {url}"/>',
    '<a xmlns:xi="http://www.w3.org/2001/XInclude"><xi:include href="{url}" parse="text"/></a>',
    '<?xml-stylesheet type="text/xsl" href="{url}"?><a/>',
    '<?xml-model href="{url}"?><a xml:base="{url}"/>',
)


@dataclass
class Canary:
    """A file and a port that tell whether anybody came."""

    file: Path
    _watch: int
    _server: socket.socket

    @property
    def urls(self) -> tuple[str, ...]:
        """Addresses of the file and the port."""
        return self.file.as_uri(), str(self.file), f"http://127.0.0.1:{self._server.getsockname()[1]}/x"

    def was_visited(self) -> bool:
        """Whether the file was opened or the port connected to, since it was asked last."""
        visits: list[object] = []
        with suppress(BlockingIOError):
            visits.append(os.read(self._watch, EVENT_BYTES))
        with suppress(BlockingIOError):
            connection, address = self._server.accept()
            connection.close()
            visits.append(address)
        return bool(visits)


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Canary]:
    path = tmp_path / "canary.txt"
    path.write_text("root:x:0:0")
    libc = ctypes.CDLL(None, use_errno=True)
    with ExitStack() as stack:
        server = stack.enter_context(closing(socket.create_server(("127.0.0.1", 0))))
        server.setblocking(False)
        watch = libc.inotify_init1(os.O_NONBLOCK)
        stack.callback(os.close, watch)
        assert libc.inotify_add_watch(watch, os.fsencode(path), IN_OPEN) >= 0
        yield Canary(path, watch, server)


def test_the_canary_sings(canary: Canary) -> None:
    assert not canary.was_visited()
    canary.file.read_text()
    assert canary.was_visited()
    assert not canary.was_visited()
    with socket.create_connection(("127.0.0.1", int(canary.urls[2].rsplit(":")[-1].rstrip("/x")))):
        assert canary.was_visited()
    parser = etree.XMLParser(load_dtd=True, resolve_entities=True)
    etree.fromstring(f'<!DOCTYPE a [<!ENTITY x SYSTEM "{canary.urls[0]}">]><a>&x;</a>', parser)
    assert canary.was_visited()


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_reading_visits_nobody(encoding: str, canary: Canary) -> None:
    for text in DOCUMENTS:
        for url in canary.urls:
            declared = f'<?xml version="1.0" encoding="{encoding}"?>{text.format(url=url)}'.encode(encoding)
            try:
                form = XmlDocument.read(declared).canonical(None, Canonicalization.C14N_10)
            except DocumentError as refusal:
                assert refusal.remedy  # noqa: PT017  some documents are accepted
            else:
                assert "DOCTYPE" not in text
                assert b"root:x" not in form
    assert not canary.was_visited()


EDITS = {
    "URI": lambda tree, url: next(tree.iter("{*}Reference")).set("URI", url),
    "transform": lambda tree, url: next(tree.iter("{*}Transform")).set("Algorithm", url),
    "digest method": lambda tree, url: next(tree.iter("{*}DigestMethod")).set("Algorithm", url),
    "signature method": lambda tree, url: next(tree.iter("{*}SignatureMethod")).set("Algorithm", url),
    "retrieval method": lambda tree, url: etree.SubElement(
        next(tree.iter("{*}KeyInfo")), "{http://www.w3.org/2000/09/xmldsig#}RetrievalMethod", URI=url
    ),
    "XSLT": lambda tree, url: next(tree.iter("{*}Transform")).append(
        etree.fromstring(
            '<x:stylesheet xmlns:x="http://www.w3.org/1999/XSL/Transform" version="1.0">'
            f'<x:include href="{url}"/></x:stylesheet>'
        )
    ),
    "base": lambda tree, url: tree.set("{http://www.w3.org/XML/1998/namespace}base", url),
}


@pytest.mark.parametrize("packaging", [Packaging.ENVELOPED, Packaging.MANIFEST], ids=str)
@pytest.mark.parametrize("name", EDITS)
def test_verification_visits_nobody(name: str, packaging: Packaging, canary: Canary, line: Line) -> None:
    documents = {"invoice.xml": INVOICE} if packaging is Packaging.ENVELOPED else FILES
    signed = sign_xml(line, documents, packaging, profile=Profile(Level.B)).data
    for url in canary.urls:
        tree = etree.fromstring(signed)
        EDITS[name](tree, url)
        report = verify_xml(line, etree.tostring(tree), FILES)
        is_harmless = name == "retrieval method" or (name == "base" and packaging is Packaging.MANIFEST)
        assert report.valid is is_harmless, codes(report)
    assert not canary.was_visited()
