"""Valid signed documents to tamper with."""

from dataclasses import dataclass

from tests.support.line import Line


@dataclass(frozen=True)
class Material:
    """Valid documents to tamper with."""

    line: Line
    lta: bytes
    """Level LTA, two pages."""
    t: bytes
    """The same without its last revision: level T, where no archive timestamp helps to find what was changed."""
    other: bytes
    """Level LTA, by the same signer, another document."""
