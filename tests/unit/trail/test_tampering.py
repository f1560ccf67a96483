"""A trail that was bent says where, on SQLite and on PostgreSQL (FTS-AUD-2; case L-1)."""
# ruff: noqa: S608 - the tests write their statements themselves

import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from psycopg import sql
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from fts.audit.checkpoints import newest
from fts.db.database import Database
from fts.db.migrate import migrate
from tests.support.postgres import SUPERUSER, PostgresDatabase, postgres
from tests.unit.trail.trails import Trail

EVENTS = 12


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trail]:
    """The same trail on PostgreSQL, to be copied by each test."""
    with postgres(tmp_path_factory.mktemp("postgres")) as server:
        database = server.create()
        migrate(database.url)
        yield filled(Trail(database.url, postgres=database))


@pytest.fixture(scope="module")
def kept_file(tmp_path_factory: pytest.TempPathFactory) -> Trail:
    """The same trail on SQLite, to be copied by each test."""
    return filled(Trail(f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('sqlite') / 'trail.sqlite3'}"))


@pytest.fixture(params=["sqlite", "postgresql"])
def trail(request: pytest.FixtureRequest, tmp_path: Path) -> Trail:
    """Two checkpoints over six events each."""
    if request.param == "sqlite":
        return copied(request.getfixturevalue("kept_file"), tmp_path)
    kept: Trail = request.getfixturevalue("kept")
    assert kept.postgres is not None
    name = f"copy_{secrets.token_hex(6)}"
    with kept.postgres.server.connect(SUPERUSER) as connection:
        names = {"name": sql.Identifier(name), "kept": sql.Identifier(kept.postgres.name)}
        connection.execute(sql.SQL("CREATE DATABASE {name} TEMPLATE {kept}").format(**names))
    database = PostgresDatabase(kept.postgres.server, name)
    return Trail(database.url, kept.unit, kept.now, database)


@pytest.fixture
def file(kept_file: Trail, tmp_path: Path) -> Trail:
    """The same on SQLite: what only its columns take."""
    return copied(kept_file, tmp_path)


def copied(kept: Trail, directory: Path) -> Trail:
    """Copy a trail on SQLite that nobody has open."""
    path = directory / "trail.sqlite3"
    shutil.copyfile(kept.path, path)
    return Trail(f"sqlite+aiosqlite:///{path}", kept.unit, kept.now)


def filled(made: Trail) -> Trail:
    for _ in range(2):
        made.write(EVENTS // 2)
        made.checkpoint()
    return made


def test_a_sound_trail_is_sound(trail: Trail) -> None:
    verdict = trail.verify()
    assert verdict.ok
    assert (verdict.events, verdict.waiting, verdict.checkpoints) == (EVENTS, 0, 2)
    assert verdict.anchored_until == trail.now


@pytest.mark.parametrize("number", [1, 5, 6, 7, 12])
@pytest.mark.parametrize(
    "change",
    [
        "UPDATE event SET kind = 'x' WHERE id = {n}",
        "UPDATE event SET at = at + 1 WHERE id = {n}",
        "UPDATE event SET client_id = 'other' WHERE id = {n}",
        "UPDATE event SET client_id = NULL WHERE id = {n}",
        "UPDATE event SET data = '{{}}' WHERE id = {n}",
        "UPDATE event SET reference = 'x' WHERE id = {n}",
        "UPDATE event SET personal_sha256 = zeroblob(32) WHERE id = {n}",
        "UPDATE chain SET hash = zeroblob(32) WHERE seq = {n}",
        "DELETE FROM event WHERE id = {n}",
    ],
)
def test_edit_and_delete(trail: Trail, change: str, number: int) -> None:
    trail.tamper("PRAGMA foreign_keys = OFF", change.format(n=number))
    bad = trail.verify().first_bad
    assert bad is not None
    assert (bad.seq, bad.event_id) == (number, number), bad


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("UPDATE event SET kind = 'x' WHERE id = 5", "the event 5 was changed; its link 5 is as it was"),
        ("UPDATE chain SET hash = zeroblob(32) WHERE seq = 5", "the link 5 of the event 5 was changed"),
        ("UPDATE event SET kind = 'x' WHERE id = 12", "the event 12, or its link 12, was changed"),
        ("UPDATE event SET kind = 'x' WHERE id IN (5, 6)", "the event 5, or its link 5, was changed"),
    ],
)
def test_the_walk_says_what_was_changed(trail: Trail, change: str, what: str) -> None:
    """The link after it tells; after the last there is none."""
    trail.tamper(change)
    bad = trail.verify().first_bad
    assert bad is not None
    assert bad.what == what


@pytest.mark.parametrize("number", [1, 6, 7, 11])
def test_a_link_that_is_missing(trail: Trail, number: int) -> None:
    trail.tamper(f"DELETE FROM chain WHERE seq = {number}")
    bad = trail.verify().first_bad
    assert bad is not None
    assert bad.seq == number


