"""META-INF/manifest.xml of an ASiC-E: the files with their media types (OpenDocument 1.2, part 3, clause 4)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from lxml import etree

from signing.asic.ports import META_INF, Container, ContainerError
from signing.xades.ports import DataObject
from signing.xml.reading import parse, serialised

NAMESPACE: Final = "urn:oasis:names:tc:opendocument:xmlns:manifest:1.0"
_ROOT: Final = f"{{{NAMESPACE}}}manifest"
_ENTRY: Final = f"{{{NAMESPACE}}}file-entry"
_PATH: Final = f"{{{NAMESPACE}}}full-path"
_TYPE: Final = f"{{{NAMESPACE}}}media-type"
_VERSION: Final = f"{{{NAMESPACE}}}version"


@dataclass(frozen=True, slots=True)
class ManifestEntry:
    """A file that the manifest lists; `/` is the container itself."""

    path: str
    media_type: str


ManifestEntries = Sequence[ManifestEntry]


def make_manifest(container: Container, files: Iterable[DataObject]) -> bytes:
    """Write the manifest of a container."""
    root = etree.Element(_ROOT, {_VERSION: "1.2"}, nsmap={"manifest": NAMESPACE})
    entries = [("/", container.media_type), *((each.name, each.mime_type) for each in files)]
    for path, media_type in entries:
        etree.SubElement(root, _ENTRY, {_PATH: path, _TYPE: media_type})
    return serialised(root.getroottree())


def read_manifest(data: bytes) -> ManifestEntries:
    """Read a manifest.

    Raises:
        ContainerError: it is no manifest.
        DocumentError: it is no XML that is read.
    """
    root = parse(data).getroot()
    children = list(root.iterchildren(etree.Element))
    if root.tag != _ROOT or any(child.tag != _ENTRY for child in children):
        raise ContainerError("its manifest is none of OpenDocument")
    return [ManifestEntry(child.get(_PATH, ""), child.get(_TYPE, "")) for child in children]


def mismatches(container: Container, files: Iterable[str], manifest: ManifestEntries) -> list[str]:
    """Compare a manifest with the names of the files; return in words what does not match.

    What stands in META-INF may be listed, and need not.
    """
    listed = [each.path for each in manifest]
    found: list[str] = []
    if len(set(listed)) != len(listed):
        found.append("the manifest lists a file twice")
    types = {each.path: each.media_type for each in manifest}
    if types.get("/", container.media_type) != container.media_type:
        found.append("the manifest has another media type than the container")
    names = set(files)
    about = {path for path in listed if path == "/" or path.endswith("/") or path.startswith(META_INF)}
    missing = sorted(names - set(listed))
    absent = sorted(set(listed) - about - names)
    found += [f"the manifest does not list {name!r}" for name in missing]
    found += [f"the manifest lists {name!r}, which is not there" for name in absent]
    return found
