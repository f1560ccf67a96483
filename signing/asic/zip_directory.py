"""Reading what a ZIP holds, strictly: every octet of it belongs to one entry, and all that is said twice agrees.

Readers of ZIP files differ where a file is ambiguous, and one may then show what another has verified. So local headers
and central directory must agree, entries follow each other without gap or overlap, and nothing stands before, between
or behind them (APPNOTE 6.3.9, clauses 4.3 to 4.5). ZIP64 is refused: no container within the limits needs it. Nothing
is decompressed here.
"""

import os
import stat
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from signing.asic.paths import check_path, check_twins
from signing.asic.ports import MIMETYPE, Container, ContainerError, ContainerTooLargeError
from signing.asic.zip_entry import DEFLATED, STORED, Entry
from signing.limits import LIMITS

LOCAL: Final = struct.Struct("<4s5H3I2H")
"""Local file header: signature, version, flags, method, time, date, CRC, compressed, size, name, extra."""
CENTRAL: Final = struct.Struct("<4s6H3I5H2I")
"""Central directory header: signature, made by, version, flags, method, time, date, CRC, compressed, size, name, extra,
comment, disk, internal and external attributes, place."""
END: Final = struct.Struct("<4s4H2IH")
"""End of central directory: signature, two disks, two counts, size, place, comment."""
LOCAL_SIGNATURE: Final = b"PK\x03\x04"
_CENTRAL_SIGNATURE: Final = b"PK\x01\x02"
_END_SIGNATURE: Final = b"PK\x05\x06"
_DESCRIPTOR_SIGNATURE: Final = b"PK\x07\x08"
_FILLED: Final = 0xFFFFFFFF
"""Stands where ZIP64 has the value elsewhere."""
_SPEED: Final = 0x0006
_DESCRIBED: Final = 0x0008
_UTF8: Final = 0x0800
_FLAGS: Final = _SPEED | _DESCRIBED | _UTF8
"""Flags of an entry that are read; among all others are those of encryption."""
_VERSION_BITS: Final = 0x00FF
_VERSION: Final = 45
"""Latest version that an entry may need: 4.5; no later one is about stored and deflated entries."""
_EXTRAS: Final = frozenset({0x000A, 0x5455, 0x5855, 0x7855, 0x7875, 0xCAFE})
"""Extra fields that say nothing of name or content: times, owners, the mark of a JAR."""
_COMMENTS: Final = (b"", *(f"mimetype={each.media_type}".encode() for each in Container))
"""Comments that a container may have (EN 319 162-1, annex A.1)."""


@dataclass(frozen=True, slots=True)
class _Header:
    """What the central directory says of an entry."""

    raw_name: bytes
    name: str
    flags: int
    method: int
    crc: int
    compressed: int
    size: int
    place: int

    @property
    def sizes(self) -> tuple[int, int, int]:
        return self.crc, self.compressed, self.size


def read_directory(container: BinaryIO) -> list[Entry]:
    """Return the entries of a ZIP in the order of its directory; the first is `mimetype`, stored.

    Raises:
        ContainerError: it is no ZIP that every reader reads alike, or an entry could do harm where it is unpacked.
        ContainerTooLargeError: it exceeds a limit.
    """
    size = container.seek(0, os.SEEK_END)
    if size > LIMITS.container_bytes:
        raise ContainerTooLargeError(f"the container has more than {LIMITS.container_bytes} octets")
    place, count, length = _end(container, size)
    headers = list(_headers(_read(container, place, length), count))
    check_twins(each.name for each in headers)
    _check_amounts(headers)
    in_place = sorted(headers, key=lambda header: header.place)
    bounds = [*(header.place for header in in_place[1:]), place]
    if in_place[0] is not headers[0] or in_place[0].place:
        raise ContainerError("the first entry does not stand at the beginning")
    found = {header.name: _entry(container, header, bound) for header, bound in zip(in_place, bounds, strict=True)}
    first = headers[0]
    plain = first.method == STORED and not first.flags & _DESCRIBED
    if first.name != MIMETYPE or not plain or found[MIMETYPE].start != LOCAL.size + len(MIMETYPE):
        raise ContainerError("its first entry is not mimetype, stored, without extra field")
    return [found[header.name] for header in headers]


def _end(container: BinaryIO, size: int) -> tuple[int, int, int]:
    """Return place of the directory, number of its entries, and its length."""
    for comment in _COMMENTS:
        at = size - len(comment) - END.size
        if at < 0:
            continue
        data = _read(container, at, END.size + len(comment))
        signature, disk, first_disk, here, count, length, place, comment_length = END.unpack_from(data)
        if signature != _END_SIGNATURE or comment_length != len(comment) or not data.endswith(comment):
            continue
        if disk or first_disk or here != count or _FILLED in {length, place} or not count:
            raise ContainerError("it is empty, of several parts, or ZIP64")
        if count > LIMITS.container_entries:
            raise ContainerTooLargeError(f"the container has more than {LIMITS.container_entries} entries")
        if length > LIMITS.container_directory_bytes:
            raise ContainerTooLargeError("the container's directory is too large")
        if place + length != at:
            raise ContainerError("its directory does not stand before its end")
        return place, count, length
    raise ContainerError("it does not end as a ZIP without comment does")


