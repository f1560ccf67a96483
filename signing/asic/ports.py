"""What callers of the container engine see: the two containers, fixed names, and the errors that it raises."""

from enum import StrEnum
from typing import ClassVar, Final

from signing.ports import DocumentError

MIMETYPE: Final = "mimetype"
"""Name of the first entry, which holds the media type (EN 319 162-1, annex A.1)."""
META_INF: Final = "META-INF/"
"""Folder of what is about the files."""
MANIFEST: Final = "META-INF/manifest.xml"
TIMESTAMP: Final = "META-INF/timestamp.tst"


class Container(StrEnum):
    """The containers of ETSI EN 319 162-1."""

    ASIC_E = "asic-e"
    """Extended: any number of files, any number of signatures (clause 4.4)."""
    ASIC_S = "asic-s"
    """Simple: one file and what proves something about it (clause 4.3)."""

    @property
    def media_type(self) -> str:
        """Content of the entry `mimetype`."""
        return f"application/vnd.etsi.{self}+zip"

    @property
    def suffix(self) -> str:
        """The usual ending of its file name."""
        return ".asice" if self is Container.ASIC_E else ".asics"


class ContainerError(DocumentError):
    """The container is no sound ASiC, or a file cannot stand in one."""

    code: ClassVar[str] = "ASIC_CONTAINER_INVALID"
    remedy: ClassVar[str] = "Use a sound ASiC container as its program wrote it, or give the file another name."


class ContainerTooLargeError(ContainerError):
    """The container exceeds a limit on octets, entries or compression."""

    code: ClassVar[str] = "ASIC_CONTAINER_TOO_LARGE"
    remedy: ClassVar[str] = "Use fewer or smaller files in one container."