def test_an_event_and_its_link_deleted_and_the_rest_moved_up(trail: Trail) -> None:
    trail.tamper(
        "DELETE FROM event WHERE id = 4", "DELETE FROM chain WHERE seq = 4",
        "UPDATE chain SET seq = -seq WHERE seq > 4", "UPDATE chain SET seq = -seq - 1 WHERE seq < 0",
    )  # fmt: skip
    bad = trail.verify().first_bad
    assert bad is not None
    assert bad.seq == 4


def test_an_inserted_event(trail: Trail) -> None:
    trail.tamper("INSERT INTO event SELECT 99, at, kind, actor, reference, client_id, document_id, signing_id, data, "
                 "personal_sha256 FROM event WHERE id = 3")  # fmt: skip
    bad = trail.verify().first_bad
    assert bad is not None
    assert bad.event_id == 99, "a duplicate that the sequencer never saw"


def test_an_event_inserted_into_the_chain(trail: Trail) -> None:
    trail.tamper(
        "INSERT INTO event SELECT 99, at, kind, actor, reference, client_id, document_id, signing_id, data, "
        "personal_sha256 FROM event WHERE id = 3",
        "UPDATE chain SET seq = -seq WHERE seq > 3",
        "INSERT INTO chain SELECT 4, 99, hash FROM chain WHERE seq = 3",
        "UPDATE chain SET seq = -seq + 1 WHERE seq < 0",
    )
    bad = trail.verify().first_bad
    assert bad is not None
    assert (bad.seq, bad.event_id) == (4, 99)


@pytest.mark.parametrize(("one", "other"), [(1, 2), (3, 9), (6, 7)])
def test_two_that_change_places(trail: Trail, one: int, other: int) -> None:
    trail.tamper(
        f"UPDATE chain SET event_id = -{one} WHERE seq = {other}",
        f"UPDATE chain SET event_id = {other} WHERE seq = {one}",
        f"UPDATE chain SET event_id = {one} WHERE seq = {other}",
    )
    bad = trail.verify().first_bad
    assert bad is not None
    assert bad.seq == one
    assert bad.what == f"the event {other} was moved: the link {one} was made over the event {one}"


def test_two_days_that_change_places(trail: Trail) -> None:
    """The first six events against the last six, contents and all."""
    swap = [f"UPDATE event SET {c} = (SELECT {c} FROM copy WHERE copy.id = (event.id + 5) % 12 + 1)"
            for c in ("at", "kind", "actor", "reference", "data", "personal_sha256")]  # fmt: skip
    trail.tamper("CREATE TEMP TABLE copy AS SELECT * FROM event", "UPDATE copy SET at = at + id", *swap)
    bad = trail.verify().first_bad
    assert bad is not None
    assert bad.seq == 1


def test_a_chain_that_was_made_anew_does_not_fit_its_checkpoints(trail: Trail) -> None:
    trail.tamper("UPDATE event SET kind = 'x' WHERE id = 9", "DELETE FROM chain")
    trail.chain()
    bad = trail.verify().first_bad
    assert bad is not None
    assert (bad.checkpoint, bad.seq) == (2, 7)


def test_checkpoints_that_were_made_anew_have_no_old_timestamp(trail: Trail) -> None:
    tables = ("chain", "checkpoint_token", "checkpoint")
    trail.tamper("UPDATE event SET kind = 'x' WHERE id = 9", *(f"DELETE FROM {table}" for table in tables))
    kept = trail.now
    trail.checkpoint()
    assert trail.verify().anchored_until == kept, "an authority of their own would date it today; ours stood still"


@pytest.mark.parametrize("count", [1, 3, 6])
def test_a_tail_that_was_cut_off(trail: Trail, count: int) -> None:
    first = EVENTS - count + 1
    trail.tamper(f"DELETE FROM chain WHERE seq >= {first}", f"DELETE FROM event WHERE id >= {first}")
    bad = trail.verify().first_bad
    assert bad is not None
    assert bad.seq == first


