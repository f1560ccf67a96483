"""Opening an ASiC container: its kind, its files, and what is about them (EN 319 162-1, clauses 4.3.3 and 4.4.3)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from signing.asic.manifest import ManifestEntries, read_manifest
from signing.asic.paths import check_name, folded
from signing.asic.ports import (
    MANIFEST,
    META_INF,
    MIMETYPE,
    Container,
    ContainerError,
    ContainerTooLargeError,
)
from signing.asic.zip_directory import LOCAL, LOCAL_SIGNATURE, read_directory
from signing.asic.zip_entry import Entry, open_entry
from signing.limits import LIMITS
from signing.xades.ports import DataObject

_MEDIA_TYPES: Final = {each.media_type.encode(): each for each in Container}
_HEAD: Final = b"application/vnd.etsi.asic-"
_SIGNATURES: Final = "signatures"


def is_zip(stream: BinaryIO) -> bool:
    """Tell whether a file begins as a ZIP does."""
    stream.seek(0)
    head = stream.read(len(LOCAL_SIGNATURE))
    stream.seek(0)
    return head == LOCAL_SIGNATURE


def is_container(stream: BinaryIO) -> bool:
    """Tell whether a file begins as an ASiC container does; it need not be sound."""
    stream.seek(0)
    head = stream.read(LOCAL.size + len(MIMETYPE) + len(_HEAD))
    stream.seek(0)
    return head.startswith(LOCAL_SIGNATURE) and head[LOCAL.size :] == MIMETYPE.encode() + _HEAD


@dataclass(slots=True)
class Opened:
    """A container that was opened; its streams read from the container, which must stay open."""

    container: Container
    files: list[DataObject]
    """The files, in order, with the media types that the manifest gives them."""
    signatures: dict[str, DataObject]
    """Files of XAdES signatures by their names, in the order of their names."""
    manifest: ManifestEntries | None
    """What META-INF/manifest.xml lists, None where there is none."""
    others: list[DataObject]
    """What else stands in META-INF, the manifest included."""

    def resolvable(self) -> Mapping[str, BinaryIO]:
        """Return all to which a signature may refer, by name."""
        return {each.name: each.stream for each in (*self.files, *self.others)}


@dataclass(slots=True)
class _Work:
    """Counts what is read."""

    left: int = field(default_factory=lambda: LIMITS.container_work_bytes)

    def spend(self, octets: int) -> None:
        """Take off what was read.

        Raises:
            ContainerTooLargeError: it is more than is read of one container.
        """
        self.left -= octets
        if self.left < 0:
            raise ContainerTooLargeError("its signatures need more reading than is done for one container")


def opened(stream: BinaryIO) -> Opened:
    """Open a container.

    Raises:
        ContainerError: it is no sound ASiC-E or ASiC-S. Reading a stream raises it too, where that entry is not sound.
    """
    work = _Work()
    entries = read_directory(stream)
    container = _kind(stream, entries[0], work)
    files: list[Entry] = []
    signatures: list[Entry] = []
    others: list[Entry] = []
    for entry in entries[1:]:
        if entry.is_folder:
            continue
        if not f"{folded(entry.name)}/".startswith(META_INF.casefold()):
            files.append(entry)
        elif not entry.name.startswith(META_INF):
            raise ContainerError(f"{entry.name!r} is spelled unlike {META_INF}")
        elif _is_signatures(container, entry.name):
            signatures.append(entry)
        else:
            others.append(entry)
    if container is Container.ASIC_S:
        if len(files) != 1:
            raise ContainerError(f"it holds {len(files)} files instead of one")
        check_name(files[0].name)
    known = [each for each in others if each.name == MANIFEST]
    if sum(each.size for each in (*signatures, *known)) > LIMITS.container_xml_bytes:
        raise ContainerTooLargeError("its signature files and manifest are too large")

    def as_object(entry: Entry, mime_type: str) -> DataObject:
        return DataObject(entry.name, open_entry(stream, entry, work.spend), mime_type)

    manifest = read_manifest(as_object(known[0], "text/xml").stream.read()) if known else None
    types = {} if manifest is None else {each.path: each.media_type for each in manifest}
    return Opened(
        container=container,
        files=[as_object(each, types.get(each.name) or "application/octet-stream") for each in files],
        signatures={each.name: as_object(each, "text/xml") for each in sorted(signatures, key=lambda each: each.name)},
        manifest=manifest,
        others=[as_object(each, "application/octet-stream") for each in others],
    )


def opened_as(stream: BinaryIO, container: Container) -> Opened:
    """Open a container that must be of this kind.

    Raises:
        ContainerError: it is of the other kind, or `opened` refuses it.
    """
    found = opened(stream)
    if found.container is not container:
        raise ContainerError(f"the container is {found.container}, not {container}")
    return found


def _kind(stream: BinaryIO, entry: Entry, work: _Work) -> Container:
    longest = max(map(len, _MEDIA_TYPES))
    data = open_entry(stream, entry, work.spend).read(longest + 1)
    container = _MEDIA_TYPES.get(data)
    if container is None:
        raise ContainerError(f"its media type is {data[:longest]!r}, that of no ASiC")
    return container


def _is_signatures(container: Container, name: str) -> bool:
    """Tell whether an entry holds XAdES signatures (EN 319 162-1, clauses 4.3.3.2 and 4.4.3.2)."""
    own = name.removeprefix(META_INF)
    if container is Container.ASIC_S:
        return own == f"{_SIGNATURES}.xml"
    return "/" not in own and _SIGNATURES in own.casefold() and own.casefold().endswith(".xml")
