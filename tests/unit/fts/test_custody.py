"""The store is tried before it is trusted (FTS-SEC-3, FTS-GDPR-1)."""

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from fts.clients.management import offboard
from fts.clients.service import accounts
from fts.configuration import Configuration
from fts.custody import probe, vault_of
from fts.errors import RefusalError
from fts.keyring import Keyring
from fts.services import probe_buckets
from storage.ports import Finding
from tests.support.embedded import KEY_TOKEN, OPERATOR, Embedded, embedded

MAIL = {"host": "mail.example", "sender": "fts@gateway.example", "operators": ["duty@gateway.example"]}


def configured(directory: Path, **more: Any) -> Configuration:
    values = {
        "key_store": directory.parent / f"{directory.name}-keys",
        "environment": "TA", "operator": "Test", "public_url": "https://x.example", "data": directory,
        "master_key": directory / "k", "trust_anchors": directory / "t", "tsa_url": "http://127.0.0.1:1/", "mail": MAIL,
        "master_key_token": KEY_TOKEN,
    }  # fmt: skip
    return Configuration.model_validate(values | more)


class Careless:
    """A store that keeps what it was told to delete."""

    async def probe(self, _bucket: str) -> list[Finding]:
        return [Finding("gives back what was put", True, ""), Finding("deletes what is deleted", False, "it stayed")]


@pytest.mark.parametrize("environment", ["TA", "PROD"])
def test_files_are_fit(tmp_path: Path, environment: str) -> None:
    configuration = configured(tmp_path, environment=environment)
    asyncio.run(probe(configuration, vault_of(configuration, Keyring(bytes(32)))))


def test_a_careless_store_is_refused_in_production(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for environment in ("TA", "PROD"):
        configuration = configured(tmp_path, environment=environment)
        vault = vault_of(configuration, Keyring(bytes(32)))
        vault.objects = Careless()  # type: ignore[assignment]
        caplog.clear()
        with caplog.at_level(logging.ERROR, "fts.custody"):
            if environment == "TA":
                asyncio.run(probe(configuration, vault))
            else:
                with pytest.raises(RefusalError, match="deletes what is deleted") as caught:
                    asyncio.run(probe(configuration, vault))
                assert caught.value.code == "STORE_UNFIT"
        assert "deletes what is deleted (it stayed)" in caplog.text


class Versioned:
    """A store in which somebody switched versioning on for one bucket."""

    def __init__(self, bucket: str) -> None:
        self.bucket = bucket
        self.probed: list[str] = []

    async def probe(self, bucket: str) -> list[Finding]:
        self.probed.append(bucket)
        return [Finding("no versions are kept", bucket != self.bucket, "versioning is enabled")]


PRODUCTION: dict[str, Any] = {"environment": "PROD", "mail": MAIL}


def in_production(tmp_path: Path, case: Callable[[Embedded], Awaitable[None]]) -> None:
    async def work() -> None:
        async with embedded(tmp_path, key_store=tmp_path / "keys", **PRODUCTION) as gateway:
            await case(gateway)

    asyncio.run(work())


def test_the_bucket_of_each_client_is_tried(tmp_path: Path) -> None:
    """Of a client whose account has ended, no more."""

    async def case(gateway: Embedded) -> None:
        for name in ("town", "other", "former"):
            await gateway.register(name, networks=["192.0.2.0/24"])
        await offboard(gateway.services, "former", OPERATOR)
        store = Versioned("other")
        gateway.services.vault.objects = store  # type: ignore[assignment]
        with pytest.raises(RefusalError, match="in the bucket other: no versions are kept") as caught:
            await probe_buckets(gateway.services)
        assert caught.value.code == "STORE_UNFIT"
        assert sorted(store.probed) == ["fts-check", "other", "town"]
        store.bucket = "none"
        await probe_buckets(gateway.services)

    in_production(tmp_path, case)


def test_a_client_with_an_unfit_bucket_is_not_made(tmp_path: Path) -> None:
    """`fts clients apply` tries a new bucket first; nothing is changed where it is unfit."""

    async def case(gateway: Embedded) -> None:
        store = Versioned("town")
        gateway.services.vault.objects = store  # type: ignore[assignment]
        with pytest.raises(RefusalError, match="in the bucket town: no versions are kept") as caught:
            await gateway.register("town", networks=["192.0.2.0/24"])
        assert caught.value.code == "STORE_UNFIT"
        async with gateway.services.database.read() as connection:
            assert await accounts(connection) == {}
        store.bucket = "none"
        await gateway.register("town", networks=["192.0.2.0/24"])
        store.probed.clear()
        await gateway.register("other", networks=["192.0.2.0/24"])
        assert sorted(store.probed) == ["fts-check", "other"], "those that are in use are tried at each start"

    in_production(tmp_path, case)


@pytest.mark.parametrize(
    ("credentials", "mode", "prefix", "environment", "fault"),
    [
        ({"*": {"access_key": "a", "secret_key": "s3cret"}}, 0o644, "p-", "TA", "chmod 600"),
        ({"*": {"access_key": "a", "secret_key": "s3cret"}}, 0o600, "", "TA", "objects.prefix"),
        ({"*": {"access_key": "a", "secret_key": "s3cret"}}, 0o600, "p-", "PROD", "each bucket"),
        ({"town": {"access_key": "a"}}, 0o600, "", "TA", "malformed"),
        ({"town": {"access_key": "a", "secret_key": ["s3cret"]}}, 0o600, "", "TA", "malformed"),
        ([], 0o600, "", "TA", "malformed"),
    ],
)
def test_credentials_of_a_store_that_cannot_be(
    tmp_path: Path, credentials: Any, mode: int, prefix: str, environment: str, fault: str
) -> None:
    """Case S-5: what is wrong is said without the secrets."""
    path = tmp_path / "store.json"
    path.write_text(json.dumps(credentials))
    path.chmod(mode)
    objects = {"endpoint": "store.example:443", "credentials": path, "place": "BE", "prefix": prefix}
    with pytest.raises(RefusalError, match=fault) as caught:
        vault_of(configured(tmp_path, environment=environment, objects=objects), Keyring(bytes(32)))
    assert caught.value.code == "CONFIGURATION_INVALID"
    assert "s3cret" not in str(caught.value)
