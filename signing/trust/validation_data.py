"""What does this signature still lack to be valid offline? One engine answers for every format.

For each certificate of a path but the anchor: its issuer and what the issuer says about its revocation; for who signed
that statement, the same again, unless the certificate says that it needs none (RFC 6960, 4.2.2.2.1).
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from cryptography import x509

from signing.limits import LIMITS
from signing.ports import (
    CertificateExpiredError,
    CertificateRevokedError,
    CertificateUntrustedError,
    RevocationInvalidError,
)
from signing.trust.path import Path, PathError, TrustAnchors, ValidityError
from signing.trust.sources import RevocationSource
from timestamping.cms import encoded
from timestamping.revocation import Evidence, needs_no_revocation


@dataclass(slots=True)
class ValidationData:
    """Certificates, OCSP responses and CRLs, each once, in the order found; all DER."""

    certificates: dict[bytes, None] = field(default_factory=dict)
    ocsps: dict[bytes, None] = field(default_factory=dict)
    crls: dict[bytes, None] = field(default_factory=dict)

    def add_certificates(self, certificates: Iterable[x509.Certificate]) -> None:
        """Add certificates."""
        for certificate in certificates:
            self.certificates[encoded(certificate)] = None

    def add_evidence(self, evidence: Evidence) -> None:
        """Add an OCSP response or CRL and the certificate of who signed it."""
        (self.ocsps if evidence.is_ocsp else self.crls)[evidence.der] = None
        self.add_certificates((evidence.signer,))


class ValidationDataEngine:
    """Collects validation data; keeps CRLs and answers about CAs, never those about signers."""

    def __init__(self, anchors: TrustAnchors, source: RevocationSource) -> None:
        self.anchors = anchors
        self._source = source

    def path(self, leaf: x509.Certificate, pool: Iterable[x509.Certificate], at: datetime) -> Path:
        """Return the verified path of a certificate.

        Raises:
            CertificateExpiredError: a certificate in it is not valid at that time.
            CertificateUntrustedError: there is no path to an anchor.
        """
        party = leaf.subject.rfc4514_string()
        try:
            return self.anchors.path(leaf, pool, at)
        except ValidityError as error:
            raise CertificateExpiredError(str(error), party=party) from error
        except PathError as error:
            raise CertificateUntrustedError(str(error), party=party) from error

    async def check_signer_now(self, path: Path) -> None:
        """Ask whether the signer's certificate is revoked at this moment; nothing is kept.

        Raises:
            CertificateRevokedError: it is.
            RevocationError: it cannot be told.
        """
        for certificate, issuer in list(path.links())[:1]:
            _refuse_revoked(certificate, await self._source.fresh(certificate, issuer, not_before=None))

    async def for_signer(self, path: Path, signed_at: datetime, data: ValidationData) -> None:
        """Add the data of a signer's path; what concerns the signer itself is fetched now.

        Args:
            path: the signer's path.
            signed_at: the signature timestamp's time, which the signer's data must not precede.
            data: what is added to.

        Raises:
            CertificateRevokedError: a certificate in the path is revoked.
            RevocationError: data cannot be had; the error names the service.
        """
        data.add_certificates(path.certificates)
        for index, (certificate, issuer) in enumerate(path.links()):
            if index == 0:
                evidence = await self._source.fresh(certificate, issuer, not_before=signed_at)
            else:
                evidence = await self._source.cached(certificate, issuer)
            await self._add(certificate, issuer, evidence, data)

    async def for_authority(self, path: Path, data: ValidationData) -> None:
        """Add the data of the path of a TSU, a CA or an OCSP responder (errors as `for_signer`)."""
        data.add_certificates(path.certificates)
        for certificate, issuer in path.links():
            await self._add(certificate, issuer, await self._source.cached(certificate, issuer), data)

    async def _add(
        self,
        certificate: x509.Certificate,
        issuer: x509.Certificate,
        evidence: Evidence,
        data: ValidationData,
        depth: int = 0,
    ) -> None:
        _refuse_revoked(certificate, evidence)
        data.add_evidence(evidence)
        signer = evidence.signer
        if signer == certificate:
            party = certificate.subject.rfc4514_string()
            raise RevocationInvalidError(f"{party} vouches for itself", party=party)
        if signer == issuer or needs_no_revocation(signer) or depth >= LIMITS.path_length:
            return
        about_signer = await self._source.cached(signer, issuer)
        await self._add(signer, issuer, about_signer, data, depth + 1)


def _refuse_revoked(certificate: x509.Certificate, evidence: Evidence) -> None:
    if evidence.revoked_at is not None:
        subject = certificate.subject.rfc4514_string()
        raise CertificateRevokedError(
            f"{subject} is revoked since {evidence.revoked_at:%Y-%m-%d %H:%M:%SZ}", party=subject
        )
