"""The gateway's configuration: one TOML file, checked as a whole before anything starts."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from urllib.parse import parse_qsl, urlsplit

from cryptography import x509
from pydantic import BaseModel, ConfigDict, Field, IPvAnyNetwork, ValidationError, field_validator, model_validator

from fts import authorities
from fts.authorities import Tsa
from fts.environment import Environment
from fts.errors import RefusalError
from fts.limits import GatewayLimits
from fts.settings import DocumentLimits, Settings
from fts.tsa.configuration import Timestamping, resolve_paths

EEA: Final = frozenset(
    """AT BE BG CY CZ DE DK EE ES FI FR GR HR HU IE IS IT LI LT LU LV MT NL NO PL PT RO SE SI SK""".split()  # noqa: SIM905
)
"""Countries where personal data may be kept."""

_PATHS: Final = (
    ("", "data"),
    ("", "master_key"),
    ("", "trust_anchors"),
    ("", "spool"),
    ("", "key_store"),
    ("objects", "ca_file"),
    ("objects", "credentials"),
    ("mail", "password_file"),
    ("mail", "ca_file"),
    ("master_key_token", "module"),
    ("master_key_token", "pin_file"),
)
"""Members that are paths, relative to the file."""

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
Role = Literal["web", "worker", "sequencer", "operator"]
"""What a process may do in the database (`fts.db.roles`)."""


class S3(BaseModel):
    """An S3 server with one bucket for each client."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    endpoint: str
    """host:port"""
    secure: bool = True
    """TLS; needed in PROD."""
    region: str | None = None
    ca_file: Path | None = None
    """PEM file with the server's root, where it is none of the system's."""
    prefix: Annotated[str, Field(pattern="^[a-z0-9-]{0,20}$")] = ""
    """Put before each bucket's name."""
    credentials: Path
    """JSON file: bucket, or `*` outside PROD, to `{"access_key": …, "secret_key": …}`."""
    place: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    """Country where the server keeps the objects."""


class Mail(BaseModel):
    """The mail server."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    starttls: bool = True
    """Needed in PROD."""
    user: str | None = None
    password_file: Path | None = None
    ca_file: Path | None = None
    """PEM file with the server's root, where it is none of the system's."""
    sender: str
    operators: Annotated[tuple[str, ...], Field(min_length=1)]
    """Who is told of every security event."""


class KeyToken(BaseModel):
    """The key in a PKCS#11 token that wraps the master key."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    module: Path
    """PKCS#11 module."""
    token: Annotated[str, Field(min_length=1, max_length=32)]
    """Label of the token."""
    label: Annotated[str, Field(min_length=1, max_length=64)]
    """Label of the AES-256 key."""
    pin_file: Path
    """File whose first line is the token's PIN."""


