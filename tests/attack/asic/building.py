"""ZIP files octet by octet from a description in TOML: everything in them can be made wrong.

[[entry]] has `name`, one of `content`, `hex`, `zeros` (octets) or `nested` (levels of archives), and, where it differs
from the usual, `method` (`stored`, `deflated` or a number), `flags`, `extra` (hexadecimal), `external`, `comment`,
`repeat` (`{n}` in the name is the number), `gap` (hexadecimal, before it), `descriptor` (true, `bare`, or hexadecimal),
`tail` (hexadecimal, behind the content), `raw` (the name in hexadecimal). `local` and `central` override fields of
either header: `name`, `flags`, `method`, `crc`, `compressed`, `size`, `extra`, `version`, `place`. [archive] has `bare`
(no `mimetype` and file before the entries), `kind`, `order` (of the directory, numbers), `prefix`, `suffix`, `gap`
(hexadecimal), `comment`, `cut` (octets from the end), and overrides of the end record: `count`, `length`, `place`,
`disk`.
"""

import io
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from signing.asic.ports import Container

METHODS = {"stored": 0, "deflated": 8}
UTF8 = 0x800
DESCRIBED = 0x8
MEBI = 1 << 20
TIME, DATE = 0, 0x5B7B
FAN = 16

Spec = Mapping[str, Any]


def build(spec: Spec) -> bytes:
    """The archive that a description describes."""
    archive = spec.get("archive", {})
    usual: list[Spec] = [] if archive.get("bare") else first(archive.get("kind", "asic-e"))
    data = bytearray.fromhex(archive.get("prefix", ""))
    headers = []
    for entry in [*usual, *spec.get("entry", [])]:
        names = [entry["name"].replace("{n}", str(number)) for number in range(entry.get("repeat", 1))]
        headers += [_append(data, entry, name) for name in names]
    data += bytes.fromhex(archive.get("gap", ""))
    place = len(data)
    for number in archive.get("order", range(len(headers))):
        data += headers[number]
    comment = archive.get("comment", "").encode()
    count, disk = archive.get("count", len(headers)), archive.get("disk", 0)
    length, place = archive.get("length", len(data) - place), archive.get("place", place)
    data += struct.pack("<4s4H2IH", b"PK\x05\x06", disk, disk, count, count, length, place, len(comment)) + comment
    data += bytes.fromhex(archive.get("suffix", ""))
    return bytes(data[: len(data) - archive.get("cut", 0)])


def first(kind: str) -> list[Spec]:
    """`mimetype` and one file."""
    return [
        {"name": "mimetype", "content": Container(kind).media_type},
        {"name": "letter.txt", "content": "a letter"},
    ]


@dataclass(frozen=True)
class _Content:
    octets: bytes
    crc: int
    size: int


def _append(data: bytearray, entry: Spec, name: str) -> bytes:
    """Append an entry to the archive; return its header in the directory."""
    method = METHODS.get(entry.get("method", "stored"), entry.get("method"))
    content = _content(entry, method)
    raw = name.encode()
    described = entry.get("descriptor")
    flags = entry.get("flags", (0 if raw.isascii() else UTF8) | (DESCRIBED if described else 0))
    values = {
        "name": name,
        "raw": entry.get("raw", ""),
        "flags": flags,
        "method": method,
        "crc": content.crc,
        "compressed": len(content.octets),
        "size": content.size,
        "extra": entry.get("extra", ""),
    }
    data += bytes.fromhex(entry.get("gap", ""))
    place = len(data)
    zero = {"crc": 0, "compressed": 0, "size": 0} if described else {}
    data += _header(b"PK\x03\x04", "", {**values, **zero, **entry.get("local", {})}, b"")
    data += content.octets + bytes.fromhex(entry.get("tail", ""))
    if described:
        data += _descriptor(described, content)
    values["place"] = place
    return _header(b"PK\x01\x02", "central", {**values, **entry.get("central", {})}, entry, place)


def _header(signature: bytes, kind: str, values: Spec, entry: Any, place: int = 0) -> bytes:
    name, extra = bytes.fromhex(values["raw"]) or values["name"].encode(), bytes.fromhex(values["extra"])
    fields = (
        values.get("version", 20),
        values["flags"],
        values["method"],
        TIME,
        DATE,
        values["crc"],
        values["compressed"],
        values["size"],
    )
    if not kind:
        return struct.pack("<4s5H3I2H", signature, *fields, len(name), len(extra)) + name + extra
    comment = entry.get("comment", "").encode()
    rest = (len(name), len(extra), len(comment), 0, 0, entry.get("external", 0), values.get("place", place))
    return struct.pack("<4s6H3I5H2I", signature, 0x0314, *fields, *rest) + name + extra + comment


def _descriptor(kind: Any, content: _Content) -> bytes:
    values = struct.pack("<3I", content.crc, len(content.octets), content.size)
    if kind is True:
        return b"PK\x07\x08" + values
    return values if kind == "bare" else bytes.fromhex(kind)


def _content(entry: Spec, method: int) -> _Content:
    if "zeros" in entry:
        return _zeros(entry["zeros"], method)
    if "nested" in entry:
        octets = nested(entry["nested"])
    elif "hex" in entry:
        octets = bytes.fromhex(entry["hex"])
    else:
        octets = entry.get("content", "").encode()
    stored = b"".join(_deflated([octets])) if method == METHODS["deflated"] else octets
    return _Content(stored, zlib.crc32(octets), len(octets))


def _zeros(size: int, method: int) -> _Content:
    """Many zeros, deflated a mebibyte at a time: each piece is the same octets."""
    if method != METHODS["deflated"]:
        return _Content(bytes(size), zlib.crc32(bytes(size)), size)
    compressor = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    compressor.compress(b"")
    piece = compressor.compress(bytes(MEBI)) + compressor.flush(zlib.Z_FULL_FLUSH)
    end = b"".join(_deflated([bytes(size % MEBI)]))
    crc = 0
    for _ in range(size // MEBI):
        crc = zlib.crc32(bytes(MEBI), crc)
    return _Content(piece * (size // MEBI) + end, zlib.crc32(bytes(size % MEBI), crc), size)


def nested(levels: int) -> bytes:
    """Archives of sixteen archives each, down to sixteen files of a mebibyte of zeros."""
    inner = bytes(MEBI)
    for _ in range(levels):
        output = io.BytesIO()
        with zipfile.ZipFile(output, "w", zipfile.ZIP_DEFLATED) as archive:
            for number in range(FAN):
                archive.writestr(zipfile.ZipInfo(f"{number}.zip"), inner, zipfile.ZIP_DEFLATED)
        inner = output.getvalue()
    return inner


def _deflated(parts: list[bytes]) -> Iterator[bytes]:
    compressor = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    for part in parts:
        yield compressor.compress(part)
    yield compressor.flush()
