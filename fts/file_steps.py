# ruff: noqa: ASYNC230, ASYNC240 - one request at a time: nothing else waits for the loop of a document process
"""Steps of the web line for XML and for any file: XAdES in the XML or around a file, and ASiC containers.

As `fts.document_steps`, which hands on what is not PDF: each step begins from files.
"""

from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cryptography import x509

from fts.composition import Composition
from fts.container_tasks import PendingContainer, finish_container, verify_container
from fts.frames import Message
from fts.xml_tasks import PendingXml, finish_xml
from signing.asic import prepare as asic_prepare
from signing.asic.ports import Container
from signing.asic.reading import Opened, opened_as
from signing.ports import Profile
from signing.xades import prepare as xades_prepare
from signing.xades import verify as xades_verify
from signing.xades.ports import DataObject, Packaging
from signing.xades.state import Prepared
from signing.xml.c14n import XmlDocument
from signing.xml.ports import Canonicalization
from signing.xml.preview import count_parts, draw_part, text_of
from signing.xml.reading import parse

_XML_NAME = "document.xml"
"""For the engine: no name goes into a signature that carries its document, or is carried by it."""
_CONTAINERS = {container.media_type: container for container in Container}


def inspect_xml(document: BinaryIO) -> Message:
    """Judge XML: it must be readable, and have a canonical form.

    Raises:
        DocumentError: it cannot be signed.
    """
    text = text_of(document)
    tree = XmlDocument(parse(text.encode("utf-8")))
    tree.canonical(tree.root, Canonicalization.EXCLUSIVE)
    return {
        "pages": count_parts(text),
        "signatures": len(list(xades_verify.signatures_of(tree.root))),
        "repair": None,
    }


def inspect_file(document: BinaryIO, media_type: str) -> Message:
    """Judge a file that is signed as octets; only a container, which gets another signature, is opened.

    Raises:
        ContainerError: what is called a container is no sound one.
    """
    container = _CONTAINERS.get(media_type)
    signatures = 0
    if container is not None:
        signatures = len(opened_as(document, container).signatures)
    return {"pages": None, "signatures": signatures, "repair": None}


def draw_xml(message: Message) -> Message:
    """Put a part of XML, as a person reads it, into the file `text`."""
    with Path(message["document"]).open("rb") as document:
        text = draw_part(document, message["page"])
    Path(message["text"]).write_text(text, encoding="utf-8")
    return {"has_image": False}


async def prepare_file(
    composition: Composition,
    message: Message,
    certificate: x509.Certificate,
    chain: list[x509.Certificate],
    profile: Profile,
) -> Prepared:
    """Check certificate and document and build what is to be signed (errors as the engines' `prepare`)."""
    wanted, clock = _Wanted.of(message), composition.clock
    with ExitStack() as files:
        document = files.enter_context(Path(message["document"]).open("rb"))
        if wanted.container is None:
            return await xades_prepare.prepare(
                wanted.objects(document, None),
                wanted.packaging,
                certificate,
                chain,
                profile,
                engine=composition.engine,
                clock=clock,
            )
        objects = wanted.objects(document, wanted.earlier(document))
        return await asic_prepare.prepare(
            objects, wanted.container, certificate, chain, profile, engine=composition.engine, clock=clock
        )


async def finish_file(composition: Composition, message: Message) -> Message:
    """Make the signed document or container in the file `signed` and check it before release.

    Raises:
        SigningError, TimestampError: no signature at the level could be made.
    """
    prepared = Prepared.from_bytes(Path(message["prepared"]).read_bytes())
    value, wanted = bytes.fromhex(message["signature"]), _Wanted.of(message)
    with ExitStack() as files:
        document = files.enter_context(Path(message["document"]).open("rb"))
        signed = files.enter_context(Path(message["signed"]).open("x+b"))
        if wanted.container is None:
            before = None
            if prepared.packaging is Packaging.ENVELOPED:
                before = xades_verify.verify(document, composition.anchors, clock=composition.clock)
            xml = PendingXml(wanted.objects(document, None), prepared, before)
            return await finish_xml(composition, xml, value, signed)
        earlier = wanted.earlier(document)
        before = None if earlier is None else verify_container(composition, document)
        objects = wanted.objects(document, earlier)
        pending = PendingContainer(objects, wanted.container, prepared, earlier, before)
        return await finish_container(composition, pending, value, signed)


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What a request asks for."""

    container: Container | None
    packaging: Packaging
    name: str
    media_type: str

    @classmethod
    def of(cls, message: Message) -> "_Wanted":
        container = message["container"]
        return cls(
            None if container is None else Container(container),
            Packaging.DETACHED if container else Packaging(message["packaging"]),
            message["name"] if container else _XML_NAME,
            message["media_type"],
        )

    def earlier(self, document: BinaryIO) -> Opened | None:
        """Return the container that gets another signature."""
        if self.container is None or self.media_type != self.container.media_type:
            return None
        return opened_as(document, self.container)

    def objects(self, document: BinaryIO, earlier: Opened | None) -> list[DataObject]:
        """Return the files that are signed."""
        return [DataObject(self.name, document, self.media_type)] if earlier is None else earlier.files
