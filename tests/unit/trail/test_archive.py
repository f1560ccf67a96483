"""The trail in files, from SQLite and PostgreSQL, verified without either (FTS-AUD-1, FTS-AUD-2, FTS-GDPR-5)."""
# ruff: noqa: S608 - the tests write their statements themselves

import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from fts.audit import archive as writing
from fts.audit.archive_export import bundle_from_archive
from fts.audit.archive_walk import UnsoundError, joined
from fts.audit.checkpoints import renew
from fts.audit.export import bundle
from fts.audit.search import Query, search
from fts.db.database import Database
from fts.db.migrate import migrate
from fts.errors import RefusalError
from tests.support.postgres import postgres
from tests.unit.trail import test_bundle
from tests.unit.trail.archives import OPERATOR, START, archived, days, judged, lasting_unit, many, octets, walked
from tests.unit.trail.trails import KEYRING, NUMBER, Trail

EVENTS = 8_000


@pytest.fixture(scope="module")
def on_postgresql(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trail]:
    with postgres(tmp_path_factory.mktemp("postgres")) as server:
        database = server.create()
        migrate(database.url)
        trail = days(Trail(database.url, lasting_unit("A"), START, database), 3)
        trail.url = database.url_of("fts_operator")
        yield trail


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    return days(Trail(f"sqlite+aiosqlite:///{tmp_path / 'trail.sqlite3'}", lasting_unit("A"), START), 3)


