"""One gateway for the tests that neither kill nor reconfigure it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.samples.sound import SOUND
from tests.support.gateway import Gateway
from tests.support.postgres import OWNER, PostgresDatabase, postgres
from tests.support.seaweed import Seaweed, seaweed

ROLES = ("web", "worker", "sequencer", "operator")


class Separated(Gateway):
    """A gateway whose processes are users of their own in the database."""

    def __init__(self, directory: Path, database: PostgresDatabase, **configuration: Any) -> None:
        super().__init__(directory, database=database.url_as(OWNER), **configuration)
        self.database = database

    def migrated(self) -> None:
        """Give each role its login."""
        self.configuration["databases"] = {role: self.database.url_of(f"fts_{role}") for role in ROLES}
        self.write()


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A running gateway."""
    limits = {"finishing_seconds": 3.0, "sweep_seconds": 0.3, "orphan_sweep_seconds": 1.0}
    with Gateway(tmp_path_factory.mktemp("gateway"), limits=limits) as running:
        yield running


@pytest.fixture(scope="session")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Seaweed]:
    """An S3 server."""
    with seaweed(tmp_path_factory.mktemp("weed")) as running:
        yield running


@pytest.fixture(scope="session")
def remote(weed: Seaweed, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """A running gateway whose objects are on the server, in buckets that begin with `fts-`."""
    directory = tmp_path_factory.mktemp("remote")
    path = directory / "store.json"
    path.touch(mode=0o600)
    path.write_text(json.dumps({"*": {"access_key": weed.admin.access_key, "secret_key": weed.admin.secret_key}}))
    store = {
        "endpoint": weed.endpoint.host,
        "secure": False,
        "prefix": "fts-",
        "credentials": str(path),
        "place": "BE",
    }
    with Gateway(directory, objects=store, limits={"document_bytes": 1_000_000}) as running:
        yield running


@pytest.fixture(scope="session")
def separated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Separated]:
    """A running gateway on PostgreSQL, each process with the least rights."""
    directory = tmp_path_factory.mktemp("separated")
    with (
        postgres(directory) as server,
        Separated(directory, server.create(OWNER), limits={"sweep_seconds": 0.3}) as running,
    ):
        yield running


@pytest.fixture(autouse=True)
def _browsers(gateway: Gateway) -> Iterator[None]:
    yield
    gateway.close_browsers()


@pytest.fixture(scope="session")
def pdf() -> bytes:
    """A document."""
    return SOUND["one_page"]()
