"""A case as data: a unit, a query, the defects of the reply, and what the verifier is given."""

import tomllib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, Self

from cryptography import x509

from deploy.demo_pki.pki import Entity
from tests.conformance.defective_tokens import Parts, reply
from tests.conformance.timestamps.defects import DEFECTS
from tests.conformance.timestamps.units import UnitWish, pki
from tests.support.line import POLICY
from timestamping import der
from timestamping.algorithms import DigestAlgorithm
from timestamping.clock import utc_now
from timestamping.request import TimestampRequest, message_imprint, parse_request
from timestamping.verify import Report, verify

NONCE = 0x4A17C0DE5EED


@dataclass(frozen=True)
class Query:
    """What is asked for."""

    data: str = "what is stamped"
    nonce: bool = True
    policy: bool = True
    certificates: bool = True

    def encoded(self) -> bytes:
        """Return the TimeStampReq."""
        return der.sequence(
            der.integer(1),
            message_imprint(DigestAlgorithm.SHA256, DigestAlgorithm.SHA256.digest(self.data.encode())),
            der.oid(POLICY) if self.policy else b"",
            der.integer(NONCE) if self.nonce else b"",
            der.TRUE if self.certificates else b"",
        )


@dataclass(frozen=True)
class Given:
    """What the verifier is given beside the reply."""

    anchors: bool = True
    untrusted: bool = False
    """The unit's certificate and its issuers."""
    query: bool = True
    data: str = "what is stamped"
    hours_later: float = 0.0
    """When it is verified, from now."""


@dataclass(frozen=True)
class Case:
    """One reply and how it is judged."""

    defects: tuple[str, ...] = ()
    unit: UnitWish = field(default_factory=UnitWish)
    query: Query = field(default_factory=Query)
    given: Given = field(default_factory=Given)

    @classmethod
    def from_toml(cls, path: Path) -> Self:
        """Read `case.toml`; a word that is not known is an error."""
        read: dict[str, Any] = tomllib.loads(path.read_text())
        if unknown := set(read) - {"about", "source", "defects", "unit", "query", "given"}:
            raise ValueError(f"{path}: unknown {sorted(unknown)}")
        if not read["about"] or not read["source"]:
            raise ValueError(f"{path}: say what it is about and where it comes from")
        return cls(
            tuple(read.get("defects", ())),
            UnitWish(**read.get("unit", {})),
            Query(**read.get("query", {})),
            Given(**read.get("given", {})),
        )


@dataclass(frozen=True)
class Made:
    """A case's material."""

    case: Case
    unit: Entity
    query: bytes
    reply: bytes

    @property
    def request(self) -> TimestampRequest:
        """The query, read."""
        return parse_request(self.query)

    @property
    def untrusted(self) -> tuple[x509.Certificate, ...]:
        """The unit's certificate and its issuers."""
        return (self.unit.certificate, *self.unit.chain)

    def judged(self) -> Report:
        """Judge it with what the case gives."""
        given = self.case.given

        def clock() -> datetime:
            return utc_now() + timedelta(hours=given.hours_later)

        return verify(
            self.reply,
            clock=clock,
            digests={each: each.digest(given.data.encode()) for each in DigestAlgorithm},
            request=self.request if given.query else None,
            anchors=pki().anchors if given.anchors else (),
            untrusted=self.untrusted if given.untrusted else (),
        )


def make(case: Case) -> Made:
    """Make a case's unit, query and reply anew."""
    unit = pki().unit(case.unit)
    query = case.query.encoded()

    def all_defects(parts: Parts) -> None:
        if not case.query.certificates:
            parts.certificates = []
        for name in case.defects:
            DEFECTS[name](parts)

    return Made(case, unit, query, reply(query, unit, all_defects))
