"""What the authority states in its tokens: the policies that it serves, its accuracy, and the qualified statement."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from timestamping import der

OID_QC_STATEMENTS = "1.3.6.1.5.5.7.1.3"
OID_QUALIFIED_TIMESTAMP = "0.4.0.19422.1.1"
"""esi4-qtstStatement-1 (ETSI EN 319 422, clause 9)."""


class PoliciesError(ValueError):
    """The policies are not configured in a way that the authority can serve."""

    code = "TSA_POLICIES"
    remedy = "Configure one default policy, as a dotted object identifier, and list the others that are served."


class Policies:
    """The policies that are served. A query that asks for none gets the default; one that is not listed is refused."""

    def __init__(self, default: str, others: Iterable[str] = ()) -> None:
        """Take the identifiers in dotted form.

        Raises:
            PoliciesError: there is no default, or an identifier is malformed.
        """
        self.default = default
        self.served = (default, *dict.fromkeys(each for each in others if each != default))
        """The default first."""
        for policy in self.served:
            _check(policy)


def _check(policy: str) -> None:
    arcs = policy.split(".")
    if not all(arc.isascii() and arc.isdigit() for arc in arcs) or len(arcs) < 2:
        raise PoliciesError(f"'{policy}' is no policy identifier")
    first, second = int(arcs[0]), int(arcs[1])
    if first > 2 or (first < 2 and second > 39):
        raise PoliciesError(f"'{policy}' is no object identifier")


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Bound on the difference between genTime and UTC (RFC 3161, clause 2.4.2)."""

    seconds: int = 1
    millis: int = 0
    """0 to 999."""
    micros: int = 0
    """0 to 999."""

    def __post_init__(self) -> None:
        fractions_fit = 0 <= self.millis <= 999 and 0 <= self.micros <= 999
        if self.seconds < 0 or not fractions_fit or not (self.seconds or self.millis or self.micros):
            raise ValueError("an accuracy is positive, its thousandths and millionths below 1000")

    @classmethod
    def of_seconds(cls, seconds: float) -> Self:
        """Make one from a number of seconds, to the microsecond."""
        whole, micros = divmod(round(seconds * 1_000_000), 1_000_000)
        return cls(whole, *divmod(micros, 1000))

    @property
    def total_seconds(self) -> float:
        """The bound as one number of seconds."""
        return self.seconds + self.millis / 1_000 + self.micros / 1_000_000

    @property
    def der(self) -> bytes:
        """The field `accuracy`; a part that is zero is left out."""
        return der.sequence(
            der.integer(self.seconds) if self.seconds else b"",
            der.implicit(0, der.integer(self.millis)) if self.millis else b"",
            der.implicit(1, der.integer(self.micros)) if self.micros else b"",
        )


QUALIFIED_EXTENSIONS = der.tlv(
    0xA1,
    der.sequence(
        der.oid(OID_QC_STATEMENTS),
        der.octet_string(der.sequence(der.sequence(der.oid(OID_QUALIFIED_TIMESTAMP)))),
    ),
)
"""The field `extensions` of a TSTInfo with the statement that the timestamp is qualified; not critical."""
