"""Timestamping authorities as an operator names them in the configuration."""

import base64
import os
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from cryptography import x509
from pydantic import BaseModel, ConfigDict, Field, model_validator

from fts.errors import RefusalError
from timestamping.client.settings import Rate, TsaSettings

_SECRET: Final = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
"""What may stand in an HTTP field (RFC 9110, clause 5.5), ASCII only."""
_REMEDY: Final = "Correct the configuration or the file; docs/timestamp-client.md has all members."
_OURS: Final = frozenset(
    {"host", "content-type", "content-length", "accept", "accept-encoding", "connection", "transfer-encoding"}
)
"""Fields that the client sets itself."""


class TsaAuth(BaseModel):
    """How we prove who we are; the secret itself never stands in the configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["basic", "bearer", "header"]
    """RFC 7617, RFC 6750, or a field of the authority's own."""
    user: Annotated[str, Field(pattern=r"^[\x20-\x39\x3b-\x7e]+$")] | None = None
    """For `basic`."""
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")] | None = None
    """Name of the field, for `header`."""
    secret_file: Path | None = None
    """File whose first line is the password, token or value."""
    secret_env: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")] | None = None
    """Variable of the environment that has it, in place of a file."""

    @model_validator(mode="after")
    def _whole(self) -> "TsaAuth":
        if (self.user is not None) != (self.kind == "basic"):
            raise ValueError("user: stands with kind = basic, and only there")
        if (self.name is not None) != (self.kind == "header"):
            raise ValueError("name: stands with kind = header, and only there")
        if self.name is not None and self.name.lower() in _OURS:
            raise ValueError(f"name: {self.name} is the client's own")
        if (self.secret_file is None) == (self.secret_env is None):
            raise ValueError("secret_file or secret_env: one of them is needed")
        return self

    def header(self) -> tuple[str, str]:
        """Return name and value of the HTTP field.

        Raises:
            RefusalError: CONFIGURATION_INVALID, the secret cannot be read.
        """
        secret = self._secret()
        if self.kind == "header":
            return str(self.name), secret
        if self.kind == "bearer":
            return "authorization", f"Bearer {secret}"
        return "authorization", "Basic " + base64.b64encode(f"{self.user}:{secret}".encode()).decode()

    def _secret(self) -> str:
        if self.secret_env is not None:
            place, secret = f"auth.secret_env: {self.secret_env}", os.environ.get(self.secret_env, "")
        else:
            place = f"auth.secret_file: {self.secret_file}"
            try:
                secret = Path(str(self.secret_file)).read_text(encoding="utf-8").split("\n")[0].removesuffix("\r")
            except (OSError, UnicodeDecodeError) as error:
                raise _invalid(f"{place}: {error}") from error
        if not _SECRET.fullmatch(secret):
            raise _invalid(f"{place} holds no secret: one line of printable ASCII is needed")
        return secret


class Tsa(BaseModel):
    """One timestamping authority."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, Field(pattern="^https?://")]
    policy: Annotated[str, Field(pattern=r"^[0-2](\.(0|[1-9]\d*)){1,31}$")] | None = None
    """Policy that is asked for; without, the authority's own."""
    requests: Annotated[int, Field(ge=1)] | None = None
    """Most requests in `seconds`, for an authority that blocks whoever asks more often."""
    seconds: Annotated[float, Field(gt=0)] = 60.0
    auth: TsaAuth | None = None
    """How we prove who we are; without, we do not."""
    anchors: Path | None = None
    """PEM file: its tokens must lead to one of these, too; the trust anchors of the gateway count in any case."""
    connect_seconds: Annotated[float, Field(gt=0, le=10)] | None = None
    """Time to a connection; 3 s without."""
    attempt_seconds: Annotated[float, Field(gt=0, le=10)] | None = None
    """Time for one request, from the connection to the last octet; 6 s without."""
    qualified_required: bool = False
    """Whether a token must state that it is a qualified one (EN 319 422, clause 9)."""

    def settings(self) -> TsaSettings:
        """Return what the client needs.

        Raises:
            RefusalError: CONFIGURATION_INVALID, a file cannot be read.
        """
        return TsaSettings(
            self.url,
            self.policy,
            None if self.requests is None else Rate(self.requests, self.seconds),
            header=None if self.auth is None else self.auth.header(),
            anchors=self._anchors(),
            connect_seconds=self.connect_seconds,
            attempt_seconds=self.attempt_seconds,
            qualified_required=self.qualified_required,
        )

    def _anchors(self) -> tuple[x509.Certificate, ...]:
        if self.anchors is None:
            return ()
        try:
            return tuple(x509.load_pem_x509_certificates(self.anchors.read_bytes()))
        except (OSError, ValueError) as error:
            raise _invalid(f"anchors of {self.url}: {error}") from error


def resolve_paths(tables: Any, base: Path) -> None:
    """Make the paths of an array of authorities absolute, from the directory of the configuration's file."""
    for table in tables if isinstance(tables, list) else ():
        if not isinstance(table, dict):
            continue
        for members, name in ((table, "anchors"), (table.get("auth"), "secret_file")):
            if isinstance(members, dict) and isinstance(members.get(name), str):
                members[name] = (base / members[name]).resolve()


def _invalid(message: str) -> RefusalError:
    return RefusalError("CONFIGURATION_INVALID", message, _REMEDY)
