"""Certification paths to explicit trust anchors (RFC 5280, clause 6.1).

Checked: signatures, names, validity, basic constraints and path length, key usage, and that no critical extension is
left unread. Name constraints are not processed: a path through a CA that has them critical is refused.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cryptography import x509

from signing.limits import LIMITS
from timestamping.path import UNREADABLE, is_issued_by, key_usage


class PathError(ValueError):
    """No acceptable path; the message says what was found instead."""


class ValidityError(PathError):
    """A path exists, but a certificate in it is not valid at the time in question."""


@dataclass(frozen=True, slots=True)
class Path:
    """A verified path: leaf first, anchor last."""

    certificates: tuple[x509.Certificate, ...]

    @property
    def leaf(self) -> x509.Certificate:
        """The certificate that the path is for."""
        return self.certificates[0]

    def links(self) -> Iterator[tuple[x509.Certificate, x509.Certificate]]:
        """Each certificate but the anchor, with its issuer."""
        return zip(self.certificates, self.certificates[1:], strict=False)


class TrustAnchors:
    """Certificates that are trusted by decision; a leaf that is itself an anchor is a path of one."""

    def __init__(
        self, certificates: Iterable[x509.Certificate], intermediates: Iterable[x509.Certificate] = ()
    ) -> None:
        """Take the anchors, and further issuers that help to build paths but are not trusted."""
        self.certificates = frozenset(certificates)
        self.intermediates = tuple(intermediates)

    def path(self, leaf: x509.Certificate, pool: Iterable[x509.Certificate], at: datetime) -> Path:
        """Build and verify a path for `leaf` at a time.

        Args:
            leaf: the certificate in question.
            pool: certificates that came with it; none of them is trusted.
            at: when every certificate but the anchor must be valid.

        Raises:
            ValidityError: the only paths hold a certificate that is not valid at that time.
            PathError: there is no path.
        """
        issuers: dict[bytes, list[x509.Certificate]] = {}
        for candidate in dict.fromkeys((*self.certificates, *self.intermediates, *pool)):
            if (subject := _subject(candidate)) is not None:
                issuers.setdefault(subject, []).append(candidate)
        budget = [LIMITS.path_candidates]
        expired: list[x509.Certificate] = []
        for path in self._paths((leaf,), issuers, budget):
            outside = [c for c in path[:-1] or path if not c.not_valid_before_utc <= at <= c.not_valid_after_utc]
            if not outside:
                return Path(path)
            expired = outside
        if expired:
            name = expired[0].subject.rfc4514_string()
            raise ValidityError(
                f"{name} is valid from {expired[0].not_valid_before_utc:%Y-%m-%d %H:%M:%SZ} "
                f"to {expired[0].not_valid_after_utc:%Y-%m-%d %H:%M:%SZ}, not at {at:%Y-%m-%d %H:%M:%SZ}"
            )
        raise PathError(f"no path from {leaf.subject.rfc4514_string()} to a trust anchor")

    def _paths(
        self, path: tuple[x509.Certificate, ...], issuers: dict[bytes, list[x509.Certificate]], budget: list[int]
    ) -> Iterator[tuple[x509.Certificate, ...]]:
        last = path[-1]
        if last in self.certificates:
            yield path
            return
        if len(path) >= LIMITS.path_length:
            return
        for issuer in issuers.get(last.issuer.public_bytes(), ()):
            if issuer in path or budget[0] <= 0:
                continue
            budget[0] -= 1
            if may_issue(issuer, below=len(path) - 1) and is_issued_by(last, issuer):
                yield from self._paths((*path, issuer), issuers, budget)


@lru_cache(maxsize=1024)
def _subject(certificate: x509.Certificate) -> bytes | None:
    """Return the encoded subject; a certificate whose subject cannot be read issues nothing."""
    try:
        return certificate.subject.public_bytes()
    except ValueError:
        return None


@lru_cache(maxsize=1024)
def may_issue(issuer: x509.Certificate, *, below: int) -> bool:
    """Tell whether a certificate may issue with `below` further CA certificates under it."""
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, *UNREADABLE):
        return False
    if not constraints.ca or (constraints.path_length is not None and constraints.path_length < below):
        return False
    usage = key_usage(issuer)
    return usage is None or usage.key_cert_sign