@pytest.mark.parametrize("which", ["trail", "on_postgresql"])
def test_an_archive_verifies_without_the_database(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    trail: Trail = request.getfixturevalue(which)
    folder = tmp_path / "archive"
    outcome = archived(trail, folder)
    assert outcome.written == 3
    assert sorted(octets(folder)) == [
        *(f"personal/2026-11-{day}.jsonl" for day in (24, 25, 26)),
        "roots.pem",
        *(f"trail/2026-11-{day}.jsonl" for day in (24, 25, 26)),
        "verify_archive.py",
    ]
    verdict = walked(folder, trail.unit.ca.certificate)
    assert verdict.ok, verdict
    assert (verdict.files, verdict.links, verdict.checkpoints) == (3, 18, 6)
    status, said = judged(folder)
    assert status == 0, said
    assert outcome.last is not None
    assert verdict.last_sha512 == outcome.last.sha512
    assert outcome.last.sha512.hex() in said


def test_nobody_can_be_read_from_an_archive_without_the_keys(trail: Trail, tmp_path: Path) -> None:
    archived(trail, tmp_path / "archive")
    assert not any(
        NUMBER.encode() in content or b"192.0.2.7" in content for content in octets(tmp_path / "archive").values()
    )


def test_personal_parts_are_forgotten_and_the_trail_stays_whole(trail: Trail, tmp_path: Path) -> None:
    folder = tmp_path / "archive"
    archived(trail, folder)
    (folder / "personal" / "2026-11-25.jsonl").unlink()
    verdict = walked(folder, trail.unit.ca.certificate)
    assert verdict.ok, verdict
    assert verdict.removed_personal_files == 1
    assert judged(folder)[0] == 0


def test_two_copies_are_identical_and_a_second_run_changes_nothing(trail: Trail, tmp_path: Path) -> None:
    for name in ("one", "two"):
        archived(trail, tmp_path / name)
    before = octets(tmp_path / "one")
    assert before == octets(tmp_path / "two")
    stamps = {path: path.stat().st_mtime_ns for path in (tmp_path / "one").rglob("*") if path.is_file()}
    assert archived(trail, tmp_path / "one").written == 0
    assert before == octets(tmp_path / "one")
    assert stamps == {path: path.stat().st_mtime_ns for path in (tmp_path / "one").rglob("*") if path.is_file()}


def test_day_by_day_or_at_once_is_the_same(trail: Trail, tmp_path: Path) -> None:
    for day in (25, 26, 27):
        assert archived(trail, tmp_path / "one", date(2026, 11, day)).written == 1
    archived(trail, tmp_path / "two")
    assert octets(tmp_path / "one") == octets(tmp_path / "two")


def test_that_it_was_archived_is_recorded_once_for_each_state(trail: Trail, tmp_path: Path) -> None:
    outcome = archived(trail, tmp_path / "archive")
    archived(trail, tmp_path / "archive")
    found = trail.run(lambda database: search(database, KEYRING, Query(kind="trail.archived"), OPERATOR))
    assert outcome.last is not None
    assert [(event.data["sha512"], event.data["link"]) for event in found] == [(outcome.last.sha512.hex(), 18)]
    assert (found[0].personal or {})["name"] == "test"


def test_a_later_file_timestamps_the_earlier_ones_anew(trail: Trail, tmp_path: Path) -> None:
    """What was archived is an event with the hash of the last file, and that event is timestamped in its turn."""
    folder = tmp_path / "archive"
    archived(trail, folder)
    trail.now += timedelta(days=365)
    old, trail.unit = trail.unit.ca.certificate, lasting_unit("B", trail.now)
    days(trail, 1)
    archived(trail, folder, None, old)
    verdict = walked(folder, old, trail.unit.ca.certificate)
    assert verdict.ok, verdict
    assert verdict.covered_day == date(2026, 11, 26)
    assert verdict.covered_at == verdict.anchored_until
    assert walked(folder, trail.unit.ca.certificate).first_bad is not None, "the old root is still needed"


def test_what_is_not_over_or_not_timestamped_is_refused(trail: Trail, tmp_path: Path) -> None:
    with pytest.raises(RefusalError) as refused:
        archived(trail, tmp_path / "archive", trail.now.date() + timedelta(days=1))
    assert refused.value.code == "ARCHIVE_NOT_READY"
    trail.tamper("DELETE FROM checkpoint_token WHERE number = 6")
    with pytest.raises(RefusalError) as refused:
        archived(trail, tmp_path / "archive")
    assert (refused.value.code, "checkpoint 6" in str(refused.value)) == ("ARCHIVE_NOT_READY", True)
    assert walked(tmp_path / "archive", trail.unit.ca.certificate).files == 2, "what was sound stays"


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE event SET kind = 'x' WHERE id = 14",
        "DELETE FROM event WHERE id = 14",
        "DELETE FROM chain WHERE seq = 14",
        "UPDATE event SET data = 'garbage' WHERE id = 14",
        "UPDATE chain SET hash = zeroblob(32) WHERE seq = 14",
        "UPDATE checkpoint SET root = zeroblob(32) WHERE number = 5",
        "UPDATE checkpoint_token SET token = x'3000' WHERE number = 5",
        "UPDATE checkpoint_token SET token = (SELECT token FROM checkpoint_token WHERE number = 6) WHERE number = 5",
        "DELETE FROM checkpoint WHERE number = 5",
        "UPDATE personal SET sealed = zeroblob(80) WHERE event_id = 14",
    ],
)
def test_what_is_not_sound_is_not_archived(trail: Trail, tmp_path: Path, change: str) -> None:
    trail.tamper("PRAGMA foreign_keys = OFF", change)
    with pytest.raises(UnsoundError):
        archived(trail, tmp_path / "archive")
    assert sorted(octets(tmp_path / "archive" / "trail")) == [
        "2026-11-24.jsonl", "2026-11-25.jsonl", "2026-11-26.jsonl.partial",
    ]  # fmt: skip


def test_an_authority_that_nobody_trusts_is_refused(trail: Trail, tmp_path: Path) -> None:
    trail.unit = lasting_unit("B")
    with pytest.raises(UnsoundError):
        archived(trail, tmp_path / "archive")


def test_a_chain_that_was_made_anew_does_not_fit_its_archive(trail: Trail, tmp_path: Path) -> None:
    archived(trail, tmp_path / "archive", date(2026, 11, 25))
    tables = ("chain", "checkpoint_token", "checkpoint")
    trail.tamper("UPDATE event SET kind = 'x' WHERE id = 2", *(f"DELETE FROM {table}" for table in tables))
    trail.now = START
    trail.checkpoint()
    days(trail, 4)
    with pytest.raises(UnsoundError):
        archived(trail, tmp_path / "archive")


def test_the_database_goes_on_from_its_archive(trail: Trail, tmp_path: Path) -> None:
    archived(trail, tmp_path / "archive", date(2026, 11, 26))
    reached = joined(tmp_path / "archive", [trail.unit.ca.certificate])
    assert reached.seq == 12
    trail.checkpoint()
    assert trail.verify(archived=reached).ok


