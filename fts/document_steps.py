# ruff: noqa: ASYNC230, ASYNC240 - one request at a time: nothing else waits for the loop of a document process
"""What a document process does for the web line: inspect, draw a page, prepare and finish, each from files.

Requests name files in a directory that the worker made for the job; every step begins from them, so that any process
on any machine can take the next one (design, section 3).
"""

from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, Final

from cryptography import x509
from cryptography.x509.oid import NameOID

from fts.composition import Composition
from fts.errors import RefusalError
from fts.file_steps import draw_xml, finish_file, inspect_file, inspect_xml, prepare_file
from fts.frames import Message
from fts.media_types import PDF, XML_TYPES
from fts.pdf_tasks import finish_pdf
from fts.profiles.format import Format
from signing.pades.admit import admit
from signing.pades.prepare import prepare
from signing.pades.source import PdfSource
from signing.pades.state import Prepared
from signing.ports import Level, Profile
from signing.preview import draw_page
from signing.xades.state import Prepared as PreparedFile
from timestamping.algorithms import DigestAlgorithm

_CHUNK: Final = 1 << 20


def inspect(message: Message) -> Message:
    """Judge an upload; a rewritten form goes to the file `rewritten`.

    Raises:
        DocumentError: the document cannot be signed.
    """
    media_type = message["media_type"]
    with Path(message["document"]).open("rb") as document:
        if media_type in XML_TYPES:
            return inspect_xml(document)
        if media_type != PDF:
            return inspect_file(document, media_type)
        admission = admit(document, allow_rewrite=message["allow_rewrite"])
        repair = admission.repaired
        if repair is not None:
            _copy(admission.stream, Path(message["rewritten"]))
        return {
            "pages": admission.pages,
            "signatures": admission.signatures,
            "repair": repair
            and {
                "original_sha256": repair.original_sha256.hex(),
                "rewritten_sha256": repair.rewritten_sha256.hex(),
                "findings": list(repair.findings),
            },
        }


def draw(message: Message) -> Message:
    """Draw a page into the file `image` (PNG) and put its text into the file `text`; XML has text only."""
    if message["media_type"] in XML_TYPES:
        return draw_xml(message)
    with Path(message["document"]).open("rb") as document:
        shown = draw_page(document, message["page"])
    Path(message["image"]).write_bytes(shown.png)
    Path(message["text"]).write_text(shown.text, encoding="utf-8")
    return {"has_image": True}


async def prepare_from(composition: Composition, message: Message) -> Message:
    """Check the certificate and build what is to be signed; what finishing needs goes to the file `prepared`.

    Raises:
        SigningError: certificate, revocation or document are not as they must be.
        RefusalError: SIGNER_NOT_ALLOWED.
    """
    certificate, *chain = (x509.load_der_x509_certificate(bytes.fromhex(c)) for c in message["certificates"])
    composition.engine.path(certificate, chain, composition.clock())
    number = _attribute(certificate, NameOID.SERIAL_NUMBER)
    if message["allowed_number"] not in (None, number):
        raise RefusalError("SIGNER_NOT_ALLOWED", "the certificate belongs to another person", "Use the right card.")
    profile = Profile(
        Level(message["level"]), DigestAlgorithm(message["digest"]), DigestAlgorithm(message["archive_digest"])
    )
    prepared: Prepared | PreparedFile
    if message["format"] == Format.PADES:
        with Path(message["document"]).open("rb") as document:
            prepared = await prepare(
                PdfSource(document), certificate, chain, profile, engine=composition.engine, clock=composition.clock
            )
    else:
        prepared = await prepare_file(composition, message, certificate, chain, profile)
    Path(message["prepared"]).write_bytes(prepared.to_bytes())
    return {
        "digest": prepared.digest.hex(),
        "digest_algorithm": prepared.profile.digest.value,
        "signature_algorithm": prepared.algorithm.hex(),
        "signer_name": _attribute(certificate, NameOID.COMMON_NAME),
        "signer_number": number,
    }


async def finish_from(composition: Composition, message: Message) -> Message:
    """Make the signed document in the file `signed` and check it before release.

    Raises:
        SigningError, TimestampError: no signature at the level could be made.
    """
    if message["format"] != Format.PADES:
        return await finish_file(composition, message)
    prepared = Prepared.from_bytes(Path(message["prepared"]).read_bytes())
    with ExitStack() as files:
        document = files.enter_context(Path(message["document"]).open("rb"))
        signed = files.enter_context(Path(message["signed"]).open("x+b"))
        return await finish_pdf(composition, document, prepared, bytes.fromhex(message["signature"]), signed)


def _attribute(certificate: x509.Certificate, oid: x509.ObjectIdentifier) -> str | None:
    found = certificate.subject.get_attributes_for_oid(oid)
    return str(found[0].value) if found else None


def _copy(stream: BinaryIO, path: Path) -> None:
    stream.seek(0)
    with path.open("xb") as file:
        while chunk := stream.read(_CHUNK):
            file.write(chunk)
