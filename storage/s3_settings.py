"""Where an S3 server is, and who asks it: apart, since who has no such server needs no client for it in memory."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class S3Endpoint:
    """Where the server is."""

    host: str
    """host:port"""
    secure: bool = True
    """TLS."""
    region: str | None = None
    """Asked of the server where it is not given."""
    ca_file: Path | None = None
    """PEM file with the server's root, where it is none of the system's."""


@dataclass(frozen=True, slots=True)
class S3Credentials:
    """What a client of the server signs its requests with."""

    access_key: str
    secret_key: str = field(repr=False)
