"""What a document process does with XML and with signature files: prepare, finish, verify (XAdES)."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final

from cryptography import x509

from fts.composition import Composition
from fts.finished_json import finished_json
from fts.frames import Message
from signing.pades.report import DocumentReport
from signing.ports import Profile
from signing.xades.finish import finish
from signing.xades.ports import DataObject, Packaging
from signing.xades.prepare import prepare
from signing.xades.release import release
from signing.xades.state import Prepared
from signing.xades.verify import verify

_MARKS: Final = (b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe")
_WINDOW: Final = 64


@dataclass(slots=True)
class PendingXml:
    """A prepared XAdES signature that waits for its value."""

    objects: list[DataObject]
    prepared: Prepared
    before: DocumentReport | None
    """The verification of the document before, where the signature goes into it."""
    files: ExitStack = field(default_factory=ExitStack)
    """Holds the documents open."""


def is_xml(document: BinaryIO) -> bool:
    """Tell whether a file begins as XML does; it need not be well-formed."""
    document.seek(0)
    head = document.read(_WINDOW)
    document.seek(0)
    mark = next((each for each in _MARKS if head.startswith(each)), b"")
    return head[len(mark) :].replace(b"\x00", b"").lstrip().startswith(b"<")


async def prepare_xml(
    composition: Composition, documents: Sequence[tuple[str, BinaryIO]], message: Message, profile: Profile
) -> PendingXml:
    """Prepare a XAdES signature of named files (errors as `signing.xades.prepare.prepare`)."""
    certificate, *chain = (x509.load_der_x509_certificate(bytes.fromhex(c)) for c in message["certificates"])
    packaging = Packaging(message["packaging"])
    before = None
    if packaging is Packaging.ENVELOPED:
        before = verify(documents[0][1], composition.anchors, clock=composition.clock)
    objects = [DataObject(name, stream, _mime_type(stream)) for name, stream in documents]
    prepared = await prepare(
        objects,
        packaging,
        certificate,
        chain,
        profile,
        engine=composition.engine,
        clock=composition.clock,
    )
    return PendingXml(objects, prepared, before)


async def finish_xml(composition: Composition, pending: PendingXml, signature: bytes, output: BinaryIO) -> Message:
    """Finish a XAdES signature and check it (errors as `signing.xades.finish.finish` and `release`)."""
    prepared = pending.prepared
    finished = await finish(
        pending.objects,
        prepared,
        signature,
        output,
        engine=composition.engine,
        timestamps=composition.timestamps,
        clock=composition.clock,
    )
    output.flush()
    composition.announce("check")
    report = release(
        prepared,
        output,
        composition.anchors,
        clock=composition.clock,
        files={each.name: each.stream for each in pending.objects} if prepared.packaging.is_detached else None,
        before=pending.before,
    )
    return finished_json(finished, report)


def verify_xml(composition: Composition, document: BinaryIO, path: Path) -> DocumentReport:
    """Verify XML; detached documents are looked for beside it."""
    with ExitStack() as files:
        return verify(document, composition.anchors, clock=composition.clock, files=Beside(path.parent, files))


def _mime_type(document: BinaryIO) -> str:
    return "application/xml" if is_xml(document) else "application/octet-stream"


class Beside(Mapping[str, BinaryIO]):
    """The regular files of a folder and those below it, opened when they are asked for."""

    def __init__(self, folder: Path, files: ExitStack) -> None:
        self._folder = folder
        self._files = files
        self._opened: dict[str, BinaryIO] = {}

    def __getitem__(self, name: str) -> BinaryIO:
        if name not in self._opened:
            parts = name.split("/")
            path = self._folder.joinpath(*parts)
            if any(part in {"", ".", ".."} for part in parts) or "\x00" in name or not path.is_file():
                raise KeyError(name)
            try:
                self._opened[name] = self._files.enter_context(path.open("rb"))
            except OSError as error:
                raise KeyError(name) from error
        return self._opened[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._opened)

    def __len__(self) -> int:
        return len(self._opened)
