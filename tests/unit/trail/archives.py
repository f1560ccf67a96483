"""Archives for tests: trails over several days, and judges of their files."""

import json
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from sqlalchemy import insert

from fts.audit.archive import Outcome, archive
from fts.audit.archive_walk import ArchiveVerdict, walk_archive
from fts.audit.chain import sequence
from fts.audit.checkpoints import anchor, checkpoint
from fts.audit.models import event
from fts.audit.service import Actor
from fts.db.database import Database
from signing.trust.path import TrustAnchors
from tests.unit.signing.issuing import authority, issue
from tests.unit.timestamping.units import MOMENT, POLICY, TIME_STAMPING, Unit
from tests.unit.trail.trails import KEYRING, Trail
from timestamping.authority.authority import Authority
from timestamping.authority.factory import SoftwareTsuKey, TokenFactory
from timestamping.authority.policies import Policies
from timestamping.authority.unit import TimestampingUnit

OPERATOR = Actor("operator", name="test")
START = datetime(2026, 11, 24, 8, tzinfo=UTC)


def lasting_unit(name: str, since: datetime = START, years: int = 12) -> Unit:
    """Make a timestamping unit, below a root of its own, whose certificates last for years."""
    begin, end = since - timedelta(days=1), since + timedelta(days=366 * years)
    ca = authority(f"Timestamping CA {name}", not_before=begin, not_after=end)
    tsu = issue(f"Timestamping Unit {name}", ca, not_before=begin, not_after=end, extensions=TIME_STAMPING)
    key, chain = SoftwareTsuKey(tsu.key), (ca.certificate,)
    factory = TokenFactory(key, tsu.certificate, chain, policy=POLICY)
    unit = TimestampingUnit(key, tsu.certificate, chain)
    return Unit(ca, tsu, factory, Authority(unit, lambda: MOMENT, policies=Policies(POLICY)))


def days(trail: Trail, count: int, *, checkpoints: int = 2, events: int = 3) -> Trail:
    """Fill a trail with days of checkpoints; afterwards it is the day behind them."""
    for _ in range(count):
        for _ in range(checkpoints):
            trail.write(events)
            trail.checkpoint()
            trail.now += timedelta(minutes=1)
        trail.now = (trail.now + timedelta(days=1)).replace(hour=8, minute=0)
    return trail


def many(trail: Trail, count: int) -> None:
    """Record many events at once; chain and timestamp them."""

    rows = [{"at": trail.now, "kind": "signing.step", "actor": "system", "data": {"n": n}} for n in range(count)]

    async def work(database: Database) -> None:
        async with database.write() as transaction:
            await transaction.connection.execute(insert(event), rows)
        while await sequence(database, 5000):
            pass
        while await checkpoint(database):
            pass
        await anchor(database, trail.timestamp)

    trail.run(work)


def archived(trail: Trail, directory: Path, until: date | None = None, *more: x509.Certificate) -> Outcome:
    """Archive what is there, up to the trail's day."""
    trust = [trail.unit.ca.certificate, *more]
    limit = until or trail.now.date()
    outcome: Outcome = trail.run(
        lambda database: archive(database, KEYRING, trust, limit, directory, trail.now, OPERATOR)
    )
    return outcome


def walked(directory: Path, *roots: x509.Certificate, **more: Any) -> ArchiveVerdict:
    """Verify an archive by what the gateway has for it."""
    return walk_archive(directory, TrustAnchors(roots), **more)


def judged(directory: Path) -> tuple[int, str]:
    """Verify an archive by its script: a plain Python and openssl, nothing of ours on the path."""
    script = shutil.copy(directory / "verify_archive.py", directory.parent / "judge_archive.py")
    command = [sys.executable, "-I", "-S", str(script), str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    return done.returncode, done.stdout + done.stderr


def lines(path: Path) -> list[bytes]:
    """Return the lines of a file with their ends."""
    return path.read_bytes().splitlines(keepends=True)


def octets(directory: Path) -> dict[str, bytes]:
    """Return all files of an archive."""
    return {str(p.relative_to(directory)): p.read_bytes() for p in sorted(directory.rglob("*")) if p.is_file()}


def packed(record: Any) -> bytes:
    """Return a record as an archive has it."""
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"
