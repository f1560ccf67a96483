"""A client as its reviewed file defines it (FTS-OPS-6): one TOML file a client, under version control."""

import ipaddress
import re
import tomllib
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from fts.configuration import EEA
from fts.errors import RefusalError
from fts.profiles.registry import ProfileName

Operation = Literal["upload", "sign", "timestamp", "download", "read", "custody"]
"""What capacity is agreed for: uploads, new signings, timestamps, downloads, other reads, export and destruction."""

Scope = Literal["documents", "signings", "timestamps", "custody", "usage"]
"""What a credential may be used for."""

OPERATIONS: Final[tuple[Operation, ...]] = ("upload", "sign", "timestamp", "download", "read", "custody")
SCOPES: Final[tuple[Scope, ...]] = ("documents", "signings", "timestamps", "custody", "usage")

MOST_RETENTION_HOURS: Final = 120
"""FTS-GDPR-1: five days."""

_MAPPED: Final = ipaddress.IPv6Network("::ffff:0:0/96")
_WIDEST: Final = {4: 16, 6: 32}
"""Shortest prefix of a network that is a client's own, by version of IP."""

_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]", "::1")


def _printable(text: str) -> str:
    if not text.isprintable() or text.strip() != text:
        raise ValueError("must have printable characters only, and no space at its ends")
    return text


def _mail(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._%+'-]{1,64}@[A-Za-z0-9-]{1,63}(\.[A-Za-z0-9-]{1,63})+", text):
        raise ValueError("is no e-mail address")
    return text


def _network(text: str) -> str:
    network = ipaddress.ip_network(text)
    if network.version == 6 and network.subnet_of(_MAPPED):
        raise ValueError("is an IPv4 network: write it as one")
    return str(network)


Text = Annotated[str, StringConstraints(min_length=1, max_length=200), AfterValidator(_printable)]
Mail = Annotated[str, AfterValidator(_mail)]
Network = Annotated[str, AfterValidator(_network)]
Id = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{1,31}$")]
Place = Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}$")]
"""Country (ISO 3166-1 alpha-2)."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Contact(_Strict):
    """A person or mailbox at the client."""

    name: Text
    mail: Mail
    role: Literal["security", "technical", "contract"]
    """`security` is told of unauthorised access (FTS-GDPR-6)."""


class Capacity(_Strict):
    """What is agreed for one operation."""

    per_minute: Annotated[int, Field(ge=1, le=1_000_000)]
    burst: Annotated[int, Field(ge=1, le=1_000_000)]
    """How many may come at once after a pause."""
    per_day: Annotated[int, Field(ge=1, le=1_000_000_000)]
    """From midnight to midnight, UTC."""
    bytes_per_day: Annotated[int, Field(ge=1)] | None = None
    """Octets of uploads a day."""


STANDARD_CAPACITY: Final[dict[Operation, Capacity]] = {
    "upload": Capacity(per_minute=120, burst=60, per_day=20_000, bytes_per_day=100 * 1024**3),
    "sign": Capacity(per_minute=120, burst=60, per_day=20_000),
    "timestamp": Capacity(per_minute=600, burst=300, per_day=100_000),
    "download": Capacity(per_minute=240, burst=120, per_day=50_000),
    "read": Capacity(per_minute=1200, burst=600, per_day=500_000),
    "custody": Capacity(per_minute=6, burst=6, per_day=500),
}
"""What is agreed where the file says nothing else."""


class Definition(_Strict):
    """All that is agreed with a client."""

    id: Id
    name: Text
    """As signers read it."""
    help_address: Annotated[str, StringConstraints(min_length=1, max_length=300), AfterValidator(_printable)]
    """Where signers ask: `mailto:`, `https://` or a telephone number."""
    contacts: Annotated[tuple[Contact, ...], Field(min_length=1, max_length=20)]
    networks: Annotated[tuple[Network, ...], Field(max_length=100)] = ()
    """Where the client's servers call from (CIDR); obligatory in PROD (FTS-ENV-4)."""
    bucket: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]{1,39}[a-z0-9]$")]
    """Where its documents are kept; no two clients have the same."""
    place: Place = "BE"
    """Where its data is kept (FTS-GDPR-7)."""
    place_agreement: Annotated[str, StringConstraints(max_length=200), AfterValidator(_printable)] | None = None
    """The written agreement for a place outside Belgium: its reference."""
    agreement: Text
    """Reference of the contract and of the instruction to process."""
    agreed_on: date
    retention_hours: Annotated[int, Field(ge=1, le=MOST_RETENTION_HOURS)] = MOST_RETENTION_HOURS
    return_urls: Annotated[tuple[str, ...], Field(min_length=1, max_length=50)]
    webhook_url: str | None = None
    repair: bool = True
    """Whether damaged documents may be rewritten before they are signed."""
    profiles: Annotated[tuple[ProfileName, ...], Field(min_length=1)] = ("PADES_LTA",)
    """The profiles that may be asked for; what they accept may be uploaded."""
    scopes: Annotated[tuple[Scope, ...], Field(min_length=1)] = SCOPES
    """Of the credential that is made when the client is made."""
    capacity: dict[Operation, Capacity] = {}

    @model_validator(mode="after")
    def _complete(self) -> "Definition":
        if not any(contact.role == "security" for contact in self.contacts):
            raise ValueError("contacts: one with the role security is needed (FTS-GDPR-6)")
        if self.place not in EEA:
            raise ValueError(f"place: {self.place} is outside the EEA (FTS-GDPR-7)")
        if self.place != "BE" and self.place_agreement is None:
            raise ValueError("place_agreement: a place outside Belgium needs the written agreement (FTS-GDPR-7)")
        return self

    def agreed(self, operation: Operation) -> Capacity:
        """Return the capacity of an operation."""
        return self.capacity.get(operation, STANDARD_CAPACITY[operation])

    @property
    def security_mails(self) -> list[str]:
        """The registered addresses for security events."""
        return [contact.mail for contact in self.contacts if contact.role == "security"]

    def without_persons(self) -> "Definition":
        """Return it as it is kept after the contract's end: of its contacts the addresses for security events only."""
        kept = tuple(
            contact.model_copy(update={"name": contact.role}) for contact in self.contacts if contact.role == "security"
        )
        return self.model_copy(update={"contacts": kept})

    def check_for(self, environment: str, most_hours: int) -> None:
        """Check what the environment asks for.

        Raises:
            RefusalError: CLIENT_INVALID.
        """
        if environment == "PROD" and not self.networks:
            raise invalid(self.id, "networks: at least one is needed in PROD (FTS-ENV-4)")
        for network in map(ipaddress.ip_network, self.networks if environment == "PROD" else ()):
            if network.prefixlen < (widest := _WIDEST[network.version]) and not network.is_loopback:
                raise invalid(self.id, f"networks: {network} is everybody's; at most /{widest} (FTS-ENV-4)")
        if self.retention_hours > most_hours:
            raise invalid(self.id, f"retention_hours: at most {most_hours} here")
        for url in (*self.return_urls, *([self.webhook_url] if self.webhook_url else [])):
            fault = _url_fault(url, local_allowed=environment != "PROD")
            if fault is not None:
                raise invalid(self.id, f"{_shown(url)!r} {fault}")


