"""The gateway's configuration: one TOML file, checked as a whole before anything starts."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from cryptography import x509
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from fts.errors import RefusalError
from fts.limits import GatewayLimits
from fts.settings import DocumentLimits, Settings

Environment = Literal["PROD", "INT", "QA", "TA"]

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


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
    """File with the master key (see `fts.keyring`)."""
    trust_anchors: Path
    """PEM file with the trust anchors."""
    tsa_url: str
    """The timestamping authority."""
    allowed_urls: tuple[str, ...] = ()
    """URLs on internal addresses or other ports that may be fetched: revocation services of a test PKI."""
    card_agent: str | None = None
    """URL of the demo card's agent; refused in PROD."""
    document_processes: Annotated[int, Field(ge=1, le=64)] = 2
    """Processes of each worker for signatures, and as many again for inspections and previews."""
    limits: GatewayLimits = GatewayLimits()
    document_limits: DocumentLimits = DocumentLimits()

    @field_validator("public_url", "card_agent")
    @classmethod
    def _without_slash(cls, value: str | None) -> str | None:
        if value is not None and (not value.startswith(("https://", "http://")) or value.endswith("/")):
            raise ValueError("must begin with https:// or http:// and have no slash at its end")
        return value

    @model_validator(mode="after")
    def _production(self) -> "Configuration":
        if self.environment == "PROD" and self.card_agent is not None:
            raise ValueError("the demo card is refused in PROD")
        local = urlsplit(self.public_url).hostname in _LOOPBACK and self.environment != "PROD"
        if not self.is_secure and not local:
            raise ValueError("public_url must begin with https:// (http:// on this machine, outside PROD; FTS-SEC-1)")
        return self

    @property
    def database_url(self) -> str:
        """The database."""
        return self.database or f"sqlite+aiosqlite:///{self.data / 'fts.sqlite3'}"

    @property
    def is_secure(self) -> bool:
        """Whether browsers reach the gateway over TLS."""
        return self.public_url.startswith("https://")

    def engine_settings(self) -> Settings:
        """Return what the engines need.

        Raises:
            RefusalError: CONFIGURATION_INVALID, the trust anchors cannot be read.
        """
        try:
            anchors = tuple(x509.load_pem_x509_certificates(self.trust_anchors.read_bytes()))
        except (OSError, ValueError) as error:
            raise _invalid(f"trust_anchors: {error}") from error
        return Settings(anchors, self.tsa_url, self.allowed_urls, self.document_limits)


def load(path: Path) -> Configuration:
    """Read and check a configuration file.

    Raises:
        RefusalError: CONFIGURATION_INVALID, with every fault.
    """
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise _invalid(f"{path}: {error}") from error
    for name in ("data", "master_key", "trust_anchors"):
        if isinstance(values.get(name), str):
            values[name] = (path.parent / values[name]).resolve()
    try:
        return Configuration.model_validate(values)
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors())
        raise _invalid(f"{path}: {faults}") from error


def _invalid(message: str) -> RefusalError:
    return RefusalError("CONFIGURATION_INVALID", message, "Correct the file; docs/operation.md has all members.")
