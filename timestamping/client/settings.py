"""Which authorities are asked, and every bound of the client, with its unit; all of it immutable."""

from dataclasses import dataclass, field

from cryptography import x509


@dataclass(frozen=True, slots=True)
class Rate:
    """How often an authority may be asked: some block for a day whoever asks more often."""

    requests: int
    """Most requests in a window."""
    seconds: float
    """Length of the window."""


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Bounds of the client."""

    reply_bytes: int = 1024 * 1024
    """Largest reply, in octets; tokens have 1 to 10 kB."""
    connect_seconds: float = 3.0
    """Time to a connection."""
    attempt_seconds: float = 6.0
    """Time for one request, from the connection to the last octet."""
    deadline_seconds: float = 20.0
    """Time for all attempts together."""
    attempts: int = 2
    """Most requests to one authority for one timestamp."""
    retry_seconds: float = 0.3
    """Pause before an authority is asked again, half to one and a half times, where it names none itself."""
    most_retry_after_seconds: float = 5.0
    """An authority that asks for a longer pause is not asked again for this timestamp."""
    clock_difference_seconds: float = 300.0
    """Largest difference between a token's time and ours."""
    failures_to_open: int = 3
    """Failures one after the other at which an authority is left alone for a while."""
    open_seconds: float = 5.0
    """How long at first; doubled each time that the trial afterwards fails."""
    most_open_seconds: float = 300.0
    """How long at most."""


@dataclass(frozen=True, slots=True)
class TsaSettings:
    """One authority. The hash is the caller's, and certificates are always asked for: a path needs them."""

    url: str
    policy: str | None = None
    """Dotted identifier that is asked for; None leaves it to the authority."""
    rate: Rate | None = None
    header: tuple[str, str] | None = field(default=None, repr=False)
    """Name and value of the HTTP field that says who we are: a secret."""
    anchors: tuple[x509.Certificate, ...] = ()
    """Its tokens must lead to one of these, and to one of the client's."""
    connect_seconds: float | None = None
    """Time to a connection; None is the client's."""
    attempt_seconds: float | None = None
    """Time for one request; None is the client's."""
    qualified_required: bool = False
    """Whether a token must state that it is a qualified one (EN 319 422, clause 9)."""
