"""Whether the certificates behind a timestamp stood at its time, by OCSP responses and CRLs at hand.

Nothing is fetched. A token of a revoked unit is judged by RFC 3161, clause 4, items 1 and 2: one made before the
revocation remains valid where the stated reason is that the unit went out of use; where the reason is a compromise,
another one, or not stated, none of its tokens can be trusted, since whoever has the key writes any time. Freshness
follows EN 319 102-1, clause 5.2.5, with the time of the token as the time of validation.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final

from cryptography import x509

from timestamping.path import MOST_CERTIFICATES, Path
from timestamping.revocation import Evidence, EvidenceError, from_crl, from_ocsp, needs_no_revocation
from timestamping.revocation_values import RevocationValues

OUT_OF_USE: Final = frozenset(
    {
        x509.ReasonFlags.unspecified,
        x509.ReasonFlags.affiliation_changed,
        x509.ReasonFlags.superseded,
        x509.ReasonFlags.cessation_of_operation,
    }
)
"""Reasons that leave earlier tokens valid (RFC 3161, clause 4, item 1)."""


class Status(StrEnum):
    """What is known about a certificate at the time of a token."""

    GOOD = "good"
    REVOKED = "revoked"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known about one certificate of a path."""

    certificate: x509.Certificate
    status: Status
    message: str
    """A sentence for a person; its words may change."""
    evidence: Evidence | None = None
    """What the status rests on; None where it is unknown."""
    is_older: bool = False
    """Whether that was said before the time of the token, and was still current then."""

    @property
    def revoked_later(self) -> bool:
        """Whether the certificate was revoked behind the token, which leaves the token valid."""
        return self.status is Status.GOOD and self.evidence is not None and self.evidence.revoked_at is not None


def standings(
    path: Path, values: RevocationValues, moment: datetime, now: datetime, skew: timedelta
) -> tuple[Standing, ...]:
    """Judge every certificate of a path but the anchor, the unit's first.

    Args:
        path: a verified path; an empty one has no standings.
        values: what is at hand; none of it needs to be sound.
        moment: the token's time.
        now: the time of judgement; what claims to be younger says nothing.
        skew: how far another party's clock may run ahead.
    """
    if not path:
        return ()
    judge = _Judge(values, path[-1], moment, now + skew)
    return tuple(judge.standing(certificate, issuer) for certificate, issuer in pairwise(path))


def overall(found: Iterable[Standing]) -> Status:
    """Return the worst status: revoked, then unknown, then good."""
    statuses = {each.status for each in found}
    return next((each for each in (Status.REVOKED, Status.UNKNOWN) if each in statuses), Status.GOOD)


class _Judge:
    def __init__(self, values: RevocationValues, anchor: x509.Certificate, moment: datetime, latest: datetime) -> None:
        self._values = values
        self._anchor = anchor
        self._moment = moment
        self._latest = latest

    def standing(self, certificate: x509.Certificate, issuer: x509.Certificate, depth: int = 0) -> Standing:
        subject = certificate.subject.rfc4514_string()
        complaints: list[str] = []
        found = list(self._evidence(certificate, issuer, complaints))
        for evidence in found:
            if evidence.revoked_at is not None and (why := self._takes(evidence)):
                return Standing(certificate, Status.REVOKED, f"{subject} {why}", evidence)
        found.sort(key=lambda each: (each.revoked_at is not None, each.this_update), reverse=True)
        for evidence in found:
            complaint = self._gap(evidence, certificate, issuer) or self._responder(evidence, issuer, depth)
            if complaint is None:
                is_older = evidence.this_update < self._moment.replace(microsecond=0)
                return Standing(certificate, Status.GOOD, _good(subject, evidence), evidence, is_older)
            complaints.append(complaint)
        why = "; ".join(dict.fromkeys(complaints)) or "no CRL and no OCSP response about it is at hand"
        return Standing(certificate, Status.UNKNOWN, f"whether {subject} was revoked is not known: {why}")

    def _evidence(
        self, certificate: x509.Certificate, issuer: x509.Certificate, complaints: list[str]
    ) -> Iterator[Evidence]:
        """Yield what is said about a certificate; who is in question cannot vouch for itself."""
        readers: tuple[tuple[Callable[..., Evidence], tuple[bytes, ...]], ...] = (
            (from_ocsp, self._values.ocsps),
            (from_crl, self._values.crls),
        )
        for read, items in readers:
            for item in items:
                try:
                    evidence = read(item, certificate, issuer)
                except EvidenceError as error:
                    complaints.append(str(error))
                    continue
                if evidence.signer == certificate:
                    complaints.append("it vouches for itself")
                else:
                    yield evidence

    def _takes(self, evidence: Evidence) -> str | None:
        """Tell why a revocation takes a token of this time with it; None where it does not."""
        revoked_at = evidence.revoked_at
        if revoked_at is None:
            return None
        since = f"since {revoked_at:%Y-%m-%d %H:%M:%SZ}"
        if evidence.reason is None:
            return f"is revoked {since} and no reason is stated, so that none of its tokens counts"
        if evidence.reason not in OUT_OF_USE:
            return f"is revoked {since} ({evidence.reason.value}), so that none of its tokens counts"
        if min(revoked_at, evidence.invalid_at or revoked_at) <= self._moment:
            return f"is revoked {since} ({evidence.reason.value}), not after the timestamp"
        return None

    def _gap(self, evidence: Evidence, certificate: x509.Certificate, issuer: x509.Certificate) -> str | None:
        """Tell why evidence does not show how things stood at the time; None where it does."""
        said = f"{'the OCSP response' if evidence.is_ocsp else 'the CRL'} of {evidence.this_update:%Y-%m-%d %H:%M:%SZ}"
        if evidence.this_update > self._latest:
            return f"{said} is from the future"
        is_current = evidence.next_update is not None and evidence.next_update >= self._moment
        if evidence.this_update < self._moment and not is_current:
            return f"{said} was no longer current at the time of the timestamp"
        end = certificate.not_valid_after_utc
        if evidence.this_update > end and (evidence.expired_since is None or evidence.expired_since > end):
            return f"{said} is younger than the certificate and does not tell of expired ones"
        if issuer != self._anchor and evidence.this_update > issuer.not_valid_after_utc:
            return f"{said} is younger than the certificate of who issues it"
        return None

    def _responder(self, evidence: Evidence, issuer: x509.Certificate, depth: int) -> str | None:
        """Tell why the signer of evidence is not shown to be good; None where he is."""
        signer = evidence.signer
        if signer == issuer or needs_no_revocation(signer):
            return None
        if depth >= MOST_CERTIFICATES:
            return "it is signed by a chain of responders without end"
        standing = self.standing(signer, issuer, depth + 1)
        return None if standing.status is Status.GOOD else standing.message


def _good(subject: str, evidence: Evidence) -> str:
    source = f"{'an OCSP response' if evidence.is_ocsp else 'a CRL'} of {evidence.this_update:%Y-%m-%d %H:%M:%SZ}"
    if evidence.revoked_at is None or evidence.reason is None:
        return f"{subject} is not revoked by {source}"
    return f"{subject} is revoked since {evidence.revoked_at:%Y-%m-%d %H:%M:%SZ} ({evidence.reason.value}) by {source}"
