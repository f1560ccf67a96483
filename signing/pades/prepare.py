"""First call of a PAdES signature: what is to be signed (design: step 4, prepare)."""

import hashlib
from collections.abc import Iterable

from cryptography import x509

from signing.limits import LIMITS
from signing.pades import cms_builder
from signing.pades.revision import Revision, RevisionBuilder
from signing.pades.source import READ_ERRORS, PdfSource, chunks
from signing.pades.state import Prepared
from signing.ports import DocumentDamagedError, Level, Profile
from signing.trust.path import Path
from signing.trust.signer import check_usage
from signing.trust.validation_data import ValidationDataEngine
from timestamping.algorithms import DigestAlgorithm
from timestamping.clock import Clock
from timestamping.cms import encoded


async def prepare(
    source: PdfSource,
    certificate: x509.Certificate,
    chain: Iterable[x509.Certificate],
    profile: Profile,
    *,
    engine: ValidationDataEngine,
    clock: Clock,
) -> Prepared:
    """Check certificate and document and build the octets to be signed.

    Args:
        source: the document; it is used up and must not be given to another call.
        certificate: the signer's certificate.
        chain: issuers that came with it, in any order; none is trusted.
        profile: level and algorithms.
        engine: anchors, and the source of revocation data.
        clock: the time that goes into /M.

    Raises:
        CertificateError: the certificate may not sign, now.
        RevocationError: its revocation cannot be established.
        DocumentError: the document must not or cannot be signed.
    """
    now = clock()
    path = engine.path(certificate, chain, now)
    check_usage(path)
    algorithm = cms_builder.signature_algorithm(certificate, profile)
    source.check_may_be_signed()
    await engine.check_signer_now(path)
    try:
        builder = RevisionBuilder(source)
        builder.add_signature(_room(path, profile), moment=now)
        revision = builder.build()
    except RecursionError as error:
        raise DocumentDamagedError("the document is nested too deeply") from error
    except READ_ERRORS as error:
        raise DocumentDamagedError(f"the document cannot be extended: {error}") from error
    document_digest, document_sha256 = _digests(source, revision, profile.digest)
    return Prepared(
        profile=profile,
        document_sha256=document_sha256,
        revision=revision,
        certificate=certificate,
        chain=path.certificates[1:],
        algorithm=algorithm,
        to_be_signed=cms_builder.signed_attributes(certificate, profile.digest, document_digest),
    )


def embedded_chain(path: Iterable[x509.Certificate]) -> list[x509.Certificate]:
    """Return the issuers that go into the CMS: all but a self-issued root."""
    return [c for c in path if c.subject != c.issuer]


def _room(path: Path, profile: Profile) -> int:
    certificates = sum(len(encoded(c)) for c in (path.leaf, *embedded_chain(path.certificates[1:])))
    timestamp = 0 if profile.level is Level.B else LIMITS.timestamp_bytes
    return certificates + timestamp + LIMITS.signature_overhead_bytes


def _digests(source: PdfSource, revision: Revision, algorithm: DigestAlgorithm) -> tuple[bytes, bytes]:
    """Return the digest over the byte range, and the document's SHA-256, reading the document once."""
    document = hashlib.sha256()
    running = document if algorithm is DigestAlgorithm.SHA256 else algorithm.new()
    for chunk in chunks(source.stream, source.size):
        document.update(chunk)
        if running is not document:
            running.update(chunk)
    pinned = document.digest()
    covered = running.copy()
    for part in revision.covered():
        covered.update(part)
    return covered.digest(), pinned
