"""What the rest of the gateway sees of timestamping: the source of tokens and the errors it raises."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Protocol

from cryptography import x509

from timestamping.algorithms import DigestAlgorithm

if TYPE_CHECKING:
    from timestamping.client.attempts import Attempt


class TimestampError(Exception):
    """A timestamp could not be had or is not what it should be.

    `code` is stable; `party` names the authority concerned (its URL or certificate subject).
    """

    code: ClassVar[str] = "TIMESTAMP_ERROR"
    remedy: ClassVar[str] = "Try again; if it persists, ask the operator of the timestamping authority."

    attempts: "tuple[Attempt, ...]" = ()
    """Each request that was made, where several authorities or tries were."""

    def __init__(self, message: str, *, party: str) -> None:
        super().__init__(message)
        self.party = party


class TimestampUnavailableError(TimestampError):
    """The authority could not be reached, or answered with something that is no timestamp reply."""

    code = "TIMESTAMP_UNAVAILABLE"
    remedy = "Check that the timestamping authority is up and reachable, then try again."

    def __init__(
        self,
        message: str,
        *,
        party: str,
        http_status: int | None = None,
        retry_after_seconds: float | None = None,
        unreachable: bool = False,
        timed_out: bool = False,
    ) -> None:
        super().__init__(message, party=party)
        self.http_status = http_status
        """Status other than 200."""
        self.retry_after_seconds = retry_after_seconds
        """Pause that the authority asks for."""
        self.unreachable = unreachable
        """Whether there was no answer at all, or half of one."""
        self.timed_out = timed_out


class TimestampRejectedError(TimestampError):
    """The authority refused the request (PKIStatus other than granted; RFC 3161, clause 2.4.2)."""

    code = "TIMESTAMP_REJECTED"
    remedy = "Ask the operator of the timestamping authority why it refuses; its failInfo is in the message."

    def __init__(self, message: str, *, party: str, fail_info: frozenset[str] = frozenset()) -> None:
        super().__init__(message, party=party)
        self.fail_info = fail_info
        """Names in RFC 3161, clause 2.4.2."""


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
