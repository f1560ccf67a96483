"""What a verification found: one report for a document, one part for each signature and timestamp."""

from dataclasses import dataclass, field
from datetime import datetime

from signing.ports import Level


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that a reader of the report must know. `code` is stable, `message` names the cause."""

    code: str
    message: str


@dataclass(slots=True)
class TimestampReport:
    """A signature timestamp or an archive timestamp (document timestamp)."""

    field_name: str
    """Name of its form field; of its signature's field for a signature timestamp."""
    gen_time: datetime | None = None
    authority: str | None = None
    """Subject of the TSU certificate (RFC 4514)."""
    serial_number: int | None = None
    """Of the token, under which its authority keeps it."""
    digest: str | None = None
    """Imprint algorithm."""
    byte_range: tuple[int, int, int, int] | None = None
    """What it covers; None for a signature timestamp."""
    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


@dataclass(slots=True)
class SignatureReport:
    """A signature."""

    field_name: str
    signer: str | None = None
    """Subject of the signer's certificate (RFC 4514)."""
    claimed_at: datetime | None = None
    """/M: what the signer's computer said."""
    proven_at: datetime | None = None
    """Earliest time at which the signature is proven to have existed."""
    level: Level | None = None
    """Level that was reached, None where the signature is not valid."""
    digest: str | None = None
    byte_range: tuple[int, int, int, int] | None = None
    """What it covers."""
    covers: str | None = None
    """What it covers, in words, where that is no byte range."""
    timestamps: list[TimestampReport] = field(default_factory=list)
    problems: list[Finding] = field(default_factory=list)
    notes: list[Finding] = field(default_factory=list)

    @property
    def valid(self) -> bool:
        """Whether nothing is wrong with it or its timestamps."""
        return not self.problems and all(t.valid for t in self.timestamps)


@dataclass(slots=True)
class DocumentReport:
    """A document."""

    size: int
    """Octets."""
    sha256: str = ""
    """In hexadecimal."""
    verified_at: datetime | None = None
    signatures: list[SignatureReport] = field(default_factory=list)
    archive_timestamps: list[TimestampReport] = field(default_factory=list)
    problems: list[Finding] = field(default_factory=list)

    @property
    def valid(self) -> bool:
        """Whether there is a signature and nothing is wrong anywhere."""
        parts_valid = all(s.valid for s in self.signatures) and all(t.valid for t in self.archive_timestamps)
        return bool(self.signatures) and not self.problems and parts_valid

    @property
    def level(self) -> Level | None:
        """The lowest level among the signatures, None where one is not valid or there is none."""
        levels = [s.level for s in self.signatures]
        if not levels or None in levels:
            return None
        return min((level for level in levels if level is not None), key=lambda level: level.rank)
