"""Five days on an S3 server, with processes that die: old versions and unfinished uploads go, too.

FTS-GDPR-1; case S-4. Fewer documents than on files, unless FTS_RETENTION_DOCUMENTS says how many, and the same claims.
"""

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from minio import Minio
from minio.commonconfig import ENABLED
from minio.versioningconfig import SUSPENDED, VersioningConfig

from tests.e2e.kills.keeping import LARGE, documents_asked, hours
from tests.e2e.kills.keeping import stored as stored_in_files
from tests.e2e.kills.test_retention import (
    DAYS,
    RETENTION,
    House,
    check,
    check_the_disk,
    check_the_records,
    settled,
    with_services,
)
from tests.support.seaweed import Seaweed, client_of, seaweed

DOCUMENTS = documents_asked(600)
STEPS = 40
EVERY = 30
"""One document in so many is sent in parts."""
PREFIX = "fts-"
VERSIONED = ("six", "day")
"""Clients in whose buckets somebody switched versioning on; later it is suspended."""


@dataclass
class RemoteHouse(House):
    """The gateway's data with the objects on a server."""

    server: Seaweed | None = None

    @property
    def client(self) -> Minio:
        assert self.server is not None
        return client_of(self.server)

    def stored(self) -> tuple[set[str], set[str]]:
        """See `House.stored`: every version and every delete marker counts as an object."""
        client = self.client
        objects = {
            f"{client_id}/{found.object_name}"
            for client_id in RETENTION
            for found in client.list_objects(bucket_name=PREFIX + client_id, recursive=True, include_version=True)
        }
        return objects, stored_in_files(self.data)[1]

    def unfinished(self) -> int:
        """Return how many uploads in parts are neither finished nor aborted."""
        client = self.client
        return sum(len(client._list_multipart_uploads(PREFIX + client_id).uploads) for client_id in RETENTION)

    def versioning(self, state: str) -> None:
        for client_id in VERSIONED:
            self.client.set_bucket_versioning(bucket_name=PREFIX + client_id, config=VersioningConfig(status=state))


@pytest.fixture
def house(tmp_path: Path) -> Iterator[RemoteHouse]:
    with seaweed(tmp_path / "weed") as server:
        credentials = tmp_path / "store.json"
        credentials.touch(mode=0o600)
        admin = {"access_key": server.admin.access_key, "secret_key": server.admin.secret_key}
        credentials.write_text(json.dumps({"*": admin}))
        more = (
            f'[objects]\nendpoint = "{server.endpoint.host}"\nsecure = false\nregion = "us-east-1"\n'
            f'prefix = "{PREFIX}"\ncredentials = "store.json"\nplace = "BE"\n'
        )
        made = settled(RemoteHouse, tmp_path, more)
        made.server = server
        yield made


def test_five_days_on_a_server(house: RemoteHouse) -> None:
    begin, number = house.clock(), 0
    abandoned = plant_unfinished(house)
    for step in range(STEPS):
        hour = step * 24 * DAYS // STEPS
        house.clock.set(begin + hours(hour) + timedelta(seconds=house.chance.randrange(3600)))
        if step in (STEPS // 4, STEPS // 2):
            house.versioning(ENABLED if step == STEPS // 4 else SUSPENDED)
        wanted = []
        while number < DOCUMENTS * (step + 1) // STEPS:
            number += 1
            name = f"{LARGE if number % EVERY == 0 else 'd'}{number}"
            wanted.append((house.chance.choice(list(RETENTION)), name))
        with house.sweepers(house.chance.choice((1, 2))):
            house.upload(wanted, kill=step % 3 == 2)
        asked = house.chance.sample(sorted(house.taken), min(20, len(house.taken)))
        with_services(house, lambda services, some=asked: check(services, house, some))
        if step % 10 == 9:
            with_services(house, lambda services: check_the_disk(services, house))
    assert house.kills >= STEPS, "the processes were too fast"
    assert len(house.taken) > DOCUMENTS * 0.5
    assert any(name.startswith(LARGE) for _, name in house.taken)
    assert house.unfinished() >= abandoned
    everything = sorted(house.taken)
    with_services(house, lambda services: check(services, house, everything))
    house.clock.set(begin + hours(24 * DAYS + 121))
    with_services(house, lambda services: check(services, house, everything))
    house.clock.set(datetime.now(UTC) + hours(2))
    with_services(house, lambda services: check_the_disk(services, house))
    assert house.stored() == (set(), set()), "no version, no marker, no key is left"
    assert house.unfinished() == 0
    with_services(house, lambda services: check_the_records(services, house))
    print(f"{len(house.taken)} documents, {house.kills} kills")


def plant_unfinished(house: RemoteHouse) -> int:
    """Begin uploads in parts as a process does that dies in the middle; return how many."""
    chance, client = random.Random(0), house.client  # noqa: S311 - names only
    for client_id in RETENTION:
        bucket, name = PREFIX + client_id, f"{chance.getrandbits(128):032x}"
        upload_id = client._create_multipart_upload(bucket, name, {})
        client._upload_part(
            bucket_name=bucket, object_name=name, data=b"x" * 100, headers={}, upload_id=upload_id, part_number=1
        )
    return len(RETENTION)
