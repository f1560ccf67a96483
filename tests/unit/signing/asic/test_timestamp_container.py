"""ASiC-S containers with a timestamp, written and read: FTS-TS-2 (EN 319 162-1, clause 4.3)."""

import io
import zipfile
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from signing.asic.paths import check_name
from signing.asic.ports import MIMETYPE, TIMESTAMP, Container, ContainerError
from signing.asic.timestamp_container import opened_container, write_container

MEDIA_TYPE = Container.ASIC_S.media_type

MOMENT = datetime(2026, 11, 24, 8, 30, 12, tzinfo=UTC)
Entries = list[tuple[str, bytes]]


def written(data: bytes = b"data", name: str = "letter.txt") -> bytes:
    output = io.BytesIO()
    write_container(io.BytesIO(data), name, b"token", MOMENT, output)
    return output.getvalue()


@pytest.mark.parametrize("data", [b"", b"data", bytes(3_000_000)])
@pytest.mark.parametrize("name", ["letter.txt", "Überweisung 1.pdf", "x" * 255])
def test_what_is_written_is_read(data: bytes, name: str) -> None:
    with opened_container(io.BytesIO(written(data, name))) as (found, file, token):
        assert (found, file.read(), token) == (name, data, b"token")


def test_the_media_type_stands_at_its_fixed_place() -> None:
    """ZIP readers that look at octets find `mimetype` at 30 and its content at 38 (clause A.1)."""
    container = written()
    assert container[:4] == b"PK\x03\x04"
    assert container[30:38] == b"mimetype"
    assert container[38 : 38 + len(MEDIA_TYPE)] == MEDIA_TYPE.encode()


def test_the_same_gives_the_same() -> None:
    assert written() == written()


@pytest.mark.parametrize("name", ["", ".", "..", "mimetype", "MimeType", "META-INF", "a/b", "a\\b", "a\n", "x" * 256])
def test_names_that_cannot_stand_in_a_container(name: str) -> None:
    with pytest.raises(ContainerError):
        check_name(name)


def made(entries: Entries, compression: int = zipfile.ZIP_STORED) -> bytes:
    output = io.BytesIO()
    with zipfile.ZipFile(output, "w", compression) as archive:
        for name, data in entries:
            archive.writestr(name, data)
    return output.getvalue()


GOOD: Entries = [(MIMETYPE, MEDIA_TYPE.encode()), ("letter.txt", b"data"), (TIMESTAMP, b"token")]
BENT: dict[str, Callable[[], bytes]] = {
    "no ZIP": lambda: b"data",
    "empty": lambda: made([]),
    "cut off": lambda: made(GOOD)[:-30],
    "a changed file": lambda: made(GOOD).replace(b"data", b"DATA", 1),
    "mimetype second": lambda: made([GOOD[1], GOOD[0], GOOD[2]]),
    "mimetype compressed": lambda: made(GOOD, zipfile.ZIP_DEFLATED),
    "another media type": lambda: made([(MIMETYPE, MEDIA_TYPE.encode().replace(b"-s+", b"-e+")), *GOOD[1:]]),
    "no timestamp": lambda: made(GOOD[:2]),
    "no file": lambda: made([GOOD[0], GOOD[2]]),
    "two files": lambda: made([*GOOD, ("second.txt", b"data")]),
    "a folder": lambda: made([GOOD[0], ("a/letter.txt", b"data"), GOOD[2]]),
    "a signature beside it": lambda: made([*GOOD, ("META-INF/signature.p7s", b"")]),
    "a huge timestamp": lambda: made([*GOOD[:2], (TIMESTAMP, bytes(2_000_000))]),
}


def test_the_base_of_the_bent_ones_is_good() -> None:
    with opened_container(io.BytesIO(made(GOOD))) as (name, file, token):
        assert (name, file.read(), token) == ("letter.txt", b"data", b"token")


@pytest.mark.parametrize("case", BENT)
def test_bent_containers(case: str) -> None:
    with pytest.raises(ContainerError), opened_container(io.BytesIO(BENT[case]())) as (_, file, _token):
        file.read()
