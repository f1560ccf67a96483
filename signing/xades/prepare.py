"""First call of a XAdES signature: what is to be signed (design: step 4, prepare)."""

from collections.abc import Mapping, Sequence

from cryptography import x509
from lxml import etree

from signing.pades import cms_builder
from signing.pades.prepare import embedded_chain
from signing.ports import DocumentChangedError, Profile
from signing.trust.signer import check_usage
from signing.trust.validation_data import ValidationDataEngine
from signing.xades.builder import Target, add_manifest, build_signature, new_id, set_digest, targets
from signing.xades.names import ds
from signing.xades.packaging import check_objects, compose, contents, declared_prefixes
from signing.xades.ports import DataObject, Packaging, SignaturePolicy
from signing.xades.references import References, UnresolvedReferenceError, file_uri, hashes_of
from signing.xades.state import Prepared, PreparedObject
from signing.xml.c14n import XmlDocument
from signing.xml.ports import Canonicalization
from timestamping.algorithms import DigestAlgorithm
from timestamping.clock import Clock

IDENTITY = DigestAlgorithm.SHA256
"""By which `finish` knows a document again."""


async def prepare(
    objects: Sequence[DataObject],
    packaging: Packaging,
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    profile: Profile,
    *,
    engine: ValidationDataEngine,
    clock: Clock,
    policy: SignaturePolicy | None = None,
) -> Prepared:
    """Check certificate and documents and build the octets to be signed.

    Args:
        objects: the documents; exactly one, in XML, where it will envelop the signature.
        packaging: where signature and documents stand to each other.
        certificate: the signer's certificate.
        chain: issuers that came with it, in any order; none is trusted.
        profile: level and algorithms.
        engine: anchors, and the source of revocation data.
        clock: the time that goes into SigningTime.
        policy: the signature policy, for EPES.

    Raises:
        CertificateError: the certificate may not sign, now.
        RevocationError: its revocation cannot be established.
        DocumentError: a document must not or cannot be signed.
    """
    now = clock()
    path = engine.path(certificate, chain, now)
    check_usage(path)
    algorithm = cms_builder.signature_algorithm(certificate, profile)
    check_objects(packaging, objects)
    await engine.check_signer_now(path)
    octets = contents(packaging, objects)
    if packaging.is_detached:
        hashed = [hashes_of(each.stream, {IDENTITY, profile.digest}) for each in objects]
        sums = [each[IDENTITY].digest() for each in hashed]
        digests = {
            file_uri(each.name): hashes[profile.digest].digest() for each, hashes in zip(objects, hashed, strict=True)
        }
    else:
        sums = [IDENTITY.digest(each) for each in octets]
        digests = {}
    kept = tuple(
        PreparedObject(each.name, each.mime_type, digest, new_id("data"))
        for each, digest in zip(objects, sums, strict=True)
    )
    identifiers = [each.identifier for each in kept]
    signature = build_signature(
        certificate,
        embedded_chain(path.certificates[1:]),
        profile,
        targets(packaging, objects, identifiers, declared_prefixes(packaging, octets)),
        signing_time=now,
        policy=policy,
    )
    if packaging is Packaging.MANIFEST:
        files = [Target(file_uri(each.name), each.mime_type) for each in objects]
        add_manifest(signature, identifiers[0], files, [digests[each.uri] for each in files], profile.digest)
    document, placed = compose(packaging, objects, octets, identifiers, signature)
    _fill_digests(signature, References(document), placed, digests, profile.digest)
    return Prepared(
        profile=profile,
        packaging=packaging,
        objects=kept,
        signature=etree.tostring(signature, encoding="utf-8"),
        certificate=certificate,
        chain=path.certificates[1:],
        algorithm=algorithm,
        to_be_signed=signed_info(XmlDocument(signature.getroottree()), signature),
    )


def signed_info(document: XmlDocument, signature: etree._Element) -> bytes:
    """Return the canonical form of ds:SignedInfo, as we always make it."""
    return document.canonical(signature.find(ds("SignedInfo")), Canonicalization.EXCLUSIVE)


def sha256(each: DataObject) -> bytes:
    """Return a document's SHA-256, reading it through."""
    return hashes_of(each.stream, {IDENTITY})[IDENTITY].digest()


def _fill_digests(
    signature: etree._Element,
    references: References,
    placed: etree._Element,
    known: Mapping[str, bytes],
    algorithm: DigestAlgorithm,
) -> None:
    """Set the digests of a signature's references, as they come out in its place; those of files are known."""
    places = placed.iterfind(f"{ds('SignedInfo')}/{ds('Reference')}")
    for place, target in zip(places, signature.iterfind(f"{ds('SignedInfo')}/{ds('Reference')}"), strict=True):
        try:
            digest = known.get(place.get("URI"))
            set_digest(target, digest or references.dereference(place, placed).digest(algorithm))
        except UnresolvedReferenceError as error:
            raise DocumentChangedError(f"a document cannot be referred to: {error}") from error