@pytest.mark.parametrize("left", [0, 2])
def test_a_database_whose_tail_was_cut_does_not_go_on_from_its_archive(trail: Trail, tmp_path: Path, left: int) -> None:
    archived(trail, tmp_path / "archive", date(2026, 11, 26))
    reached = joined(tmp_path / "archive", [trail.unit.ca.certificate])
    rows = {"personal": "event_id", "chain": "seq", "event": "id"}
    trail.tamper(
        *(f"DELETE FROM {table} WHERE {column} > {3 * left}" for table, column in rows.items()),
        *(f"DELETE FROM {table} WHERE number > {left}" for table in ("checkpoint_token", "checkpoint")),
    )
    assert trail.verify().ok, "nothing inside shows it"
    bad = trail.verify(archived=reached).first_bad
    assert bad is not None
    assert (bad.checkpoint, bad.seq) == (4, 12)


def test_a_database_whose_head_was_cut_is_reported(trail: Trail) -> None:
    trail.tamper(
        "DELETE FROM personal WHERE event_id < 7", "DELETE FROM event WHERE id < 7", "DELETE FROM chain WHERE seq < 7",
        "DELETE FROM checkpoint_token WHERE number < 3", "DELETE FROM checkpoint WHERE number < 3",
    )  # fmt: skip
    bad = trail.verify().first_bad
    assert bad is not None
    assert bad.seq == 1


def test_a_second_run_at_the_same_time_is_refused(trail: Trail, tmp_path: Path) -> None:
    codes = []

    def told(_file: object) -> None:
        with pytest.raises(RefusalError) as refused, writing._locked(tmp_path / "archive"):
            pass
        codes.append(refused.value.code)

    trust = [trail.unit.ca.certificate]
    trail.run(
        lambda database: writing.archive(
            database, KEYRING, trust, trail.now.date(), tmp_path / "archive", trail.now, OPERATOR, told
        )
    )
    assert codes == ["ARCHIVE_BUSY"] * 3


def test_checkpoints_of_a_clock_that_was_set_back_go_on_behind_what_is_closed(trail: Trail, tmp_path: Path) -> None:
    archived(trail, tmp_path / "archive")
    before = octets(tmp_path / "archive" / "trail")
    trail.now = START + timedelta(hours=1)
    days(trail, 1)
    trail.now = START + timedelta(days=9)
    archived(trail, tmp_path / "archive")
    assert before.items() <= octets(tmp_path / "archive" / "trail").items()
    verdict = walked(tmp_path / "archive", trail.unit.ca.certificate)
    assert (verdict.ok, verdict.last_day) == (True, date(2026, 11, 27)), verdict


def test_three_renewals_over_ten_years_verify_offline(trail: Trail, tmp_path: Path) -> None:
    """Case L-3 in files: four authorities one after the other, three algorithms; all but the last are over."""
    roots, trail.unit = [], lasting_unit("0", START, 4)
    trail.tamper("DELETE FROM checkpoint_token", "DELETE FROM checkpoint", "DELETE FROM chain")
    trail.now = START
    trail.checkpoint()
    for number, algorithm in enumerate(("sha256", "sha384", "sha512"), start=1):
        roots.append(trail.unit.ca.certificate)
        trail.now = START + timedelta(days=1200 * number)
        trail.unit = lasting_unit(str(number), trail.now, 4)

        async def work(database: Database, algorithm: str = algorithm) -> int:
            return await renew(database, trail.timestamp, algorithm, trail.now)

        assert trail.run(work) == 1
    archived(trail, tmp_path / "archive", None, *roots)
    verdict = walked(tmp_path / "archive", trail.unit.ca.certificate, *roots)
    assert verdict.ok, verdict
    assert verdict.anchored_until == trail.now
    status, said = judged(tmp_path / "archive")
    assert status == 0, said
    assert (tmp_path / "archive" / "trail" / "2026-11-24.jsonl").read_bytes().count(b'"token":"') == 4
    for root in roots:
        rest = [other for other in (*roots, trail.unit.ca.certificate) if other != root]
        assert walked(tmp_path / "archive", *rest).first_bad is not None, "each of them is needed"


def _killed_at(step: int, trail: Trail, folder: Path) -> None:
    """Archive, and die by SIGKILL before the given step on the disk: what is brought to it, and what gets its name."""
    steps, sync, named = iter(range(1, step + 1)), os.fsync, Path.replace

    def last() -> None:
        if next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    def fsync(descriptor: int) -> None:
        last()
        sync(descriptor)

    def replace(path: Path, target: Path) -> Path:
        last()
        return named(path, target)

    os.fsync, Path.replace = fsync, replace  # type: ignore[assignment, method-assign]
    archived(trail, folder)