def _headers(directory: bytes, count: int) -> Iterator[_Header]:
    at = 0
    for _ in range(count):
        if at + CENTRAL.size > len(directory):
            raise ContainerError("its directory ends early")
        (
            signature,
            _made_by,
            version,
            flags,
            method,
            _time,
            _date,
            crc,
            compressed,
            size,
            name_length,
            extra_length,
            comment_length,
            disk,
            _internal,
            external,
            place,
        ) = CENTRAL.unpack_from(directory, at)
        at += CENTRAL.size
        raw_name = directory[at : at + name_length]
        extra = directory[at + name_length : at + name_length + extra_length]
        at += name_length + extra_length
        if signature != _CENTRAL_SIGNATURE or at > len(directory):
            raise ContainerError("its directory is damaged")
        name = _name(raw_name, flags)
        if comment_length or disk or _FILLED in {compressed, size, place}:
            raise ContainerError(f"the entry {name!r} has a comment, is on another disk, or is ZIP64")
        _check_version(version, name)
        _check_form(name, flags, method, external)
        _check_extra(extra, name)
        yield _Header(raw_name, name, flags, method, crc, compressed, size, place)
    if at != len(directory):
        raise ContainerError("its directory holds more than its entries")


def _name(raw: bytes, flags: int) -> str:
    try:
        name = raw.decode("utf-8" if flags & _UTF8 else "ascii")
    except UnicodeDecodeError as error:
        raise ContainerError("the name of an entry is not in UTF-8, or not marked so") from error
    check_path(name)
    return name


def _check_version(version: int, name: str) -> None:
    """Refuse what says that it needs a newer reader: some heed it, some do not."""
    if version & _VERSION_BITS > _VERSION:
        raise ContainerError(f"the entry {name!r} is of a later version of ZIP than is read")


def _check_form(name: str, flags: int, method: int, external: int) -> None:
    if flags & ~_FLAGS:
        raise ContainerError(f"the entry {name!r} is encrypted or of another form that is not read")
    if method not in {STORED, DEFLATED}:
        raise ContainerError(f"the entry {name!r} is compressed by a method that is not read")
    kind = stat.S_IFMT(external >> 16)
    if kind not in {0, stat.S_IFDIR if name.endswith("/") else stat.S_IFREG}:
        raise ContainerError(f"the entry {name!r} is a link or a device")


def _check_extra(extra: bytes, name: str) -> None:
    at = 0
    while at < len(extra):
        if at + 4 > len(extra):
            raise ContainerError(f"the entry {name!r} has a damaged extra field")
        kind, length = struct.unpack_from("<2H", extra, at)
        at += 4 + length
        if at > len(extra) or kind not in _EXTRAS:
            raise ContainerError(f"the entry {name!r} has an extra field that is not read")


def _check_amounts(headers: Sequence[_Header]) -> None:
    """Bound what decompressing may yield, before any of it is done."""
    if sum(header.size for header in headers) > LIMITS.container_bytes:
        raise ContainerTooLargeError(f"the files have more than {LIMITS.container_bytes} octets")
    for header in headers:
        if header.size > LIMITS.container_ratio_from and header.size > LIMITS.container_ratio * header.compressed:
            raise ContainerTooLargeError(f"the entry {header.name!r} is compressed too much")
        if (header.method == STORED and header.size != header.compressed) or (
            header.name.endswith("/") and (header.size or header.compressed)
        ):
            raise ContainerError(f"the entry {header.name!r} has a wrong size")


def _entry(container: BinaryIO, header: _Header, bound: int) -> Entry:
    """Compare the local header with the directory; the entry must end where the next one begins."""
    name = header.name
    if header.place + LOCAL.size > bound:
        raise ContainerError(f"the entry {name!r} overlaps another")
    local = LOCAL.unpack(_read(container, header.place, LOCAL.size))
    signature, version, flags, method, _time, _date, *sizes, name_length, extra_length = local
    _check_version(version, name)
    start = header.place + LOCAL.size + name_length + extra_length
    end = start + header.compressed
    if end > bound:
        raise ContainerError(f"the entry {name!r} overlaps another")
    names = _read(container, header.place + LOCAL.size, name_length + extra_length)
    if signature != LOCAL_SIGNATURE or (flags, method) != (header.flags, header.method):
        raise ContainerError(f"the entry {name!r} is of another form than the directory says")
    if names[:name_length] != header.raw_name:
        raise ContainerError(f"the entry {name!r} has another name than the directory says")
    _check_extra(names[name_length:], name)
    described = bool(flags & _DESCRIBED)
    if any(
        said not in ({actual, 0} if described else {actual}) for said, actual in zip(sizes, header.sizes, strict=True)
    ):
        raise ContainerError(f"the entry {name!r} has another size or CRC than the directory says")
    if described:
        _check_descriptor(container, header, end, bound)
    elif end != bound:
        raise ContainerError(f"octets that belong to no entry stand behind {name!r}")
    return Entry(name, header.method, header.crc, header.compressed, header.size, start)


def _check_descriptor(container: BinaryIO, header: _Header, end: int, bound: int) -> None:
    values = struct.pack("<3I", *header.sizes)
    expected = {len(values): values, 4 + len(values): _DESCRIPTOR_SIGNATURE + values}.get(bound - end)
    if expected is None or _read(container, end, bound - end) != expected:
        raise ContainerError(f"the data descriptor of {header.name!r} says something else than the directory")


def _read(container: BinaryIO, place: int, length: int) -> bytes:
    container.seek(place)
    data = container.read(length)
    if len(data) != length:
        raise ContainerError("it ends early")
    return data
