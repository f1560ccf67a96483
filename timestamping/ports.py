"""What the rest of the gateway sees of timestamping: the source of tokens and the errors it raises."""

from dataclasses import dataclass
from datetime import datetime
from typing import ClassVar, Protocol

from cryptography import x509

from timestamping.algorithms import DigestAlgorithm


class TimestampError(Exception):
    """A timestamp could not be had or is not what it should be.

    `code` is stable; `party` names the authority concerned (its URL or certificate subject).
    """

    code: ClassVar[str] = "TIMESTAMP_ERROR"
    remedy: ClassVar[str] = "Try again; if it persists, ask the operator of the timestamping authority."

    def __init__(self, message: str, *, party: str) -> None:
        super().__init__(message)
        self.party = party


class TimestampUnavailableError(TimestampError):
    """The authority could not be reached, or answered with something that is no timestamp reply."""

    code = "TIMESTAMP_UNAVAILABLE"
    remedy = "Check that the timestamping authority is up and reachable, then try again."


class TimestampRejectedError(TimestampError):
    """The authority refused the request (PKIStatus other than granted; RFC 3161, clause 2.4.2)."""

    code = "TIMESTAMP_REJECTED"
    remedy = "Ask the operator of the timestamping authority why it refuses; its failInfo is in the message."


class TimestampInvalidError(TimestampError):
    """A token that is malformed, belongs to other data or is not properly signed."""

    code = "TIMESTAMP_INVALID"
    remedy = "Do not rely on this timestamp; use another timestamping authority."


@dataclass(frozen=True, slots=True)
class Token:
    """A verified RFC 3161 token: its signature, imprint and signer's certificate agree; its path is not judged."""

    der: bytes
    """The token, a CMS ContentInfo."""
    gen_time: datetime
    policy: str
    serial_number: int
    imprint_algorithm: DigestAlgorithm
    imprint: bytes
    tsu_certificate: x509.Certificate
    certificates: tuple[x509.Certificate, ...]
    """Every certificate that the token carries, the TSU's included."""


class TimestampSource(Protocol):
    """Where tokens come from: an authority over HTTP, in process, or several with fail-over."""

    @property
    def name(self) -> str:
        """The authority, as a user would recognise it in an error."""

    async def timestamp(self, imprint: bytes, algorithm: DigestAlgorithm) -> Token:
        """Return a verified token over `imprint`.

        Raises:
            TimestampError: one of its subclasses, naming the authority.
        """
