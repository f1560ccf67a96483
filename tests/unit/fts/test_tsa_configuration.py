"""What an operator may decide about the authority, and what PROD refuses: FTS-TS-1, FTS-TS-4, FTS-ENV-1."""

from pathlib import Path
from typing import Any

import pytest

from fts.configuration import Configuration
from fts.errors import RefusalError
from fts.tsa.configuration import AuthorityFile, load
from tests.support.embedded import KEY_TOKEN

TOKEN = {"module": "/lib/token.so", "token": "tsa", "label": "unit-1", "pin_file": "/run/pin"}
SOURCES = ["ntp1.example", "ntp2.example", "ntp3.example"]
CLIENT = {"id": "town", "networks": ["203.0.113.0/24"], "per_minute": 600, "burst": 100}


def members(**more: Any) -> dict[str, Any]:
    return {
        "unit": {"certificate": "/etc/tsu.pem", **TOKEN},
        "policy": "1.3.6.1.4.1.32473.1",
        "records": "/var/records",
        "clock": {"sources": SOURCES},
        "door": {"clients": [CLIENT]},
        **more,
    }


def alone(environment: str = "PROD", **more: Any) -> AuthorityFile:
    return AuthorityFile.model_validate({"environment": environment, "timestamping": members(**more)})


UNSOUND_IN_PROD: dict[str, dict[str, Any]] = {
    "unit.key_file": {"unit": {"certificate": "/etc/tsu.pem", "key_file": "/etc/tsu.key"}},
    "clock.unguarded": {"clock": {"unguarded": True}},
    "clock.quorum": {"clock": {"sources": SOURCES[:2], "quorum": 2}},
    "clock.kernel": {"clock": {"sources": SOURCES, "kernel": False}},
    "door.open": {"door": {"open": True, "clients": [CLIENT]}},
    "door.clients": {"door": {}},
}


def test_a_sound_file_is_taken_in_prod() -> None:
    assert alone().timestamping.workers == 1


@pytest.mark.parametrize("member", UNSOUND_IN_PROD)
def test_what_prod_refuses(member: str) -> None:
    with pytest.raises(ValueError, match=f"timestamping.{member}"):
        alone(**UNSOUND_IN_PROD[member])
    assert alone("INT", **UNSOUND_IN_PROD[member]).environment == "INT"


@pytest.mark.parametrize("member", [name for name in UNSOUND_IN_PROD if name != "door.clients"])
def test_what_prod_refuses_in_the_gateway(member: str, tmp_path: Path) -> None:
    values: dict[str, Any] = {
        "environment": "PROD",
        "operator": "Test operator",
        "public_url": "https://gateway.example",
        "data": tmp_path / "data",
        "key_store": tmp_path / "keys",
        "master_key": tmp_path / "master.key",
        "master_key_token": KEY_TOKEN,
        "trust_anchors": tmp_path / "root.pem",
        "tsa_url": "https://tsa.example/",
        "mail": {"host": "mail.example", "sender": "fts@gateway.example", "operators": ["duty@gateway.example"]},
    }
    assert Configuration.model_validate({**values, "timestamping": members(door={})}).timestamping is not None
    with pytest.raises(ValueError, match=f"timestamping.{member}"):
        Configuration.model_validate({**values, "timestamping": members(**UNSOUND_IN_PROD[member])})


WRONG_ANYWHERE: dict[str, dict[str, Any]] = {
    "two keys": {"unit": {"certificate": "/etc/tsu.pem", "key_file": "/etc/tsu.key", **TOKEN}},
    "half a token": {"unit": {"certificate": "/etc/tsu.pem", "module": "/lib/token.so"}},
    "too few sources": {"clock": {"sources": SOURCES[:2]}},
    "a source named twice": {"clock": {"sources": [*SOURCES[:2], SOURCES[0]]}},
    "a source named twice in two ways": {"clock": {"sources": ["ntp.example", "ntp.example:123", "NTP.example."]}},
    "an address written in two ways": {"clock": {"sources": [*SOURCES[:2], "[2001:db8::7]:123", "2001:DB8:0::7"]}},
    "a source without a name": {"clock": {"sources": [*SOURCES, ":123", "time..example"]}},
    "a port that is none": {"clock": {"sources": [*SOURCES, "a.example:0"], "quorum": 3}},
    "a port in other digits": {"clock": {"sources": [*SOURCES, "a.example:\u00b2"], "quorum": 3}},
    "a port beyond the last": {"clock": {"sources": [*SOURCES, "a.example:65536"], "quorum": 3}},
    "a clock that may be further off than tokens say": {"accuracy_seconds": 0.1},
    "as far off as tokens say, and a step besides": {"clock": {"sources": SOURCES, "most_offset_seconds": 0.95}},
    "a policy that is no identifier": {"policy": "any"},
    "an accuracy beyond a second": {"accuracy_seconds": 1.5},
    "an unknown member": {"surprise": 1},
    "two clients of one name": {"door": {"clients": [CLIENT, CLIENT]}},
    "no worker": {"workers": 0},
}


@pytest.mark.parametrize("case", WRONG_ANYWHERE)
def test_what_is_refused_everywhere(case: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        alone("TA", **WRONG_ANYWHERE[case])


def test_paths_are_relative_to_the_file(tmp_path: Path) -> None:
    path = tmp_path / "authority.toml"
    path.write_text(
        'environment = "TA"\n[timestamping]\npolicy = "1.2.3"\nrecords = "records"\n'
        '[timestamping.unit]\ncertificate = "tsu.pem"\nkey_file = "tsu.key"\n'
        "[timestamping.clock]\nunguarded = true\n"
    )
    found = load(path).timestamping
    assert (found.records, found.unit.certificate, found.unit.key_file) == (
        tmp_path / "records",
        tmp_path / "tsu.pem",
        tmp_path / "tsu.key",
    )


def test_every_fault_of_a_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "authority.toml"
    path.write_text('environment = "LIVE"\n[timestamping]\npolicy = "none"\n')
    with pytest.raises(RefusalError) as refused:
        load(path)
    assert all(word in str(refused.value) for word in ("environment", "policy", "records", "unit", "clock"))
