"""The path from a timestamping unit's certificate to an anchor (RFC 5280, clause 6.1), at a given time.

Checked: names, signatures, validity, basic constraints with path length, key usage, and that no critical extension is
left unread. The purpose timeStamping is demanded of the unit alone, never of the authorities above it.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm

MOST_CERTIFICATES = 8
"""In one path, the anchor included."""
MOST_CANDIDATES = 64
"""Issuers that are tried before the search is given up."""

_READ_CRITICAL = frozenset(
    {
        x509.BasicConstraints.oid,
        x509.KeyUsage.oid,
        x509.ExtendedKeyUsage.oid,
        x509.CertificatePolicies.oid,
        x509.SubjectAlternativeName.oid,
        x509.CRLDistributionPoints.oid,
        x509.PolicyConstraints.oid,
        x509.InhibitAnyPolicy.oid,
    }
)
UNREADABLE = (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, x509.InvalidVersion)
"""What `cryptography` raises for certificates, CRLs and extensions that it cannot read."""

Path = tuple[x509.Certificate, ...]
"""The unit's certificate first, the anchor last."""


class NoPathError(ValueError):
    """Nothing leads from the certificate to an anchor."""


class PathNotValidError(NoPathError):
    """Paths exist, but each holds a certificate that was not valid at the time in question."""


def find_path(
    leaf: x509.Certificate, anchors: Iterable[x509.Certificate], pool: Iterable[x509.Certificate], at: datetime
) -> Path:
    """Find a path; every certificate but the anchor must be valid at the time.

    Args:
        leaf: the certificate in question.
        anchors: who is trusted; a leaf that is one itself is a path of one.
        pool: further certificates, none of them trusted.
        at: the time, which for a timestamp is its genTime.

    Raises:
        PathNotValidError: the paths that exist hold a certificate that is not valid at that time.
        NoPathError: there is no path, or none among the first `MOST_CANDIDATES` issuers tried.
    """
    search = _Search(frozenset(anchors), pool)
    outside: x509.Certificate | None = None
    for path in search.paths((leaf,)):
        late = [each for each in path[:-1] or path if not each.not_valid_before_utc <= at <= each.not_valid_after_utc]
        if not late:
            return path
        outside = late[0]
    if outside is not None:
        raise PathNotValidError(
            f"{outside.subject.rfc4514_string()} is valid from {outside.not_valid_before_utc:%Y-%m-%d %H:%M:%SZ} "
            f"to {outside.not_valid_after_utc:%Y-%m-%d %H:%M:%SZ}, not at {at:%Y-%m-%d %H:%M:%SZ}"
        )
    raise NoPathError(f"no path from {leaf.subject.rfc4514_string()} to a trust anchor")


class _Search:
    def __init__(self, anchors: frozenset[x509.Certificate], pool: Iterable[x509.Certificate]) -> None:
        self._anchors = anchors
        self._left = MOST_CANDIDATES
        self._issuers: dict[bytes, list[x509.Certificate]] = {}
        for candidate in dict.fromkeys((*anchors, *pool)):
            try:
                self._issuers.setdefault(candidate.subject.public_bytes(), []).append(candidate)
            except UNREADABLE:
                continue

    def paths(self, path: Path) -> Iterator[Path]:
        last = path[-1]
        if last in self._anchors:
            yield path
            return
        if len(path) >= MOST_CERTIFICATES:
            return
        for issuer in self._issuers.get(last.issuer.public_bytes(), ()):
            if issuer in path or self._left <= 0:
                continue
            self._left -= 1
            if _may_issue(issuer, below=len(path) - 1) and is_issued_by(last, issuer):
                yield from self.paths((*path, issuer))


@lru_cache(maxsize=1024)
def is_issued_by(certificate: x509.Certificate, issuer: x509.Certificate) -> bool:
    """Tell whether the issuer's name and key fit, and no critical extension of the certificate is left unread."""
    try:
        certificate.verify_directly_issued_by(issuer)
        return not any(each.critical and each.oid not in _READ_CRITICAL for each in certificate.extensions)
    except (*UNREADABLE, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False


def key_usage(certificate: x509.Certificate) -> x509.KeyUsage | None:
    """Return the key usage extension, or None where there is none."""
    try:
        return certificate.extensions.get_extension_for_class(x509.KeyUsage).value
    except x509.ExtensionNotFound:
        return None


def _may_issue(issuer: x509.Certificate, *, below: int) -> bool:
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        if not constraints.ca or (constraints.path_length is not None and constraints.path_length < below):
            return False
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound as error:
        return error.oid == x509.KeyUsage.oid
    except UNREADABLE:
        return False
