"""What a document process does with a document: prepare a signature, finish it, verify.

Requests and answers are the JSON objects of `fts.frames`; octet strings are hexadecimal. A `prepare` keeps the
document and its state until the `finish` that follows, or until another request.
"""

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from cryptography import x509

from fts import document_stamps, document_steps
from fts.composition import Composition
from fts.container_tasks import PendingContainer, finish_container, prepare_container, verify_container
from fts.errors import RefusalError, file_refusal
from fts.extend_tasks import extend_document
from fts.frames import Message
from fts.pdf_tasks import finish_pdf
from fts.settings import DocumentLimits, Settings
from fts.tsa_messages import tsa_of
from fts.verify_json import document_json
from fts.xml_tasks import PendingXml, finish_xml, is_xml, prepare_xml, verify_xml
from signing.asic.reading import is_zip
from signing.pades.admit import Admission, Repair, admit
from signing.pades.prepare import prepare
from signing.pades.source import PdfSource
from signing.pades.state import Prepared
from signing.pades.verify import verify
from signing.ports import DocumentChangedError, Level, Profile
from timestamping.algorithms import DigestAlgorithm

Announce = Callable[[str], None]


def settings_from(message: Message) -> Settings:
    """Return the settings that a `configure` request carries."""
    return Settings(
        anchors=tuple(x509.load_der_x509_certificate(bytes.fromhex(c)) for c in message["anchors"]),
        tsa_url=message["tsa_url"],
        allowed_urls=tuple(message["allowed_urls"]),
        limits=DocumentLimits(**message["limits"]),
        further_tsas=tuple(tsa_of(tsa) for tsa in message["further_tsas"]),
    )


@dataclass(slots=True)
class _Pending:
    """A prepared signature that waits for its value."""

    files: ExitStack
    admission: Admission
    prepared: Prepared


class DocumentTasks:
    """Handles the requests of one document process, one after the other."""

    def __init__(self, composition: Composition, announce: Announce) -> None:
        self._composition = composition
        self._announce = announce
        self._pending: _Pending | PendingXml | PendingContainer | None = None

    async def handle(self, message: Message) -> Message:
        """Answer a request: `prepare`, `finish`, `verify` or `extend`, or one of `fts.document_steps`.

        Raises:
            One of `fts.errors.CODED_ERRORS`: the document, the certificate or a trust service is not as it must be.
        """
        pending, self._pending = self._pending, None
        if message["task"] != "finish":
            _close(pending)
        match message["task"]:
            case "prepare":
                return await self._prepare(message)
            case "finish":
                if pending is None:
                    raise DocumentChangedError("no document is prepared")
                with _writing("the signed document"), pending.files:
                    return await self._finish(message, pending)
            case "verify":
                return self._verify(message)
            case "extend":
                return await self._extend(message)
            case "inspect":
                return document_steps.inspect(message)
            case "stamp":
                self._composition.announce_to(self._announce)
                return await document_stamps.stamp_file(self._composition, message)
            case "draw":
                return document_steps.draw(message)
            case "prepare_from":
                return await document_steps.prepare_from(self._composition, message)
            case "finish_from":
                self._composition.announce_to(self._announce)
                return await document_steps.finish_from(self._composition, message)
            case task:
                raise ValueError(f"unknown task {task!r}")

    async def _prepare(self, message: Message) -> Message:
        composition = self._composition
        certificate, *chain = (x509.load_der_x509_certificate(bytes.fromhex(c)) for c in message["certificates"])
        profile = Profile(
            Level(message["level"]),
            DigestAlgorithm(message["digest"]),
            DigestAlgorithm(message["archive_digest"]),
            message["rsa_pss"],
        )
        with ExitStack() as files:
            document = files.enter_context(open_document(message["document"]))
            self._announce("inspect")
            if message["container"] is not None or message["packaging"] is not None:
                self._announce("prepare")
                opened = [document, *(files.enter_context(open_document(path)) for path in message["beside"])]
                documents = list(zip(message["names"], opened, strict=True))
                prepare_files = prepare_xml if message["container"] is None else prepare_container
                pending = await prepare_files(composition, documents, message, profile)
                pending.files = files.pop_all()
                self._pending = pending
                return {"digest": pending.prepared.digest.hex(), "repair": None}
            admission = admit(document, allow_rewrite=message["allow_rewrite"])
            self._announce("prepare")
            prepared = await prepare(
                PdfSource(admission.stream),
                certificate,
                chain,
                profile,
                engine=composition.engine,
                clock=composition.clock,
            )
            self._pending = _Pending(files.pop_all(), admission, prepared)
        return {"digest": prepared.digest.hex(), "repair": _repair_json(admission.repaired)}

    async def _finish(self, message: Message, pending: _Pending | PendingXml | PendingContainer) -> Message:
        composition = self._composition
        composition.announce_to(self._announce)
        signature = bytes.fromhex(message["signature"])
        with _opened_output(message["output"]) as output:
            if isinstance(pending, PendingXml):
                answer = await finish_xml(composition, pending, signature, output)
            elif isinstance(pending, PendingContainer):
                answer = await finish_container(composition, pending, signature, output)
            else:
                document, view = pending.admission.stream, pending.admission.view
                answer = await finish_pdf(composition, document, pending.prepared, signature, output, view)
            os.fsync(output.fileno())
        return answer

    async def _extend(self, message: Message) -> Message:
        with (
            _writing("the extended document"),
            open_document(message["document"]) as document,
            _opened_output(message["output"]) as output,
        ):
            return await extend_document(self._composition, document, output, message)

    def _verify(self, message: Message) -> Message:
        composition = self._composition
        with open_document(message["document"]) as document:
            if is_zip(document):
                return document_json(verify_container(composition, document))
            if is_xml(document):
                return document_json(verify_xml(composition, document, Path(message["document"])))
            return document_json(verify(document, composition.anchors, clock=composition.clock))


def open_document(path: str) -> BinaryIO:
    """Open a regular file for reading.

    Raises:
        RefusalError: FILE_NOT_FOUND or FILE_UNREADABLE.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise file_refusal("FILE_NOT_FOUND", error, Path(path).name) from error
    except OSError as error:
        raise file_refusal("FILE_UNREADABLE", error, Path(path).name) from error
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):
        os.close(descriptor)
        what = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
        raise RefusalError("FILE_UNREADABLE", f"{Path(path).name} is {what}", "Give the path of a file.")
    return os.fdopen(descriptor, "rb")


@contextmanager
def _writing(what: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise file_refusal("OUTPUT_UNWRITABLE", error, what) from error


def _opened_output(path: str) -> BinaryIO:
    return Path(path).open("r+b")


def _close(pending: _Pending | PendingXml | PendingContainer | None) -> None:
    if pending is not None:
        pending.files.close()


def _repair_json(repair: Repair | None) -> Message | None:
    if repair is None:
        return None
    return {
        "original_sha256": repair.original_sha256.hex(),
        "rewritten_sha256": repair.rewritten_sha256.hex(),
        "findings": list(repair.findings),
    }
