"""Records while the disk takes its time: written in one go, durable one after the other (FTS-TS-1; ADR 0008)."""

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.full_disk import full_disk
from tests.unit.timestamping.recording import append, nonces, numbered, only_file, opened
from timestamping.authority.ports import RecordFailedError
from timestamping.authority.records import FileDecisionLog
from timestamping.authority.sync import Done, FileSync, InlineSync, KernelSync


class HeldSync(InlineSync):
    """A disk that takes its time: each sync ends when it is let go on, or when somebody must wait for it."""

    def __init__(self) -> None:
        self.held: tuple[int, Done] | None = None
        self.count = 0
        self.error: OSError | None = None

    def start(self, descriptor: int, done: Done) -> None:
        assert self.held is None, "two syncs at a time"
        self.held = descriptor, done
        self.count += 1

    def wait(self) -> None:
        if self.held is not None:
            (_, done), self.held = self.held, None
            done(self.error)


async def several(log: FileDecisionLog, *numbers: int) -> list[asyncio.Task[None]]:
    """Begin to append, and return when what was asked is written."""
    tasks = [asyncio.create_task(log.append([numbered(number)])) for number in numbers]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


def test_what_is_written_during_a_sync_waits_for_the_next(tmp_path: Path) -> None:
    """FTS-TS-1: one sync at a time, and nobody goes on by a sync that began before his record was written."""

    async def case(log: FileDecisionLog, disk: HeldSync) -> None:
        first = await several(log, 1, 2)
        second = await several(log, 3)
        third = await several(log, 4)
        assert not any(task.done() for task in (*first, *second, *third))
        disk.wait()
        await asyncio.gather(*first)
        assert not any(task.done() for task in (*second, *third))
        disk.wait()
        await asyncio.gather(*second, *third)
        assert disk.count == 2

    disk = HeldSync()
    with opened(tmp_path, sync=lambda: disk) as log:
        asyncio.run(case(log, disk))
    assert nonces(tmp_path) == [1, 2, 3, 4]


def test_a_failed_sync_takes_what_was_written_meanwhile_along(tmp_path: Path) -> None:
    """The error of a disk is reported once: what was written after the sync began is not known to be durable."""

    async def case(log: FileDecisionLog, disk: HeldSync) -> None:
        first, second = await several(log, 1), await several(log, 2)
        disk.error = OSError(5, "Input/output error")
        disk.wait()
        told = await asyncio.gather(*first, *second, return_exceptions=True)
        assert [type(error) for error in told] == [RecordFailedError] * 2
        disk.error = None
        third = await several(log, 3)
        disk.wait()
        await asyncio.gather(*third)

    disk = HeldSync()
    with opened(tmp_path, sync=lambda: disk) as log:
        asyncio.run(case(log, disk))
    assert nonces(tmp_path) == [3]
    assert len(list(tmp_path.iterdir())) == 2


def test_a_full_disk_during_a_sync(tmp_path: Path) -> None:
    """What is written already becomes durable; what does not fit is taken back and told."""

    async def case(log: FileDecisionLog) -> None:
        first = await several(log, 1)
        with full_disk(only_file(tmp_path).stat().st_size + 100):
            second = await several(log, 2)
            with pytest.raises(RecordFailedError, match="File too large"):
                await asyncio.gather(*second)
        await asyncio.gather(*first)
        third = await several(log, 3)
        disk.wait()
        await asyncio.gather(*third)

    disk = HeldSync()
    with opened(tmp_path, sync=lambda: disk) as log:
        asyncio.run(case(log))
    assert nonces(tmp_path) == [1, 3]


def test_another_file_follows_though_the_disk_is_never_idle(tmp_path: Path) -> None:
    async def case(log: FileDecisionLog, disk: HeldSync) -> None:
        tasks = []
        for number in range(40):
            tasks += await several(log, number)
        disk.wait()
        disk.wait()
        await asyncio.gather(*tasks)

    disk = HeldSync()
    with opened(tmp_path, sync=lambda: disk, file_bytes=4_000) as log:
        asyncio.run(case(log, disk))
    assert nonces(tmp_path) == list(range(40))
    assert len(list(tmp_path.iterdir())) > 5


def test_the_end_waits_for_the_disk(tmp_path: Path) -> None:
    async def case() -> list[asyncio.Task[None]]:
        log = FileDecisionLog(tmp_path)
        tasks = await several(log, *range(20))
        log.close()
        await asyncio.gather(*tasks)
        return tasks

    asyncio.run(case())
    assert nonces(tmp_path) == list(range(20))


def test_a_loop_that_ended_during_a_sync_is_not_missed(tmp_path: Path) -> None:
    with opened(tmp_path) as log:

        async def leave() -> None:
            await several(log, 1)

        asyncio.run(leave())
        append(log, numbered(2))
    assert nonces(tmp_path) == [1, 2]


@pytest.mark.parametrize("make", [InlineSync, KernelSync])
def test_the_error_of_a_sync_is_reported(make: Callable[[], FileSync]) -> None:
    """A pipe cannot be synced."""
    sync, (reader, writer) = make(), os.pipe()
    errors: list[OSError | None] = []

    async def case() -> None:
        ended = asyncio.Event()

        def done(error: OSError | None) -> None:
            errors.append(error)
            ended.set()

        sync.start(writer, done)
        await ended.wait()

    asyncio.run(case())
    assert [error and error.errno for error in errors] == [errno.EINVAL]
    sync.close()
    os.close(reader)
    os.close(writer)
