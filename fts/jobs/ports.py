"""How the gateway's processes wake each other."""

from collections.abc import Callable
from typing import Literal, Protocol

Tier = Literal["web", "worker", "sequencer"]


class Doorbell(Protocol):
    """Carries news between processes, never work.

    News that is lost or comes twice does no harm: the tables are the truth, and everyone looks at them again after a
    while. `fts.jobs.bell.Bell` is the one of a single machine.
    """

    def ring(self, tier: Tier, subject: str) -> None:
        """Send a subject to every listening process of a tier."""

    async def listen(self, tier: Tier, hear: Callable[[str], None]) -> None:
        """Call `hear` with each subject that is rung for a tier."""

    def close(self) -> None:
        """Stop to listen and to ring."""
