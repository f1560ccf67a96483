"""The gateway on PostgreSQL: the same tables, a trail that its owner cannot bend, and roles that may do little."""

import asyncio
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import LiteralString

import psycopg
import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from psycopg.errors import InsufficientPrivilege, IntegrityConstraintViolation
from sqlalchemy import create_engine, insert, text
from sqlalchemy.exc import IntegrityError, ProgrammingError

from fts.audit.service import Actor, record, trail
from fts.clients.models import client
from fts.db import roles
from fts.db.database import Database
from fts.db.migrate import migrate
from fts.db.tables import metadata
from fts.incidents.service import Finding, note
from fts.jobs.queue import claim, complete, enqueue
from fts.keyring import Keyring
from tests.support.postgres import OWNER, Postgres, PostgresDatabase, postgres

KEYRING = Keyring(bytes(32))
NOW = datetime(2026, 11, 24, 8, tzinfo=UTC)
PRIVILEGES = ("SELECT", "INSERT", "UPDATE", "DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "MAINTAIN")
TRAIL = ("event", "chain", "checkpoint", "checkpoint_token")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    with postgres(tmp_path_factory.mktemp("postgres")) as running:
        yield running


@pytest.fixture(scope="module")
def migrated(server: Postgres) -> PostgresDatabase:
    """A gateway's database, owned and migrated by a user who is no superuser; tests leave no rows that matter."""
    database = server.create(OWNER)
    migrate(database.url_as(OWNER))
    return database


@pytest.fixture
def empty(server: Postgres) -> PostgresDatabase:
    return server.create(OWNER)


def opened(url: str) -> Database:
    return Database(url, lambda: NOW, KEYRING)


def refuses(database: PostgresDatabase, user: str, statement: LiteralString, error: type[psycopg.Error]) -> None:
    with (
        database.connect(user) as connection,
        connection.transaction(force_rollback=True),
        pytest.raises(error),
        connection.transaction(),
    ):
        connection.execute(statement)


def test_migrations_make_exactly_the_tables(empty: PostgresDatabase) -> None:
    migrate(empty.url_as(OWNER))
    migrate(empty.url_as(OWNER))
    engine = create_engine(empty.url)
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_nodes_that_migrate_at_once_do_not_disturb_each_other(empty: PostgresDatabase) -> None:
    with ThreadPoolExecutor() as threads:
        for migration in [threads.submit(migrate, empty.url_as(OWNER)) for _ in range(4)]:
            migration.result()


@pytest.mark.parametrize("user", [OWNER, "postgres"])
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE event SET kind = 'x'",
        "UPDATE chain SET hash = ''",
        "UPDATE checkpoint SET root = ''",
        "UPDATE checkpoint_token SET token = ''",
        "DELETE FROM event",
        "DELETE FROM chain",
        "DELETE FROM checkpoint",
        "DELETE FROM checkpoint_token",
        *(f"TRUNCATE {table} CASCADE" for table in TRAIL),
        "INSERT INTO chain VALUES (1, 1, '') ON CONFLICT (seq) DO UPDATE SET event_id = 2",
        "MERGE INTO chain USING event ON seq = id WHEN MATCHED THEN DELETE",
        "UPDATE personal SET sealed = ''",
        "TRUNCATE personal",
    ],
)
def test_the_trail_is_insert_only_for_the_owner_too(
    migrated: PostgresDatabase, user: str, statement: LiteralString
) -> None:
    refuses(migrated, user, statement, IntegrityConstraintViolation)


def test_a_change_of_the_trail_fails_as_on_sqlite(migrated: PostgresDatabase) -> None:
    async def work() -> None:
        database = opened(migrated.url_as(OWNER))
        with pytest.raises(IntegrityError, match="insert-only"):
            await executed(database, "DELETE FROM event")
        await database.close()

    asyncio.run(work())


async def executed(database: Database, statement: str) -> None:
    async with database.write() as work:
        await work.connection.execute(text(statement))


def test_each_role_has_exactly_its_rights(migrated: PostgresDatabase) -> None:
    tables = (*metadata.tables, "alembic_version")
    with migrated.connect() as connection:
        for role, rights in roles.RIGHTS.items():
            expected = {(table, right) for table, listed in rights.items() for right in listed if "(" not in right}
            rows = connection.execute(
                "SELECT t, p FROM unnest(%s::text[]) t, unnest(%s::text[]) p WHERE has_table_privilege(%s, t, p)",
                [list(tables), list(PRIVILEGES), role],
            )
            assert set(rows) == expected | {("alembic_version", "SELECT")}, role


