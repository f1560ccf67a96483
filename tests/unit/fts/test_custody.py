"""The store is tried before it is trusted (FTS-SEC-3, FTS-GDPR-1)."""

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from fts.configuration import Configuration
from fts.custody import probe, vault_of
from fts.errors import RefusalError
from fts.keyring import Keyring
from storage.ports import Finding
from tests.support.embedded import KEY_TOKEN

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
