"""Whether every object of a document can be read, and none of them explodes.

Our reader looks only at the objects that it needs; qpdf reads them all here, in compiled code and without expanding
streams. The few streams that could become huge are expanded up to a limit.
"""

import re
import zlib
from collections.abc import Iterator
from typing import BinaryIO

import pikepdf

from signing.limits import LIMITS
from signing.pades.source import READ_ERRORS
from signing.ports import DocumentDamagedError, DocumentError, DocumentTooLargeError

_MOST_FINDINGS = 20
_FINDING_LENGTH = 200
_HARMLESS_BYTES = 256 * 1024
_FLATE = ("/FlateDecode", "/Fl")


def check_objects(stream: BinaryIO) -> None:
    """Have qpdf read every object.

    Raises:
        DocumentDamagedError: qpdf had to guess at one.
        DocumentTooLargeError: an image or a stream exceeds a limit.
    """
    stream.seek(0)
    try:
        with pikepdf.open(stream, suppress_warnings=True) as pdf:
            for item in pdf.objects:
                if not isinstance(item, pikepdf.Stream):
                    continue
                if item.get("/Subtype") == "/Image":
                    _check_image(item)
                else:
                    _check_expansion(item)
            findings = findings_of(pdf)
    except DocumentError:
        raise
    except (pikepdf.PdfError, *READ_ERRORS) as error:
        raise DocumentDamagedError(f"the document is damaged: {without_stream_name(str(error))}") from error
    if findings:
        raise DocumentDamagedError(f"the document is damaged: {'; '.join(findings)}")


def findings_of(pdf: pikepdf.Pdf) -> list[str]:
    """Return what qpdf warned of, at most 20 findings of at most 200 characters."""
    return [without_stream_name(str(warning))[:_FINDING_LENGTH] for warning in pdf.get_warnings()][:_MOST_FINDINGS]


def without_stream_name(message: str) -> str:
    """Leave out the name that qpdf gives a stream that has none."""
    return re.sub(r"^(?:stream <[^>]*>|\S*\.pdf)[:,]? *", "", message)


def _check_image(image: pikepdf.Stream) -> None:
    width, height = image.get("/Width", 0), image.get("/Height", 0)
    if isinstance(width, int) and isinstance(height, int) and width * height > LIMITS.image_pixels:
        raise DocumentTooLargeError(f"an image of {width} by {height} pixels exceeds {LIMITS.image_pixels} pixels")


def _check_expansion(item: pikepdf.Stream) -> None:
    """Expand what could become larger than the limit: long streams, and those that are compressed twice."""
    filters = list(_filters(item))
    if filters.count(True) == 0:
        return
    data = item.read_raw_bytes() if filters.count(True) > 1 or _length(item) > _HARMLESS_BYTES else b""
    for is_flate in filters if data else ():
        if not is_flate:
            return
        inflater = zlib.decompressobj()
        data = inflater.decompress(data, LIMITS.stream_bytes)
        if inflater.unconsumed_tail:
            raise DocumentTooLargeError(f"a stream expands to more than {LIMITS.stream_bytes} octets")


def _filters(item: pikepdf.Stream) -> Iterator[bool]:
    filters: object = item.get("/Filter", [])
    for name in [filters] if isinstance(filters, pikepdf.Name) else list(filters):  # type: ignore[call-overload]
        yield str(name) in _FLATE


def _length(item: pikepdf.Stream) -> int:
    length = item.get("/Length", 0)
    return length if isinstance(length, int) else 0
