"""The states of a signing and the moves between them (docs/adr/0004-states-of-a-signing.md).

    created -> opened -> preparing -> prepared -> finishing -> completed
                  ^---------'            '--> preparing (another certificate)

and from any of the first four to declined, cancelled, failed or expired; from finishing to failed only. Every move is
one transaction, which compares the version, writes the event and, where work follows, the job.
"""

from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a signing is."""

    CREATED = "created"
    """Waits for the signer to open the link."""
    OPENED = "opened"
    """The signer has the page."""
    PREPARING = "preparing"
    """A worker checks the certificate and builds what is to be signed; the API says `opened`."""
    PREPARED = "prepared"
    """Waits for the signature value."""
    FINISHING = "finishing"
    """The value was accepted; a worker makes the signed document."""
    COMPLETED = "completed"
    DECLINED = "declined"
    """By the signer."""
    CANCELLED = "cancelled"
    """By the client."""
    FAILED = "failed"
    EXPIRED = "expired"
    """The deadline passed before a signature value came."""

    @property
    def has_ended(self) -> bool:
        """Whether nothing follows."""
        return self in ENDED

    @property
    def public(self) -> str:
        """The state as the API names it."""
        return State.OPENED.value if self is State.PREPARING else self.value


ENDED: Final = frozenset({State.COMPLETED, State.DECLINED, State.CANCELLED, State.FAILED, State.EXPIRED})

BEFORE_THE_VALUE: Final = frozenset({State.CREATED, State.OPENED, State.PREPARING, State.PREPARED})
"""States that a signing can be declined, cancelled or expire in."""

_EARLY_ENDS: Final = frozenset({State.DECLINED, State.CANCELLED, State.FAILED, State.EXPIRED})

MOVES: Final = {
    State.CREATED: frozenset({State.OPENED}) | _EARLY_ENDS,
    State.OPENED: frozenset({State.OPENED, State.PREPARING}) | _EARLY_ENDS,
    State.PREPARING: frozenset({State.PREPARING, State.PREPARED, State.OPENED}) | _EARLY_ENDS,
    State.PREPARED: frozenset({State.PREPARED, State.PREPARING, State.FINISHING}) | _EARLY_ENDS,
    State.FINISHING: frozenset({State.COMPLETED, State.FAILED}),
    State.COMPLETED: frozenset[State](),
    State.DECLINED: frozenset[State](),
    State.CANCELLED: frozenset[State](),
    State.FAILED: frozenset[State](),
    State.EXPIRED: frozenset[State](),
}
