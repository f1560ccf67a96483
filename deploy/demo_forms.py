"""What the demo makes of a file: PAdES of a PDF, XAdES of XML, and a container of anything else."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fts.document_tasks import open_document
from fts.errors import RefusalError
from signing.asic.ports import Container
from signing.xades.ports import Packaging

_NAME_BYTES: Final = 200
_HEAD: Final = 64
_PDF: Final = b"%PDF-"
_XML: Final = b"<?xml"
_MARKS: Final = (b"\xef\xbb\xbf", b"\xfe\xff", b"\xff\xfe")


@dataclass(frozen=True, slots=True)
class Form:
    """A kind of signed file."""

    words: str
    """What comes out, for a person."""
    suffix: str
    """Ending of the names of files that are given."""
    packaging: Packaging | None = None
    container: Container | None = None

    def name_parts(self, name: str) -> tuple[str, str]:
        """Return beginning and ending of the result's name, between which a number may stand."""
        if name.lower().endswith(self.suffix):
            return name[: -len(self.suffix)], f"-signed{self.suffix}"
        if self.container is not None:
            return Path(name).stem, self.suffix
        return name, f"-signed{self.suffix}"


PDF: Final = Form("PAdES", ".pdf")
XML: Final = Form("XAdES in the XML", ".xml", packaging=Packaging.ENVELOPED)
ASIC_E: Final = Form("ASiC-E with XAdES", Container.ASIC_E.suffix, container=Container.ASIC_E)
ASIC_S: Final = Form("ASiC-S with XAdES", Container.ASIC_S.suffix, container=Container.ASIC_S)


def form_of(file: Path) -> Form:
    """Return what becomes of a file: its name's ending decides, then how its content begins.

    Raises:
        RefusalError: FILE_NOT_FOUND, FILE_UNREADABLE, or FILE_EMPTY but for a PDF.
    """
    named = next((form for form in (PDF, XML, ASIC_E, ASIC_S) if file.name.lower().endswith(form.suffix)), None)
    with open_document(str(file)) as document:
        head = document.read(_HEAD)
    if named is PDF:
        return PDF
    if not head:
        raise RefusalError("FILE_EMPTY", f"{file.name} is empty", "Give a file with content.")
    return named or _form_of_content(head)


def _form_of_content(head: bytes) -> Form:
    if head.startswith(_PDF):
        return PDF
    mark = next((each for each in _MARKS if head.startswith(each)), b"")
    return XML if head[len(mark) :].replace(b"\x00", b"").lstrip().startswith(_XML) else ASIC_E


@dataclass(slots=True)
class Names:
    """The names of one call's results."""

    directory: Path
    _taken: set[str] = field(default_factory=set)

    def result_of(self, file: Path, form: Form) -> tuple[Path, bool]:
        """Return where the result of `file` goes, and whether its natural name was taken."""
        beginning, ending = form.name_parts(file.name)
        name = os.fsencode(beginning)
        stem = os.fsdecode(name) if len(name) <= _NAME_BYTES else name[:_NAME_BYTES].decode(errors="ignore")
        candidate, number = f"{stem}{ending}", 1
        while candidate in self._taken:
            number += 1
            candidate = f"{stem}-{number}{ending}"
        self._taken.add(candidate)
        return self.directory / candidate, number > 1