def load_file(path: Path) -> Definition:
    """Read a client's file.

    Raises:
        RefusalError: CLIENT_INVALID, with every fault.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise invalid(path.name, str(error)) from error
    try:
        definition = Definition.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise invalid(path.name, faults) from error
    if path.stem != definition.id:
        raise invalid(path.name, f"the file of {definition.id} must be called {definition.id}.toml")
    return definition


def load_folder(folder: Path) -> list[Definition]:
    """Read all clients' files of a folder, in the order of their ids.

    Raises:
        RefusalError: CLIENT_INVALID, a file is malformed, or two share a bucket.
    """
    definitions = [load_file(path) for path in sorted(folder.glob("*.toml"))]
    if not definitions:
        raise invalid(folder.name, "there is no client's file (*.toml) in it")
    owners: dict[str, str] = {}
    for definition in definitions:
        other = owners.setdefault(definition.bucket, definition.id)
        if other != definition.id:
            raise invalid(definition.id, f"bucket: {definition.bucket} is that of {other}")
    return definitions


def invalid(what: str, fault: str) -> RefusalError:
    """Return the refusal of a client's file."""
    return RefusalError("CLIENT_INVALID", f"{what}: {fault}", "Correct the file; docs/operation.md has its members.")


def _shown(url: str) -> str:
    """Return a URL without what may be a secret in it: credentials, query and fragment."""
    return re.sub(r"(?<=//)[^/]*@", "", re.split("[?#]", url, maxsplit=1)[0])[:200]


def _url_fault(url: str, *, local_allowed: bool) -> str | None:
    if not url.isascii() or not url.isprintable() or " " in url or "\\" in url or len(url) > 2000:
        return "is no URL in ASCII without spaces and backslashes"
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return "is no URL"
    local = parts.scheme == "http" and host in _LOOPBACK and local_allowed
    if parts.scheme != "https" and not local:
        return "must begin with https:// (http:// on this machine, outside PROD)"
    if not host or "@" in parts.netloc or parts.fragment:
        return "must name a host and have neither credentials nor a fragment"
    return None