class Configuration(BaseModel):
    """What an operator decides. Paths are relative to the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    environment: Environment
    operator: Annotated[str, Field(min_length=1, max_length=200)]
    """Who runs the gateway, as the signing page names it."""
    public_url: str
    """Where browsers and clients reach it; without a slash at the end."""
    data: Path
    """Directory of the database, the objects and the sockets."""
    database: str | None = None
    """SQLAlchemy URL; by default SQLite in `data`."""
    master_key: Path
    """File with the master key: wrapped where there is a `master_key_token`, plain otherwise (see `fts.master_key`)."""
    master_key_token: KeyToken | None = None
    """Key that the master key is wrapped by; needed in PROD."""
    trust_anchors: Path
    """PEM file with the trust anchors."""
    tsas: tuple[Tsa, ...] = ()
    """The timestamping authorities; each is asked where those before it fail (FTS-TS-2)."""
    tsa_url: Annotated[str, Field(pattern="^https?://")] | None = None
    """The first authority, where it has a URL and nothing else; in place of `tsas`."""
    further_tsas: tuple[Tsa, ...] = ()
    """Authorities behind `tsa_url`."""
    allowed_urls: tuple[str, ...] = ()
    """URLs on internal addresses or other ports that may be fetched: revocation services of a test PKI."""
    card_agent: str | None = None
    """URL of the demo card's agent; refused in PROD."""
    spool: Path | None = None
    """Directory of temporary files, readable while a request or a job lasts: a file system in memory in PROD."""
    key_store: Path | None = None
    """Directory of the documents' keys: never in a backup; by default in `data`."""
    objects: S3 | None = None
    """The object store; by default files in `data`."""
    place: Annotated[str, Field(pattern="^[A-Z]{2}$")] = "BE"
    """Country where database, objects and keys are kept (FTS-GDPR-7)."""
    backup_places: tuple[Annotated[str, Field(pattern="^[A-Z]{2}$")], ...] = ()
    """Countries where backups of database and objects are kept (FTS-GDPR-7)."""
    proxies: tuple[IPvAnyNetwork, ...] = ()
    """Networks of our own proxies: only what they add to X-Forwarded-For counts."""
    databases: dict[Role, str] = {}
    """SQLAlchemy URLs of the roles, where each has a login of its own; `database` otherwise."""
    mail: Mail | None = None
    """Where reports of security events are sent from; without, they are kept for `fts incidents report`."""
    document_processes: Annotated[int, Field(ge=1, le=64)] = 2
    """Processes of each worker for signatures, and as many again for inspections and previews."""
    timestamping: Timestamping | None = None
    """The gateway's own timestamping authority, at `/tsa`."""
    limits: GatewayLimits = GatewayLimits()
    document_limits: DocumentLimits = DocumentLimits()

    @field_validator("public_url", "card_agent")
    @classmethod
    def _without_slash(cls, value: str | None) -> str | None:
        if value is not None and (not value.startswith(("https://", "http://")) or value.endswith("/")):
            raise ValueError("must begin with https:// or http:// and have no slash at its end")
        return value

    @model_validator(mode="after")
    def _authorities(self) -> "Configuration":
        if bool(self.tsas) == (self.tsa_url is not None):
            raise ValueError("tsas: needed, or tsa_url with further_tsas in their place")
        if self.tsas and self.further_tsas:
            raise ValueError("further_tsas: stand behind tsa_url; all of tsas are one list")
        urls = [tsa.url for tsa in self._all_tsas]
        if len(set(urls)) != len(urls):
            raise ValueError(f"{'tsas' if self.tsas else 'further_tsas'}: an authority stands there twice")
        return self

    @property
    def _all_tsas(self) -> tuple[Tsa, ...]:
        return self.tsas or (Tsa(url=str(self.tsa_url)), *self.further_tsas)

    @model_validator(mode="after")
    def _production(self) -> "Configuration":
        if self.environment == "PROD" and self.card_agent is not None:
            raise ValueError("the demo card is refused in PROD")
        if self.environment == "PROD":
            self._check_production()
        if self.timestamping is not None:
            self.timestamping.check_for(self.environment)
        local = urlsplit(self.public_url).hostname in _LOOPBACK and self.environment != "PROD"
        if not self.is_secure and not local:
            raise ValueError("public_url must begin with https:// (http:// on this machine, outside PROD; FTS-SEC-1)")
        return self

    def _check_production(self) -> None:
        """Refuse what the requirements refuse in PROD (FTS-GDPR-1, FTS-GDPR-7, FTS-SEC-1, FTS-SEC-3)."""
        if self.key_store is None or self.key_store.is_relative_to(self.data):
            raise ValueError("key_store: lies outside data in PROD, and is in no backup (FTS-GDPR-1)")
        if not self.places <= EEA:
            raise ValueError("place: data stays in the EEA (FTS-GDPR-7)")
        if self.objects is not None and not self.objects.secure:
            raise ValueError("objects.secure: the store is reached over TLS in PROD (FTS-SEC-3)")
        if any(_is_in_the_clear(url) for url in (self.database_url(), *self.databases.values())):
            message = "reached over TLS in PROD, and its certificate verified: sslmode=verify-full (FTS-SEC-3)"
            raise ValueError(f"database: {message}")
        if self.mail is None or not self.mail.starttls:
            raise ValueError("mail: security events are reported by mail, over TLS (FTS-GDPR-6)")
        for tsa in self._all_tsas:
            if tsa.auth is not None and not tsa.url.startswith("https://"):
                raise ValueError(f"tsas: {tsa.url} is told a secret; in PROD over TLS only (FTS-SEC-3)")
        if self.master_key_token is None:
            raise ValueError("master_key_token: in PROD a key in a PKCS#11 token wraps the master key (FTS-SEC-3)")

    def database_url(self, role: Role | None = None) -> str:
        """Return the database, as a role's login where it has one."""
        url = None if role is None else self.databases.get(role)
        return url or self.database or f"sqlite+aiosqlite:///{self.data / 'fts.sqlite3'}"

    @property
    def places(self) -> set[str]:
        """Countries where something is kept."""
        return {self.place, *self.backup_places} | ({self.objects.place} if self.objects else set())

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach the gateway over TLS."""
        return self.public_url.startswith("https://")

    def engine_settings(self) -> Settings:
        """Return what the engines need.

        Raises:
            RefusalError: CONFIGURATION_INVALID, the trust anchors, or an authority's files, cannot be read.
        """
        try:
            anchors = tuple(x509.load_pem_x509_certificates(self.trust_anchors.read_bytes()))
        except (OSError, ValueError) as error:
            raise _invalid(f"trust_anchors: {error}") from error
        return Settings(
            anchors,
            allowed_urls=self.allowed_urls,
            limits=self.document_limits,
            further_tsas=tuple(tsa.settings() for tsa in self._all_tsas),
        )


def load(path: Path) -> Configuration:
    """Read and check a configuration file.

    Raises:
        RefusalError: CONFIGURATION_INVALID, with every fault.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _invalid(f"{path}: {error}") from error
    for table, name in _PATHS:
        members = values.get(table, {}) if table else values
        if isinstance(members, dict) and isinstance(members.get(name), str):
            members[name] = (path.parent / members[name]).resolve()
    for name in ("tsas", "further_tsas"):
        authorities.resolve_paths(values.get(name), path.parent)
    if isinstance(values.get("timestamping"), dict):
        resolve_paths(values["timestamping"], path.parent)
    try:
        return Configuration.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise _invalid(f"{path}: {faults}") from error


def _is_in_the_clear(url: str) -> bool:
    """Tell whether a database on another machine is reached without TLS, or by whoever answers at its address."""
    parts = urlsplit(url)
    asked = dict(parse_qsl(parts.query))
    host = asked.get("host") or parts.hostname or ""
    local = host in _LOOPBACK or host.startswith("/") or not host
    return parts.scheme.startswith("postgresql") and not local and asked.get("sslmode") != "verify-full"


def _invalid(message: str) -> RefusalError:
    return RefusalError("CONFIGURATION_INVALID", message, "Correct the file; docs/operation.md has all members.")
