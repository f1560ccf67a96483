"""Decisions to be recorded, and a directory to record them in."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from timestamping.authority.ports import Caller, ClockSnapshot, ClockState, Decision
from timestamping.authority.records import FileDecisionLog, read_records

NOON = datetime(2026, 11, 27, 12, 0, 0, 125_000, tzinfo=UTC)
SNAPSHOT = ClockSnapshot(7, ClockState.GOOD, -0.0021, 0.01, ("a", "b"), NOON, 4711.0)
GRANTED = Decision(
    received_at=NOON,
    decided_at=NOON + timedelta(milliseconds=2),
    caller=Caller("client", "192.0.2.1", "reference"),
    query_octets=57,
    imprint_algorithm="2.16.840.1.101.3.4.2.1",
    imprint=bytes(range(32)),
    policy_asked=None,
    nonce=255,
    certificates_asked=True,
    extensions_asked=False,
    fail_info=None,
    serial_number=1 << 158,
    gen_time=NOON.replace(microsecond=0),
    policy="2.25.4711",
    unit="ab" * 32,
    snapshot=SNAPSHOT,
    signing_seconds=0.00004,
    token_sha256=bytes(32),
)
NOTHING = (None,) * 7
REFUSED = Decision(
    NOON,
    NOON,
    Caller(),
    3,
    *NOTHING[:6],
    "badDataFormat",
    *NOTHING,
)


def numbered(number: int) -> Decision:
    return GRANTED._replace(nonce=number)


def append(log: FileDecisionLog, *decisions: Decision) -> None:
    """Have each decision appended by a caller of its own, all at once."""

    async def callers() -> None:
        await asyncio.gather(*[log.append([decision]) for decision in decisions])

    asyncio.run(callers())


@contextmanager
def opened(directory: Path, **settings: object) -> Iterator[FileDecisionLog]:
    log = FileDecisionLog(directory, **settings)  # type: ignore[arg-type]
    yield log
    log.close()


def nonces(directory: Path) -> list[int]:
    return [int(record["nonce"], 16) for record in read_records(directory)]


def only_file(directory: Path) -> Path:
    (path,) = directory.iterdir()
    return path
