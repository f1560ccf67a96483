"""What a damaged sample is and what a signing engine should answer to it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Expectation = Literal["signed", "rewritten", "refused"]

Reason = Literal["not_a_pdf", "empty", "encrypted", "permission_denied", "damaged", "signed_and_damaged", "too_complex"]


@dataclass(frozen=True)
class Damage:
    """A damaged file and the answer to it.

    `expect` is "signed" if the file is signed as it is, "rewritten" if qpdf writes it anew before it is signed,
    "refused" if no signature is made; then `reason` says why, and is None otherwise.
    """

    make: Callable[[], bytes]
    expect: Expectation
    reason: Reason | None = None

    def __post_init__(self) -> None:
        if (self.expect == "refused") != (self.reason is not None):
            raise ValueError("a refusal has a reason, anything else has none")
