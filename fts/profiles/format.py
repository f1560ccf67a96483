"""What a profile makes of a document: the formats, their media types and names."""

from enum import StrEnum

from fts.media_types import PDF
from signing.asic.ports import Container


class Format(StrEnum):
    """What is made of a document."""

    PADES = "PADES"
    """A signature in the PDF (EN 319 142-1)."""
    XADES = "XADES"
    """A signature in, or around, the document (EN 319 132-1)."""
    ASIC_E_XADES = "ASIC_E_XADES"
    """A container with the file and its signature (EN 319 162-1, clause 4.4)."""
    ASIC_S_XADES = "ASIC_S_XADES"
    """The same for one file (clause 4.3)."""

    @property
    def container(self) -> Container | None:
        """The container that is made; None for other formats."""
        return {Format.ASIC_E_XADES: Container.ASIC_E, Format.ASIC_S_XADES: Container.ASIC_S}.get(self)

    @property
    def media_type(self) -> str:
        """Media type of the result."""
        if self.container is not None:
            return self.container.media_type
        return PDF if self is Format.PADES else "application/xml"

    @property
    def ending(self) -> str:
        """How the name of the result ends."""
        if self.container is not None:
            return self.container.suffix
        return ".pdf" if self is Format.PADES else ".xml"

    @property
    def words(self) -> str:
        """The format as a person reads it."""
        return {Format.PADES: "PAdES", Format.XADES: "XAdES", Format.ASIC_E_XADES: "ASiC-E XAdES"}.get(
            self, "ASiC-S XAdES"
        )
