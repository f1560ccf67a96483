"""Judging a certificate at a past moment from embedded data alone (EN 319 102-1, clauses 5.2.5, 5.2.6 and 5.6.2)."""

from collections.abc import Iterable
from datetime import datetime

from cryptography import x509

from signing.limits import LIMITS
from signing.trust.path import Path, TrustAnchors
from timestamping.revocation import Evidence, EvidenceError, from_crl, from_ocsp, needs_no_revocation


class OfflineError(ValueError):
    """The embedded data does not show that the certificate was good; the message says what is missing or wrong."""


class EmbeddedData:
    """The certificates, OCSP responses and CRLs that a document brings along."""

    def __init__(
        self,
        anchors: TrustAnchors,
        certificates: Iterable[x509.Certificate],
        ocsps: Iterable[bytes],
        crls: Iterable[bytes],
    ) -> None:
        self._anchors = anchors
        self._certificates = tuple(dict.fromkeys(certificates))
        self._ocsps = tuple(dict.fromkeys(ocsps))
        self._crls = tuple(dict.fromkeys(crls))
        self._found: dict[tuple[x509.Certificate, x509.Certificate], tuple[Evidence, ...]] = {}

    def path(self, leaf: x509.Certificate, more: Iterable[x509.Certificate], at: datetime) -> Path:
        """Return the verified path at a time (errors as `TrustAnchors.path`)."""
        return self._anchors.path(leaf, (*self._certificates, *more), at)

    def check(self, path: Path, at: datetime, *, fresh_since: datetime | None = None) -> None:
        """Check that every certificate of a path but the anchor is shown to be good at a time.

        Args:
            path: a verified path.
            at: the moment for which existence is proven.
            fresh_since: what concerns the leaf must not be issued before it.

        Raises:
            OfflineError: data is missing, too old, or says revoked.
        """
        for index, (certificate, issuer) in enumerate(path.links()):
            self._check_one(certificate, issuer, at, fresh_since if index == 0 else None, depth=0)

    def _check_one(
        self,
        certificate: x509.Certificate,
        issuer: x509.Certificate,
        at: datetime,
        fresh_since: datetime | None,
        depth: int,
    ) -> None:
        subject = certificate.subject.rfc4514_string()
        # who is in question cannot vouch for itself
        found = [e for e in self._evidence(certificate, issuer) if e.signer != certificate]
        if not found:
            raise OfflineError(f"no revocation data about {subject} is embedded")
        for evidence in found:
            if evidence.revoked_at is not None and evidence.revoked_at <= at:
                raise OfflineError(f"{subject} was revoked at {evidence.revoked_at:%Y-%m-%d %H:%M:%SZ}")
        since = at if fresh_since is None else fresh_since.replace(microsecond=0)
        current = [
            e
            for e in found
            if e.this_update >= since or (fresh_since is None and (e.next_update is None or e.next_update >= at))
        ]
        if not current:
            newest = max(e.this_update for e in found)
            raise OfflineError(f"the revocation data about {subject} is of {newest:%Y-%m-%d %H:%M:%SZ}, too old")
        signers = [e.signer for e in current]
        if any(s == issuer or needs_no_revocation(s) for s in signers):
            return
        if depth >= LIMITS.path_length:
            raise OfflineError(f"the revocation data about {subject} is signed by a chain of responders without end")
        self._check_one(signers[0], issuer, at, None, depth + 1)

    def _evidence(self, certificate: x509.Certificate, issuer: x509.Certificate) -> tuple[Evidence, ...]:
        known = self._found.get((certificate, issuer))
        if known is not None:
            return known
        found = []
        for read, items in ((from_ocsp, self._ocsps), (from_crl, self._crls)):
            for der in items:
                try:
                    found.append(read(der, certificate, issuer))
                except EvidenceError:
                    continue
        self._found[certificate, issuer] = tuple(found)
        return self._found[certificate, issuer]
