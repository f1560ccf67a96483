"""The roles of the gateway on PostgreSQL: every process may do what its work needs, and no more.

They are groups without login. The operator of the database makes a user for each process and grants it one of them:
`CREATE ROLE web1 LOGIN PASSWORD '…' IN ROLE fts_web`. The user that migrates owns the tables and runs no process. Roles
belong to a whole server of PostgreSQL: two gateways on one server keep apart by `REVOKE CONNECT`.

Nobody here may change or delete a record of the trail; triggers refuse it besides, to the owner of the tables too.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from fts.db.tables import metadata

_READ: Final = ("SELECT",)
_ADD: Final = ("SELECT", "INSERT")
_KEEP: Final = ("SELECT", "INSERT", "UPDATE")
_ALL: Final = ("SELECT", "INSERT", "UPDATE", "DELETE")
_RECORD: Final = ("SELECT (id)", "INSERT")
"""Write events without reading them; only the number of the new event is returned."""

Rights = Mapping[str, tuple[str, ...]]
"""Privileges by table."""

RIGHTS: Final[Mapping[str, Rights]] = MappingProxyType(
    {
        "fts_web": {
            "client": _READ,
            "credential": _READ,
            "usage": _KEEP,
            "document": _ALL,
            "preview": ("SELECT", "DELETE"),
            "signing": _ALL,
            "document_timestamp": _ALL,
            "destruction": ("SELECT", "INSERT", "DELETE"),
            "job": _ADD,
            "incident": _KEEP,
            "event": _ADD,
            "personal": _ADD,
            "chain": _READ,
            "checkpoint": _READ,
        },
        "fts_worker": {
            "client": _READ,
            "usage": _READ,
            "document": _ALL,
            "preview": _ALL,
            "signing": _ALL,
            "document_timestamp": _ALL,
            "destruction": _ALL,
            "job": _ALL,
            "incident": _KEEP,
            "event": _RECORD,
            "personal": ("INSERT",),
        },
        "fts_sequencer": {
            "event": _READ,
            "chain": _ADD,
            "checkpoint": _ADD,
            "checkpoint_token": _ADD,
        },
        "fts_operator": {
            "client": _KEEP,
            "credential": _KEEP,
            "usage": _KEEP,
            "document": _ALL,
            "preview": _ALL,
            "signing": _ALL,
            "document_timestamp": _ALL,
            "destruction": _ALL,
            "job": _ALL,
            "incident": _KEEP,
            "event": _ADD,
            "personal": ("SELECT", "INSERT", "DELETE"),
            "chain": _READ,
            "checkpoint": _READ,
            "checkpoint_token": _ADD,
        },
    }
)
"""What each role may do; all may read the version of the tables besides.

The web reads the trail because clients export theirs, persons included.
"""

_VERSION: Final = "alembic_version"
_COUNTED: Final = ("event", "job", "checkpoint_token")
"""Tables whose rows the database numbers."""


def statements() -> list[str]:
    """Return what makes the roles and gives them exactly these rights, whatever they had before."""
    tables = ", ".join((*sorted(metadata.tables), _VERSION))
    sequences = ", ".join(f"{table}_id_seq" for table in _COUNTED)
    made = []
    for role, rights in RIGHTS.items():
        made += [
            _create(role),
            f"REVOKE ALL ON TABLE {tables} FROM {role}",
            f"REVOKE ALL ON SEQUENCE {sequences} FROM {role}",
            f"GRANT SELECT ON TABLE {_VERSION} TO {role}",
        ]
        for table, privileges in rights.items():
            made.append(f"GRANT {', '.join(privileges)} ON TABLE {table} TO {role}")
            if table in _COUNTED and "INSERT" in privileges:
                made.append(f"GRANT USAGE ON SEQUENCE {table}_id_seq TO {role}")
    return made


async def can_grant(connection: AsyncConnection) -> bool:
    """Tell whether all roles are there, or the user of this connection may make them."""
    statement = text(
        "SELECT (SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user)"
        " OR (SELECT count(*) FROM pg_roles WHERE rolname = ANY(:roles)) = :number"
    )
    found = await connection.execute(statement, {"roles": list(RIGHTS), "number": len(RIGHTS)})
    return bool(found.scalar_one())


async def grant(connection: AsyncConnection) -> None:
    """Make the roles that are missing and give all of them their rights; for the owner of the tables."""
    for statement in statements():
        await connection.exec_driver_sql(statement)


def _create(role: str) -> str:
    """Return what makes a role, also while somebody else on the same server does."""
    return (
        f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{role}') THEN CREATE ROLE {role} NOLOGIN; "
        "END IF; EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL; END $$"
    )