def test_a_tail_that_was_cut_off_with_its_checkpoint_needs_the_one_kept_elsewhere(trail: Trail) -> None:
    async def last(database: Database) -> object:
        async with database.read() as connection:
            return await newest(connection)

    kept = trail.run(last)
    trail.tamper(
        "DELETE FROM chain WHERE seq > 6", "DELETE FROM event WHERE id > 6",
        "DELETE FROM checkpoint_token WHERE number = 2", "DELETE FROM checkpoint WHERE number = 2",
    )  # fmt: skip
    assert trail.verify().ok, "nothing inside shows it"
    bad = trail.verify(kept=kept).first_bad
    assert bad is not None
    assert (bad.checkpoint, bad.seq) == (2, 7)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE checkpoint SET root = zeroblob(32) WHERE number = 1",
        "UPDATE checkpoint SET at = at + 1 WHERE number = 1",
        "UPDATE checkpoint SET previous = zeroblob(32) WHERE number = 1",
        "UPDATE checkpoint SET digest = zeroblob(32) WHERE number = 1",
        "UPDATE checkpoint SET algorithm = 'md5' WHERE number = 1",
        "DELETE FROM checkpoint WHERE number = 1",
        "DELETE FROM checkpoint_token WHERE number = 1",
        "UPDATE checkpoint_token SET covers = zeroblob(32) WHERE number = 1",
        "UPDATE checkpoint_token SET token = x'3000' WHERE number = 1",
        "UPDATE checkpoint_token SET token = (SELECT token FROM checkpoint_token WHERE number = 2) WHERE number = 1",
    ],
)
def test_checkpoints_and_their_timestamps(trail: Trail, change: str) -> None:
    trail.tamper("PRAGMA foreign_keys = OFF", change)
    bad = trail.verify().first_bad
    assert bad is not None
    assert bad.checkpoint == 1, bad


def test_a_timestamp_of_an_authority_that_nobody_trusts(trail: Trail, tmp_path: Path) -> None:
    other = Trail(f"sqlite+aiosqlite:///{tmp_path / 'other.sqlite3'}")
    bad = trail.verify(trust=[other.unit.ca.certificate]).first_bad
    assert bad is not None
    assert bad.checkpoint == 1


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE personal SET sealed = (SELECT sealed FROM personal WHERE event_id = 4) WHERE event_id = 2",
        "UPDATE personal SET sealed = zeroblob(80) WHERE event_id = 2",
        "INSERT INTO personal SELECT 1, sealed, NULL FROM personal WHERE event_id = 2",
    ],
)
def test_personal_parts(trail: Trail, change: str) -> None:
    trail.tamper(change)
    bad = trail.verify().first_bad
    assert bad is not None
    assert bad.event_id in (1, 2)


def test_what_is_not_chained_yet_is_no_fault_at_first(trail: Trail) -> None:
    trail.write(2)
    bad = trail.verify().first_bad
    assert bad is not None
    assert bad.event_id == EVENTS + 1, "an hour later it is"
    trail.checkpoint()
    assert trail.verify().ok


@pytest.mark.parametrize("table", ["event", "chain", "checkpoint", "checkpoint_token"])
@pytest.mark.parametrize("statement", ["DELETE FROM {}", "UPDATE {} SET {} = {}"])
def test_the_database_refuses_by_itself(trail: Trail, table: str, statement: str) -> None:
    column = {"event": "kind", "chain": "hash", "checkpoint": "root", "checkpoint_token": "token"}[table]

    async def work(database: Database) -> None:
        async with database.write() as transaction:
            await transaction.connection.execute(text(statement.format(table, column, column)))

    with pytest.raises(DBAPIError, match="insert-only"):
        trail.run(work)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ("UPDATE event SET data = 'garbage' WHERE id = 5", 5),
        ("UPDATE event SET at = 'garbage' WHERE id = 5", 5),
        ("UPDATE event SET at = 9000000000000000000 WHERE id = 5", 5),
        ("UPDATE event SET kind = x'ff' WHERE id = 5", 5),
        ("UPDATE event SET personal_sha256 = 'x' WHERE id = 2", 2),
        ("INSERT INTO chain SELECT -5, 77, hash FROM chain WHERE seq = 3", 1),
        ("UPDATE checkpoint SET at = 'garbage' WHERE number = 1", None),
    ],
)
def test_values_of_other_types_are_named_too(file: Trail, change: str, place: int | None) -> None:
    file.tamper(change)
    bad = file.verify().first_bad
    assert bad is not None
    assert bad.seq == place


def test_an_event_dated_in_the_future_does_not_wait(trail: Trail) -> None:
    trail.tamper("INSERT INTO event SELECT 99, at + 86400000000, kind, actor, reference, client_id, document_id, "
                 "signing_id, data, personal_sha256 FROM event WHERE id = 3")  # fmt: skip
    bad = trail.verify().first_bad
    assert bad is not None
    assert bad.event_id == 99


def test_checkpoints_that_are_gone_are_missed(trail: Trail) -> None:
    trail.tamper("PRAGMA foreign_keys = OFF", "DELETE FROM checkpoint WHERE number = 2")
    bad = trail.verify().first_bad
    assert bad is not None
    assert bad.checkpoint == 2
    trail.tamper("DELETE FROM checkpoint", "DELETE FROM checkpoint_token")
    bad = trail.verify().first_bad
    assert bad is not None
    assert bad.seq == 1, "old links without a checkpoint"