@pytest.mark.parametrize("role", roles.RIGHTS)
def test_no_role_may_bend_the_trail(role: str) -> None:
    rights = roles.RIGHTS[role]
    assert not {"UPDATE", "DELETE", "TRUNCATE"} & {right for table in TRAIL for right in rights.get(table, ())}
    assert not {"UPDATE", "TRUNCATE"} & set(rights.get("personal", ()))


MAY: dict[str, list[LiteralString]] = {
    "fts_web": [
        "SELECT * FROM client, credential",
        "SELECT * FROM usage FOR UPDATE",
        "INSERT INTO event (at, kind, actor, data) VALUES (0, 'k', 'system', '{}') RETURNING id",
        "INSERT INTO personal SELECT id, '' FROM event WHERE false",
        "SELECT max(id), min(at) FROM event WHERE id > (SELECT max(event_id) FROM chain)",
        "SELECT * FROM event, personal",
        "SELECT * FROM checkpoint",
        "SELECT * FROM document FOR UPDATE",
        "DELETE FROM preview",
        "DELETE FROM document",
        "UPDATE incident SET count = count + 1",
        "SELECT version_num FROM alembic_version",
    ],
    "fts_worker": [
        "SELECT * FROM client",
        "DELETE FROM destruction",
        "DELETE FROM preview",
        "UPDATE signing SET version = version + 1",
        "INSERT INTO event (at, kind, actor, data) VALUES (0, 'k', 'system', '{}') RETURNING id",
        "SELECT * FROM job FOR UPDATE SKIP LOCKED",
    ],
    "fts_sequencer": [
        "SELECT * FROM event, chain, checkpoint, checkpoint_token",
        "INSERT INTO chain VALUES (1, 1, '')",
        "INSERT INTO checkpoint SELECT FROM checkpoint WHERE false",
        "INSERT INTO checkpoint_token (number, at, covers, algorithm, token) SELECT 1, 1, '', '', '' WHERE false",
        "SELECT nextval('checkpoint_token_id_seq')",
        "SELECT pg_advisory_xact_lock(1)",
    ],
    "fts_operator": [
        "SELECT * FROM event, personal, chain, checkpoint, checkpoint_token",
        "DELETE FROM personal",
        "INSERT INTO event (at, kind, actor, data) VALUES (0, 'k', 'system', '{}') RETURNING id",
        "INSERT INTO job (kind, subject) SELECT '', '' WHERE false",
        "UPDATE client SET suspended_at = 0",
        "UPDATE credential SET ended_at = 0",
        "UPDATE incident SET ended_at = 0",
        "DELETE FROM document",
        "SELECT nextval('checkpoint_token_id_seq')",
    ],
}

NOBODY: list[LiteralString] = [
    "UPDATE event SET kind = 'x'",
    "UPDATE chain SET hash = ''",
    "UPDATE checkpoint SET root = ''",
    "UPDATE checkpoint_token SET token = ''",
    "UPDATE personal SET sealed = ''",
    "DELETE FROM event",
    "DELETE FROM chain",
    "DELETE FROM checkpoint",
    "DELETE FROM checkpoint_token",
    "DELETE FROM client",
    "TRUNCATE event, personal",
    "TRUNCATE document, preview, signing",
    "INSERT INTO alembic_version VALUES ('x')",
    "UPDATE alembic_version SET version_num = 'x'",
    "DROP TRIGGER event_is_insert_only ON event",
    "ALTER TABLE event DISABLE TRIGGER ALL",
    "ALTER TABLE event OWNER TO CURRENT_USER",
    "DROP TABLE event CASCADE",
    "CREATE TRIGGER t BEFORE INSERT ON event EXECUTE FUNCTION event_is_insert_only()",
    "CREATE RULE r AS ON INSERT TO event DO INSTEAD NOTHING",
    "CREATE OR REPLACE FUNCTION event_is_insert_only() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
    "DROP FUNCTION event_is_insert_only CASCADE",
    "CREATE TABLE own (id int)",
    "SELECT setval('event_id_seq', 1)",
    "LOCK TABLE event IN ACCESS EXCLUSIVE MODE",
    "SET session_replication_role = replica",
    "SET ROLE gateway_owner",
    "CREATE ROLE other",
    "GRANT UPDATE ON event TO CURRENT_USER; UPDATE event SET kind = 'x'",
    "COPY client TO PROGRAM 'true'",
    "SELECT pg_read_file('postgresql.conf')",
]

