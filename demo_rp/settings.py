"""What the demo relying party is told by its environment."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from demo_rp.limits import WEBHOOK_SECRET_BYTES

_LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class SettingsError(Exception):
    """A variable is missing or cannot be used; the message names it and says what it must be."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Account at the gateway, own address and folders."""

    gateway: str
    """Origin of the gateway, without a slash at the end."""
    client_id: str
    client_secret: str = field(repr=False)
    webhook_secret: bytes = field(repr=False)
    own_url: str
    """Origin under which browsers and the gateway reach this counter."""
    directory: Path
    """Folder of its state."""
    samples: Path | None
    """Folder of sample documents."""

    @property
    def return_url(self) -> str:
        """The URL that is registered at the gateway for the way back."""
        return f"{self.own_url}/return"

    @classmethod
    def from_environment(cls, environment: Mapping[str, str], port: int) -> Self:
        """Read the variables; without DEMO_RP_URL the counter is at its own port.

        Raises:
            SettingsError: one of them is missing or malformed.
        """
        samples = environment.get("DEMO_RP_SAMPLES")
        return cls(
            gateway=_origin(environment, "FTS_GATEWAY"),
            client_id=_given(environment, "FTS_CLIENT_ID"),
            client_secret=_given(environment, "FTS_CLIENT_SECRET"),
            webhook_secret=_webhook_secret(environment),
            own_url=_origin({"DEMO_RP_URL": f"http://127.0.0.1:{port}", **environment}, "DEMO_RP_URL"),
            directory=Path(_given(environment, "DEMO_RP_DIR")),
            samples=Path(samples) if samples else None,
        )


def _given(environment: Mapping[str, str], name: str) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise SettingsError(f"{name} is not set")
    return value


def _origin(environment: Mapping[str, str], name: str) -> str:
    value = _given(environment, name).rstrip("/")
    try:
        parts = urlsplit(value)
        readable = bool(parts.hostname) and value == f"{parts.scheme}://{parts.netloc}" and "@" not in parts.netloc
    except ValueError:
        readable = False
    if not readable:
        raise SettingsError(f"{name} must be an origin such as https://sign.example.eu, without a path")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise SettingsError(f"{name} must begin with https:// (http:// on this machine only)")
    return value


def _webhook_secret(environment: Mapping[str, str]) -> bytes:
    value = _given(environment, "FTS_WEBHOOK_SECRET")
    try:
        secret = base64.b64decode(value.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        secret = b""
    if not value.startswith("whsec_") or len(secret) < WEBHOOK_SECRET_BYTES:
        raise SettingsError(
            f"FTS_WEBHOOK_SECRET must be whsec_ and the base64 of {WEBHOOK_SECRET_BYTES} octets or more"
        )
    return secret
