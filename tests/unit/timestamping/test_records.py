"""The record of decisions: durable before the answer, chained, whole again after a kill or a full disk (FTS-TS-1)."""

import asyncio
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.full_disk import full_disk
from tests.unit.timestamping.recording import (
    GRANTED,
    NOON,
    REFUSED,
    append,
    nonces,
    numbered,
    only_file,
    opened,
)
from timestamping.authority import records
from timestamping.authority.ports import Caller, RecordFailedError
from timestamping.authority.record_lines import MAX_OCTETS, MAX_TEXT, encode
from timestamping.authority.records import (
    FileDecisionLog,
    RecordsDamagedError,
    cut_torn_records,
    read_records,
)
from timestamping.authority.sync import InlineSync


def test_what_a_record_says(tmp_path: Path) -> None:
    with opened(tmp_path) as log:
        append(log, GRANTED, REFUSED)
    granted, refused = read_records(tmp_path)
    assert granted == {
        "received_at": "2026-11-27T12:00:00.125000Z",
        "decided_at": "2026-11-27T12:00:00.127000Z",
        "client": "client",
        "address": "192.0.2.1",
        "reference": "reference",
        "query_octets": 57,
        "imprint_algorithm": "2.16.840.1.101.3.4.2.1",
        "imprint": bytes(range(32)).hex(),
        "policy_asked": None,
        "nonce": "ff",
        "certificates_asked": True,
        "extensions_asked": False,
        "fail_info": None,
        "serial_number": f"{1 << 158:x}",
        "gen_time": "2026-11-27T12:00:00.000000Z",
        "policy": "2.25.4711",
        "unit": "ab" * 32,
        "clock": {
            "number": 7,
            "state": "good",
            "offset_seconds": -0.0021,
            "error_seconds": 0.01,
            "checked_at": "2026-11-27T12:00:00.125000Z",
        },
        "signing_seconds": 0.00004,
        "token_sha256": "00" * 32,
    }
    assert refused["fail_info"] == "badDataFormat"
    assert {refused[name] for name in ("imprint", "nonce", "serial_number", "clock", "gen_time")} == {None}


@given(
    st.text(max_size=MAX_TEXT), st.binary(max_size=MAX_OCTETS), st.integers(-(2**256) + 1, 2**256 - 1), st.booleans()
)
def test_any_content_is_one_line_of_json(text: str, octets: bytes, number: int, truth: bool) -> None:
    decision = GRANTED._replace(
        caller=Caller(text, text, text), imprint=octets, nonce=number, certificates_asked=truth, policy=text
    )
    line = "{" + encode(decision) + "}"
    assert line.isascii()
    assert "\n" not in line
    record = json.loads(line)
    assert [record[name] for name in ("client", "address", "reference", "policy")] == [text] * 4
    assert (bytes.fromhex(record["imprint"]), int(record["nonce"], 16)) == (octets, number)
    assert record["certificates_asked"] is truth


def test_a_hostile_query_does_not_fill_the_disk() -> None:
    hostile = REFUSED._replace(
        imprint=bytes(60_000), nonce=1 << 500_000, policy_asked="1." * 60_000, imprint_algorithm="2." * 60_000
    )
    assert len(encode(hostile)) < 2_000