MAY_NOT: dict[str, list[LiteralString]] = {
    "fts_web": [
        "DELETE FROM personal",
        "INSERT INTO chain VALUES (1, 1, '')",
        "INSERT INTO checkpoint SELECT FROM checkpoint WHERE false",
        "SELECT token FROM checkpoint_token",
        "INSERT INTO checkpoint_token (number) SELECT 1 WHERE false",
        "INSERT INTO client (id) SELECT '' WHERE false",
        "UPDATE client SET suspended_at = NULL",
        "INSERT INTO credential (id) SELECT '' WHERE false",
        "UPDATE credential SET ended_at = NULL",
        "UPDATE job SET state = 'done'",
        "DELETE FROM job",
        "INSERT INTO preview (page) SELECT 1 WHERE false",
        "DELETE FROM incident",
        "DELETE FROM usage",
        "SET ROLE fts_operator",
        "SET ROLE fts_sequencer",
    ],
    "fts_worker": [
        "INSERT INTO client (id) SELECT '' WHERE false",
        "UPDATE client SET suspended_at = NULL",
        "SELECT mac FROM credential",
        "UPDATE credential SET ended_at = NULL",
        "UPDATE usage SET count = 0",
        "SELECT kind FROM event",
        "SELECT sealed FROM personal",
        "DELETE FROM personal",
        "SELECT hash FROM chain",
        "INSERT INTO chain VALUES (1, 1, '')",
        "INSERT INTO checkpoint SELECT FROM checkpoint WHERE false",
        "SELECT nextval('checkpoint_token_id_seq')",
        "DELETE FROM incident",
        "SET ROLE fts_operator",
    ],
    "fts_sequencer": [
        "SELECT sealed FROM personal",
        "INSERT INTO personal SELECT 1, '' WHERE false",
        "DELETE FROM personal",
        "INSERT INTO event (kind) SELECT '' WHERE false",
        "SELECT nextval('event_id_seq')",
        "SELECT id FROM document",
        "SELECT id FROM signing",
        "SELECT page FROM preview",
        "SELECT key_id FROM destruction",
        "SELECT id FROM client",
        "SELECT id FROM credential",
        "SELECT day FROM usage",
        "SELECT id FROM job",
        "INSERT INTO job (kind) SELECT '' WHERE false",
        "SELECT id FROM incident",
        "SET ROLE fts_operator",
    ],
    "fts_operator": [
        "INSERT INTO chain VALUES (1, 1, '')",
        "INSERT INTO checkpoint SELECT FROM checkpoint WHERE false",
        "DELETE FROM incident",
        "DELETE FROM credential",
        "DELETE FROM usage",
        "SET ROLE fts_sequencer",
    ],
}


@pytest.mark.parametrize(("role", "statement"), [(role, one) for role, listed in MAY.items() for one in listed])
def test_what_a_role_may_do(migrated: PostgresDatabase, role: str, statement: LiteralString) -> None:
    with migrated.connect(migrated.user_of(role)) as connection, connection.transaction(force_rollback=True):
        connection.execute(statement)


@pytest.mark.parametrize(
    ("role", "statement"), [(role, one) for role, listed in MAY_NOT.items() for one in (*listed, *NOBODY)]
)
def test_what_a_role_may_not_do(migrated: PostgresDatabase, role: str, statement: LiteralString) -> None:
    refuses(migrated, migrated.user_of(role), statement, InsufficientPrivilege)


@pytest.mark.parametrize("role", ["fts_web", "fts_worker", "fts_operator"])
def test_who_acts_records_it(migrated: PostgresDatabase, role: str) -> None:
    async def work() -> None:
        database = opened(migrated.url_of(role))
        actor = Actor("signer", "192.0.2.1", "reference", None)
        async with database.write() as transaction:
            await record(transaction, "test", actor, signing_id=role, signer_number="PNOLV-010101-10006")
        await database.close()

        reader = opened(migrated.url_of("fts_operator"))
        (event,) = await trail(reader, KEYRING, signing_id=role)
        assert event.personal == {"address": "192.0.2.1", "signer": "PNOLV-010101-10006"}
        await reader.close()

    asyncio.run(work())


