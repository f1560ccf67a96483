"""What an operator decides about the timestamping authority: a table `[timestamping]`, checked before anything starts.

It stands in the gateway's file, where the authority is mounted, or with `environment` alone in a file of its own.
"""

import ipaddress
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, StringConstraints, ValidationError, model_validator

from fts.environment import Environment
from fts.errors import RefusalError
from timestamping.authority.clock.limits import ClockLimits

PolicyId = Annotated[str, StringConstraints(pattern=r"^[0-2](\.(0|[1-9]\d*)){1,31}$", max_length=128)]
"""Dotted object identifier."""

LEAST_QUORUM: Final = 3
"""Sources of time that must agree in PROD."""

_PATHS: Final = (
    ("unit", "certificate"),
    ("unit", "key_file"),
    ("unit", "module"),
    ("unit", "pin_file"),
    ("records",),
)
"""Members that are paths, relative to the file."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Unit(_Strict):
    """The timestamping unit: its certificate, and where its key is."""

    certificate: Path
    """PEM file: the unit's certificate first, then its issuers, nearest first."""
    module: Path | None = None
    """PKCS#11 module of the token that holds the key; needed in PROD."""
    token: str | None = None
    """Label of the token."""
    label: str | None = None
    """Label of the key in the token."""
    pin_file: Path | None = None
    """File whose first line is the token's PIN."""
    key_file: Path | None = None
    """PEM file with an unguarded key, in place of a token; refused in PROD."""
    digest: Literal["sha256", "sha384", "sha512"] = "sha256"
    """Hash of the signed attributes."""

    @model_validator(mode="after")
    def _one_key(self) -> "Unit":
        in_token = (self.module, self.token, self.label, self.pin_file)
        if self.key_file is not None and any(part is not None for part in in_token):
            raise ValueError("key_file: stands in place of module, token, label and pin_file, not beside them")
        if self.key_file is None and any(part is None for part in in_token):
            raise ValueError("module, token, label and pin_file are needed (key_file in their place outside PROD)")
        return self


CHRONY: Final = "chrony"
"""Names the chrony daemon of this machine among the sources of time."""
_NTP_PORT: Final = 123
_MOST_PORT: Final = 65_535
_PORT: Final = re.compile(r"[0-9]{1,5}")
_HOST: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*\.?")


def place_of(name: str) -> tuple[str, int]:
    """Return host and port of a source as an operator writes it: HOST, HOST:PORT, an IPv6 address or [ADDRESS]:PORT.

    Two ways to write the same place give the same answer.

    Raises:
        ValueError: it is none of these.
    """
    host, port = name, _NTP_PORT
    head, colon, tail = name.rpartition(":")
    if colon and _PORT.fullmatch(tail) and (":" not in head or (head.startswith("[") and head.endswith("]"))):
        host, port = head, int(tail)
    host = host.removeprefix("[").removesuffix("]")
    if not 1 <= port <= _MOST_PORT:
        raise ValueError(f"sources: {name!r} has no port from 1 to {_MOST_PORT}")
    try:
        return str(ipaddress.ip_address(host)), port
    except ValueError:
        if not _HOST.fullmatch(host):
            raise ValueError(f"sources: {name!r} is no host") from None
        return host.rstrip(".").lower(), port


class TimeSources(_Strict):
    """How the clock is watched."""

    unguarded: bool = False
    """Whether nothing watches it; refused in PROD."""
    sources: tuple[str, ...] = ()
    """SNTP servers, HOST or HOST:PORT; `chrony` for the daemon of this machine."""
    quorum: Annotated[int, Field(ge=1, le=32)] = 3
    """How many must answer and agree."""
    most_offset_seconds: Annotated[float, Field(gt=0, le=1)] = 0.5
    """Largest deviation from the sources."""
    interval_seconds: Annotated[float, Field(ge=1, le=3600)] = 60.0
    """Time between two checks."""
    kernel: bool = True
    """Whether the kernel must say that its clock is kept."""

    @model_validator(mode="after")
    def _enough(self) -> "TimeSources":
        if len({place_of(name) for name in self.sources}) != len(self.sources):
            raise ValueError("sources: one is named twice")
        if not self.unguarded and len(self.sources) < self.quorum:
            raise ValueError(f"sources: at least {self.quorum} are needed, as many as quorum")
        if not self.unguarded and self.quorum <= len(self.sources) / 2:
            raise ValueError("quorum: more than half of the sources, so that a minority never decides")
        return self


