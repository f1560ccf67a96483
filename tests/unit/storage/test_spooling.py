"""New files written beside their maker: whole when they are closed, and an error of the disk is told (FTS-GDPR-1)."""

import gc
import os
import threading
from pathlib import Path

import pytest

from storage.envelope import DocumentKey
from storage.spooling import new_file
from tests.support.full_disk import full_disk

MB = 1 << 20


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name == "spool"]


@pytest.mark.parametrize("size", [0, 1, MB, 4 * MB - 1, 4 * MB, 4 * MB + 1, 25 * MB + 3])
@pytest.mark.parametrize("piece", [64 * 1024, 3 * MB + 7])
def test_what_was_written_is_there(tmp_path: Path, size: int, piece: int) -> None:
    content = os.urandom(size)
    with new_file(tmp_path / "file") as file:
        for start in range(0, size, piece):
            assert file.write(memoryview(content)[start : start + piece]) == len(content[start : start + piece])
    assert (tmp_path / "file").read_bytes() == content
    assert threads() == []


def test_a_buffer_that_is_used_again(tmp_path: Path) -> None:
    buffer = bytearray(MB)
    with new_file(tmp_path / "file") as file:
        for number in range(12):
            buffer[:] = bytes([number]) * MB
            file.write(buffer)
    assert (tmp_path / "file").read_bytes() == b"".join(bytes([number]) * MB for number in range(12))


def test_a_file_that_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"there")
    with pytest.raises(FileExistsError):
        new_file(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"there"


@pytest.mark.parametrize("room", [MB // 2, 6 * MB, 11 * MB + 5])
def test_a_full_disk_is_told(tmp_path: Path, room: int) -> None:
    """At the latest when the file is closed; and nobody is left waiting."""
    with full_disk(room), pytest.raises(OSError, match="File too large"):  # noqa: PT012, SIM117
        with new_file(tmp_path / "file") as file:
            for _ in range(12):
                file.write(bytes(MB))
    assert threads() == []


def test_encryption_into_a_full_disk(tmp_path: Path) -> None:
    key = DocumentKey(DocumentKey.new_octets())
    with full_disk(6 * MB), pytest.raises(Exception, match="File too large"):  # noqa: PT012, SIM117
        with key.encrypting(new_file(tmp_path / "file"), "name") as sealed:
            for _ in range(12):
                sealed.write(bytes(MB))
    gc.collect()
    assert threads() == []


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_forgotten_file_leaves_no_thread(tmp_path: Path) -> None:
    file = new_file(tmp_path / "file")
    for _ in range(6):
        file.write(bytes(MB))
    del file
    gc.collect()
    assert threads() == []
    assert (tmp_path / "file").stat().st_size == 6 * MB