def test_a_run_that_was_killed_is_carried_on(trail: Trail, tmp_path: Path) -> None:
    """At every step on the disk: what has its name is whole, and the next run makes the same archive."""
    archived(trail, tmp_path / "whole")
    step = 0
    while True:
        step += 1
        folder = tmp_path / f"killed-{step}"
        process = multiprocessing.get_context("fork").Process(target=_killed_at, args=(step, trail, folder))
        process.start()
        process.join()
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
        if any((folder / "trail").glob("*.jsonl")):
            bad = walked(folder, trail.unit.ca.certificate).first_bad
            assert bad is None or "a run was cut short" in bad.what
        archived(trail, folder)
        assert octets(folder) == octets(tmp_path / "whole"), step
    assert step > 3 * 6, "two files a day are brought to the disk, named, and their folders too"


@pytest.mark.parametrize("wanted", [{"signing_id": "s1"}, {"client_id": "town", "document_id": "d1"}])
def test_a_transaction_is_handed_over_from_the_archive(trail: Trail, tmp_path: Path, wanted: dict[str, str]) -> None:
    """The same bundle as from the database, which another script and openssl judge; then nothing personal is left."""
    trail.write(2, signing_id="s2", document_id="d2")
    days(trail, 1)
    archived(trail, tmp_path / "archive")
    trust = [trail.unit.ca.certificate]

    def exported(name: str) -> Path:
        source = tmp_path / "archive"
        trail.run(
            lambda database: bundle_from_archive(database, KEYRING, trust, OPERATOR, tmp_path / name, source, **wanted)
        )
        return tmp_path / name

    trail.run(lambda database: bundle(database, KEYRING, trust, OPERATOR, tmp_path / "one", **wanted))
    one, two = octets(tmp_path / "one"), octets(exported("two"))
    assert json.loads(one.pop("events.json")) == json.loads(two.pop("events.json"))
    assert one == two
    status, said = test_bundle.judged(tmp_path / "two")
    assert (status, said.count("event ")) == (0, 24), said
    assert NUMBER.encode() in (tmp_path / "two" / "events.json").read_bytes()
    shutil.rmtree(tmp_path / "archive" / "personal")
    assert NUMBER.encode() not in (exported("three") / "events.json").read_bytes()
    assert test_bundle.judged(tmp_path / "three")[0] == 0
    found = trail.run(lambda database: search(database, KEYRING, Query(kind="trail.exported"), OPERATOR))
    assert [event.data.get("archive", False) for event in found] == [False, True, True]


def test_nothing_is_handed_over_from_an_archive_that_was_bent(trail: Trail, tmp_path: Path) -> None:
    archived(trail, tmp_path / "archive")
    path = tmp_path / "archive" / "trail" / "2026-11-26.jsonl"
    path.write_bytes(path.read_bytes().replace(b"signing.step0", b"signing.stop0"))
    trust = [trail.unit.ca.certificate]
    for signing in ("s1", "s9"):

        async def work(database: Database, signing: str = signing) -> int:
            folder, source = tmp_path / "bundle", tmp_path / "archive"
            return await bundle_from_archive(database, KEYRING, trust, OPERATOR, folder, source, signing_id=signing)

        with pytest.raises(UnsoundError):
            trail.run(work)
    assert not (tmp_path / "bundle").exists()


def test_memory_does_not_grow_with_the_archive(tmp_path: Path) -> None:
    """Four times as many events in a day, written and read back: the process needs no more for them."""
    trail = Trail(f"sqlite+aiosqlite:///{tmp_path / 'trail.sqlite3'}", lasting_unit("A"), START)
    many(trail, EVENTS)
    grown = []
    for day in (1, 2):
        trail.now = START + timedelta(days=day)
        Path("/proc/self/clear_refs").write_text("5")
        before = _peak()
        archived(trail, tmp_path / "archive")
        assert walked(tmp_path / "archive", trail.unit.ca.certificate).ok
        grown.append(_peak() - before)
        many(trail, 4 * EVENTS)
    size = (tmp_path / "archive" / "trail" / "2026-11-25.jsonl").stat().st_size
    assert size > 4 * 250 * EVENTS
    assert grown[1] < grown[0] + size / 4, (grown, size)


def _peak() -> int:
    """Return the most memory of this process since it was set back, in octets."""
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM:")).split()[1]) * 1024