class DoorClient(_Strict):
    """Who may ask, by where the request comes from, and how much."""

    id: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{1,31}$")]
    networks: Annotated[tuple[IPvAnyNetwork, ...], Field(min_length=1, max_length=100)]
    per_minute: Annotated[int, Field(ge=1, le=10_000_000)]
    burst: Annotated[int, Field(ge=1, le=10_000_000)]
    """How many may come at once after a pause."""


class Door(_Strict):
    """The door of an authority that stands alone; in the gateway, accounts and their capacity decide."""

    open: bool = False
    """Whether anybody may ask, without account and capacity; refused in PROD."""
    clients: tuple[DoorClient, ...] = ()
    monitors: tuple[IPvAnyNetwork, ...] = ()
    """Networks that may read `/metrics`, beside this machine."""

    @model_validator(mode="after")
    def _distinct(self) -> "Door":
        if len({client.id for client in self.clients}) != len(self.clients):
            raise ValueError("clients: two have the same id")
        return self


class Timestamping(_Strict):
    """The authority."""

    unit: Unit
    policy: PolicyId
    """Policy of tokens where a query names none."""
    policies: tuple[PolicyId, ...] = ()
    """Further policies that a query may name."""
    accuracy_seconds: Annotated[float, Field(ge=0.001, le=1.0)] = 1.0
    """Declared in each token; EN 319 421 asks for one second or better."""
    qualified: bool = False
    """Whether tokens carry the statement of EN 319 422, clause 9.1: for a qualified service only."""
    self_check: bool = False
    """Whether each token is read and verified before it leaves; that costs more than making it."""
    records: Path
    """Directory of the records of every decision."""
    clock: TimeSources
    door: Door = Door()
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """Processes, each with its own key session and record file, of an authority that stands alone."""

    @model_validator(mode="after")
    def _honest(self) -> "Timestamping":
        step = ClockLimits().most_step_seconds
        if not self.clock.unguarded and self.clock.most_offset_seconds + step > self.accuracy_seconds:
            raise ValueError(
                f"clock.most_offset_seconds: with a tolerated step of {step:g} s it is more than accuracy_seconds, "
                "which every token declares"
            )
        return self

    def check_for(self, environment: Environment) -> None:
        """Refuse what PROD must not have (FTS-TS-1, FTS-TS-4).

        Raises:
            ValueError: naming the member.
        """
        if environment != "PROD":
            return
        if self.unit.key_file is not None:
            raise ValueError("timestamping.unit.key_file: in PROD the key is in a PKCS#11 token")
        if self.clock.unguarded:
            raise ValueError("timestamping.clock.unguarded: in PROD the clock is watched")
        if self.clock.quorum < LEAST_QUORUM:
            raise ValueError(f"timestamping.clock.quorum: in PROD at least {LEAST_QUORUM} sources must agree")
        if not self.clock.kernel:
            raise ValueError("timestamping.clock.kernel: in PROD the kernel's state counts")
        if self.door.open:
            raise ValueError("timestamping.door.open: in PROD only agreed clients may ask")


class AuthorityFile(_Strict):
    """The file of an authority that stands alone."""

    environment: Environment
    timestamping: Timestamping

    @model_validator(mode="after")
    def _production(self) -> "AuthorityFile":
        self.timestamping.check_for(self.environment)
        if self.environment == "PROD" and not self.timestamping.door.clients:
            raise ValueError("timestamping.door.clients: in PROD at least one is needed")
        return self


def load(path: Path) -> AuthorityFile:
    """Read an authority's file, or the authority's part of a gateway's.

    Raises:
        RefusalError: CONFIGURATION_INVALID, with every fault.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _invalid(f"{path}: {error}") from error
    table = values.get("timestamping")
    if isinstance(table, dict):
        resolve_paths(table, path.parent)
    try:
        return AuthorityFile.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise _invalid(f"{path}: {faults}") from error


def resolve_paths(table: dict[str, Any], base: Path) -> None:
    """Make the paths of a table `timestamping` absolute, from the directory of its file."""
    for *tables, name in _PATHS:
        members: Any = table
        for inner in tables:
            members = members.get(inner) if isinstance(members, dict) else None
        if isinstance(members, dict) and isinstance(members.get(name), str):
            members[name] = (base / members[name]).resolve()


def _invalid(message: str) -> RefusalError:
    return RefusalError("CONFIGURATION_INVALID", message, "Correct the file; docs/operation.md has all members.")