def test_callers_that_wait_together_share_one_sync(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """FTS-TS-1: no caller goes on before its record is on the disk."""
    events: list[str] = []
    sync = os.fdatasync

    def observed(descriptor: int) -> None:
        sync(descriptor)
        events.append("synced")

    monkeypatch.setattr(os, "fdatasync", observed)

    async def caller(log: FileDecisionLog, number: int) -> None:
        await log.append([numbered(number)])
        events.append("answered")

    async def all_at_once(log: FileDecisionLog) -> None:
        await asyncio.gather(*[caller(log, number) for number in range(50)])

    with opened(tmp_path, sync=InlineSync) as log:
        asyncio.run(all_at_once(log))
        asyncio.run(caller(log, 50))
    assert events == ["synced", *["answered"] * 50, "synced", "answered"]
    assert nonces(tmp_path) == list(range(51))


def test_nobody_is_told_of_a_record_whose_sync_failed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened(tmp_path, sync=InlineSync) as log:
        append(log, numbered(1))
        with monkeypatch.context() as broken:

            def fail(_descriptor: int) -> None:
                raise OSError(5, "Input/output error")

            broken.setattr(os, "fdatasync", fail)
            with pytest.raises(RecordFailedError, match="Input/output"):
                append(log, numbered(2))
        append(log, numbered(3))
    assert nonces(tmp_path) in ([1, 3], [1, 2, 3])
    assert len(list(tmp_path.iterdir())) == 2


def test_a_write_that_can_neither_be_synced_nor_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk gives out altogether for a moment: nobody is told of a record, and the files still read as whole."""
    with opened(tmp_path, sync=InlineSync) as log:
        append(log, numbered(1))
        with monkeypatch.context() as broken:

            def fail(*_arguments: int) -> None:
                raise OSError(5, "Input/output error")

            broken.setattr(os, "fdatasync", fail)
            broken.setattr(os, "ftruncate", fail)
            with pytest.raises(RecordFailedError, match="Input/output"):
                append(log, numbered(2))
        append(log, numbered(3))
    assert nonces(tmp_path) == [1, 2, 3]


@pytest.mark.parametrize("where", ["_written", "_write_all"])
def test_whatever_goes_wrong_everybody_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """A failure that is no error of the disk must not leave anybody waiting."""

    def fail(*_arguments: object) -> None:
        raise MemoryError

    async def together(log: FileDecisionLog) -> list[BaseException | None]:
        several = [log.append([numbered(2 + number)]) for number in range(5)]
        return await asyncio.wait_for(asyncio.gather(*several, return_exceptions=True), 5)

    with opened(tmp_path) as log:
        append(log, numbered(1))
        with monkeypatch.context() as broken:
            if where == "_written":
                broken.setattr(log, "_write", fail)
            else:
                broken.setattr("timestamping.authority.records._write_all", fail)
            told = asyncio.run(together(log))
        assert [type(error) for error in told] == [RecordFailedError] * 5
        append(log, numbered(10))
    assert nonces(tmp_path) == [1, 10]


@pytest.mark.parametrize("junk", [b"[" * 200_000, b'{"chain":' + b"1" * 5_000 + b"}", b"\xff"])
def test_a_line_that_no_parser_takes_is_damage(tmp_path: Path, junk: bytes) -> None:
    with opened(tmp_path) as log:
        append(log, numbered(1))
    with only_file(tmp_path).open("ab") as file:
        file.write(junk + b"\n")
    with pytest.raises(RecordsDamagedError, match="line 3: no JSON"):
        list(read_records(tmp_path))


def test_a_file_without_a_head_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(tmp_path) as log:
        append(log, numbered(1))
    only_file(tmp_path).write_bytes(b"")
    assert nonces(tmp_path) == []
    assert "has no head" in caplog.text


@pytest.mark.parametrize("room", [0, 1, 300, 1_000, 2_000])
def test_full_disk_and_after(tmp_path: Path, room: int) -> None:
    """What the disk takes of a record in part is cut off again, and the next one follows the last good one."""
    with opened(tmp_path) as log:
        append(log, numbered(1))
        good = only_file(tmp_path).read_bytes()
        with full_disk(len(good) + room):
            for _ in range(3):
                with pytest.raises(RecordFailedError):
                    append(log, *map(numbered, range(10, 20)))
                assert only_file(tmp_path).read_bytes() == good
        append(log, numbered(2))
    assert nonces(tmp_path) == [1, 2]


def test_disk_too_full_for_another_file(tmp_path: Path) -> None:
    with opened(tmp_path, file_bytes=1) as log:
        append(log, numbered(1))
        files = set(tmp_path.iterdir())
        with full_disk(10):
            for _ in range(3):
                with pytest.raises(RecordFailedError):
                    append(log, numbered(2))
        assert set(tmp_path.iterdir()) == files
        append(log, numbered(3))
    assert nonces(tmp_path) == [1, 3]


def test_directory_that_cannot_be_written(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("not a directory")
    with pytest.raises(RecordFailedError, match="cannot be recorded"):
        FileDecisionLog(blocked / "records")


def test_a_file_is_followed_by_another_by_size_and_by_day(tmp_path: Path) -> None:
    now = [NOON]
    with opened(tmp_path, file_bytes=2_000, clock=lambda: now[0]) as log:
        for number in range(10):
            append(log, numbered(number))
        by_size = len(list(tmp_path.iterdir()))
        now[0] += timedelta(days=1)
        append(log, numbered(10))
    assert by_size > 2
    assert len(list(tmp_path.iterdir())) == by_size + 1
    assert all(path.stat().st_size < 4_000 and path.stat().st_mode & 0o777 == 0o600 for path in tmp_path.iterdir())
    assert nonces(tmp_path) == list(range(11))


def test_processes_have_files_of_their_own(tmp_path: Path) -> None:
    with opened(tmp_path) as one, opened(tmp_path) as other:
        for number in range(4):
            append(one, numbered(number))
            append(other, numbered(100 + number))
    assert len(list(tmp_path.iterdir())) == 2
    assert sorted(nonces(tmp_path)) == [*range(4), *range(100, 104)]


def three_lines(directory: Path) -> list[bytes]:
    with opened(directory) as log:
        append(log, *map(numbered, range(3)))
    return only_file(directory).read_bytes().splitlines(keepends=True)


@pytest.mark.parametrize("lost", [1, 10, 200])
def test_torn_record_is_passed_over_and_cut(tmp_path: Path, caplog: pytest.LogCaptureFixture, lost: int) -> None:
    lines = three_lines(tmp_path)
    path = only_file(tmp_path)
    path.write_bytes(b"".join(lines)[:-lost])
    with caplog.at_level(logging.WARNING):
        assert nonces(tmp_path) == [0, 1]
    assert "unfinished record" in caplog.text
    caplog.clear()
    with opened(tmp_path) as log:
        assert f"{path} ended in an unfinished record of {len(lines[-1]) - lost} octets" in caplog.text
        assert path.read_bytes() == b"".join(lines[:-1])
        append(log, numbered(3))
    assert sorted(nonces(tmp_path)) == [0, 1, 3]


def test_a_file_that_is_being_written_is_not_cut(tmp_path: Path) -> None:
    with opened(tmp_path):
        path = only_file(tmp_path)
        with path.open("ab") as stream:
            stream.write(b'{"chain":"half')
        before = path.read_bytes()
        cut_torn_records(tmp_path)
        assert path.read_bytes() == before
    cut_torn_records(tmp_path)
    assert path.read_bytes() == before[:-14]


def test_finished_files_may_be_read_only(tmp_path: Path) -> None:
    three_lines(tmp_path)
    finished = only_file(tmp_path)
    finished.chmod(0o400)
    opened_to_write: list[str] = []
    hook = recording_hook(opened_to_write)
    with hook, opened(tmp_path):
        pass
    assert finished.name not in " ".join(opened_to_write)


@contextmanager
def recording_hook(names: list[str]) -> Iterator[None]:
    """Remember the paths of files that `Path.open` opens to be written: root may write what is read-only."""
    usual = Path.open

    def observed(path: Path, mode: str = "r", *more: object, **others: object) -> object:
        if "r" not in mode or "+" in mode:
            names.append(path.name)
        return usual(path, mode, *more, **others)  # type: ignore[call-overload]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "open", observed)
        yield


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_every_changed_octet_but_the_last_lines_is_found(data: st.DataObject) -> None:
    lines, written = CHAIN
    octets = bytearray(written)
    at = data.draw(st.integers(0, len(written) - len(lines[-1]) - 1))
    octets[at] ^= data.draw(st.integers(1, 255))
    CHAIN_FILE.write_bytes(octets)
    with pytest.raises(RecordsDamagedError, match="line"):
        list(read_records(CHAIN_FILE.parent))


@pytest.fixture(scope="module", autouse=True)
def chain(tmp_path_factory: pytest.TempPathFactory) -> None:
    global CHAIN, CHAIN_FILE
    directory = tmp_path_factory.mktemp("chain")
    lines = three_lines(directory)
    CHAIN, CHAIN_FILE = (lines, b"".join(lines)), only_file(directory)


CHAIN: tuple[list[bytes], bytes]
CHAIN_FILE: Path


@pytest.mark.parametrize("order", [(0, 2, 3), (0, 1, 3), (1, 2, 3), (0, 2, 1, 3), (0, 1, 1, 2, 3), (0, 1, 2, 3, 1)])
def test_lines_taken_out_moved_or_put_in(tmp_path: Path, order: tuple[int, ...]) -> None:
    lines = three_lines(tmp_path)
    only_file(tmp_path).write_bytes(b"".join(lines[number] for number in order))
    with pytest.raises(RecordsDamagedError, match="line"):
        list(read_records(tmp_path))


def test_missing_file_between_two(tmp_path: Path) -> None:
    with opened(tmp_path, file_bytes=1) as log:
        for number in range(3):
            append(log, numbered(number))
    sorted(tmp_path.iterdir())[1].unlink()
    with pytest.raises(RecordsDamagedError, match="file before"):
        list(read_records(tmp_path))


def test_endless_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "MAX_LINE_BYTES", 1_000)
    three_lines(tmp_path)
    with only_file(tmp_path).open("ab") as stream:
        stream.write(bytes(10_000))
    before = only_file(tmp_path).read_bytes()
    cut_torn_records(tmp_path)
    assert only_file(tmp_path).read_bytes() == before
    with pytest.raises(RecordsDamagedError, match="longer"):
        list(read_records(tmp_path))