@pytest.mark.parametrize("role", ["fts_web", "fts_worker", "fts_operator"])
def test_who_finds_a_security_event_has_it_reported(migrated: PostgresDatabase, role: str) -> None:
    """FTS-GDPR-6: the operator finds one, too: `fts audit verify` that meets a record that was changed."""

    async def work() -> None:
        database = opened(migrated.url_of(role))
        found = Finding("trail_tampered", None, Actor("operator", name=role), "link 1, event 1", count=2)
        async with database.write() as transaction:
            await note(transaction, found)
        async with database.write() as transaction:
            await note(transaction, found)
        await database.close()

    asyncio.run(work())
    with migrated.connect() as connection:
        [(count,)] = connection.execute("SELECT count FROM incident WHERE kind = 'trail_tampered'").fetchall()
        connection.execute("DELETE FROM incident")
    assert count == 4


def test_the_worker_cannot_read_what_it_recorded(migrated: PostgresDatabase) -> None:
    async def work() -> None:
        database = opened(migrated.url_of("fts_worker"))
        with pytest.raises(ProgrammingError, match="permission denied"):
            await trail(database, KEYRING, signing_id="any")
        await database.close()

    asyncio.run(work())


def test_the_web_orders_what_the_worker_does(migrated: PostgresDatabase) -> None:
    async def work() -> None:
        web, worker = opened(migrated.url_of("fts_web")), opened(migrated.url_of("fts_worker"))
        async with web.write() as transaction:
            await enqueue(transaction, "kind", "subject", {"n": 1}, client_id="c", key="k")
            await enqueue(transaction, "kind", "subject", {"n": 2}, client_id="c", key="k")
        job = await claim(worker, "citizen", "one", timedelta(seconds=10))
        assert job is not None
        assert job.payload == {"n": 1}
        async with worker.write() as transaction:
            await complete(transaction, job)
        assert await claim(worker, "citizen", "one", timedelta(seconds=10)) is None
        await web.close()
        await worker.close()

    asyncio.run(work())


def test_one_of_several_inserts_of_the_same_key_succeeds(empty: PostgresDatabase) -> None:
    migrate(empty.url_as(OWNER))

    async def add(database: Database) -> bool:
        values = {"id": "same", "definition": {}, "created_at": NOW, "applied_at": NOW}
        try:
            async with database.write() as work:
                await work.connection.execute(insert(client).values(**values))
        except IntegrityError:
            return False
        return True

    async def work() -> None:
        database = opened(empty.url_of("fts_operator"))
        added = await asyncio.gather(*(add(database) for _ in range(8)))
        assert sorted(added) == [False] * 7 + [True]
        await database.close()

    asyncio.run(work())


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("statement_timeout", "1min"),
        ("idle_in_transaction_session_timeout", "1min"),
        ("synchronous_commit", "on"),
    ],
)
def test_no_transaction_hangs(migrated: PostgresDatabase, setting: str, value: str) -> None:
    async def work() -> None:
        database = opened(migrated.url_of("fts_web"))
        async with database.read() as connection:
            assert (await connection.execute(text(f"SHOW {setting}"))).scalar_one() == value
        await database.close()

    asyncio.run(work())


def test_a_migration_takes_back_rights_that_somebody_added(empty: PostgresDatabase) -> None:
    migrate(empty.url_as(OWNER))
    user = empty.user_of("fts_web")
    with empty.connect() as connection:
        connection.execute("GRANT ALL ON event, chain, alembic_version TO fts_web")
        connection.execute("GRANT SELECT (token) ON checkpoint_token TO fts_web")
        connection.execute("GRANT ALL ON SEQUENCE event_id_seq TO fts_web")
    migrate(empty.url_as(OWNER))
    for statement in (
        "INSERT INTO chain VALUES (1, 1, '')",
        "SELECT token FROM checkpoint_token",
        "SELECT setval('event_id_seq', 1)",
    ):
        refuses(empty, user, statement, InsufficientPrivilege)


def test_who_may_not_make_roles_is_told_what_to_do(
    server: Postgres, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server.execute("CREATE ROLE poor LOGIN")
    database = server.create("poor")
    monkeypatch.setattr(roles, "RIGHTS", {**roles.RIGHTS, "fts_test": {"event": ("SELECT",)}})
    with caplog.at_level(logging.WARNING, "fts.db"):
        migrate(database.url_as("poor"))
    assert "--print-grants" in caplog.text
    with database.connect() as connection:
        for statement in roles.statements():
            connection.execute(statement.encode())
    caplog.clear()
    migrate(database.url_as("poor"))
    assert caplog.text == ""
    with database.connect(database.user_of("fts_test")) as connection:
        connection.execute("SELECT * FROM event")
