"""The ds:Signature before its value: references, signing certificate and qualifying properties (EN 319 132-1)."""

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from lxml import etree

from signing.ports import Profile
from signing.xades.names import (
    BASE64,
    DIGESTS,
    DS,
    ECDSA,
    EXCLUSIVE_PREFIXES,
    FILTER2,
    RSA_PKCS1,
    RSA_PSS,
    TYPE_MANIFEST,
    TYPE_OBJECT,
    TYPE_SIGNED_PROPERTIES,
    XADES,
    XADES141,
    ds,
    sub,
    xades,
)
from signing.xades.ports import DataObject, Packaging, SignaturePolicy
from signing.xades.references import file_uri
from signing.xml.ports import Canonicalization
from timestamping import cms, der
from timestamping.algorithms import DigestAlgorithm

DEFAULT_NAMESPACE = "#default"
"""Its name in a PrefixList (Exclusive XML Canonicalization 1.0, clause 3)."""
_RANDOM_OCTETS = 16


@dataclass(frozen=True, slots=True)
class Target:
    """What one data reference of the signature is to."""

    uri: str
    mime_type: str
    type: str | None = None
    transforms: tuple[str, ...] = ()
    prefixes: tuple[str, ...] = ()
    """PrefixList of its exclusive canonicalisation."""


def new_id(prefix: str) -> str:
    """Return an identifier that no document has yet (an NCName)."""
    return f"{prefix}-{secrets.token_hex(_RANDOM_OCTETS)}"


def targets(
    packaging: Packaging, objects: Sequence[DataObject], object_ids: Sequence[str], prefixes: Sequence[tuple[str, ...]]
) -> list[Target]:
    """Return what the signature's data references are to, in order; `prefixes` are those that each document declares.

    They are signed by name: exclusive canonicalisation leaves out what stands in values only, such as `iso4217:EUR`.
    The default namespace of a contained document is not listed: it would take that of an envelope around the container.
    """
    exclusive = Canonicalization.EXCLUSIVE.value
    match packaging:
        case Packaging.ENVELOPED:
            return [Target("", objects[0].mime_type, transforms=(FILTER2, exclusive), prefixes=prefixes[0])]
        case Packaging.ENVELOPING:
            return [
                Target(f"#{identifier}", each.mime_type, TYPE_OBJECT, (BASE64,))
                for each, identifier in zip(objects, object_ids, strict=True)
            ]
        case Packaging.INTERNALLY_DETACHED:
            return [
                Target(
                    f"#{identifier}",
                    each.mime_type,
                    transforms=(exclusive,),
                    prefixes=tuple(name for name in declared if name != DEFAULT_NAMESPACE),
                )
                for each, identifier, declared in zip(objects, object_ids, prefixes, strict=True)
            ]
        case Packaging.DETACHED:
            return [Target(file_uri(each.name), each.mime_type) for each in objects]
        case Packaging.MANIFEST:
            return [Target(f"#{object_ids[0]}", "application/xml", TYPE_MANIFEST, (exclusive,))]


def build_signature(
    certificate: x509.Certificate,
    chain: Sequence[x509.Certificate],
    profile: Profile,
    data: Sequence[Target],
    *,
    signing_time: datetime,
    policy: SignaturePolicy | None,
) -> etree._Element:
    """Build a ds:Signature whose digests and value are still empty.

    Args:
        certificate: the signer's certificate.
        chain: issuers to embed beside it.
        profile: algorithms.
        data: the data references.
        signing_time: the claimed time.
        policy: the policy, for EPES.
    """
    signature_id, properties_id = new_id("sig"), new_id("props")
    signature: etree._Element = etree.Element(ds("Signature"), {"Id": signature_id}, nsmap={"ds": DS})
    info = sub(signature, ds("SignedInfo"))
    sub(info, ds("CanonicalizationMethod"), Algorithm=Canonicalization.EXCLUSIVE)
    sub(info, ds("SignatureMethod"), Algorithm=signature_method(certificate, profile))
    identifiers = [add_reference(info, target, profile.digest, new_id("ref")) for target in data]
    properties = Target(f"#{properties_id}", "", TYPE_SIGNED_PROPERTIES, (Canonicalization.EXCLUSIVE,))
    add_reference(info, properties, profile.digest, None)
    sub(signature, ds("SignatureValue"), Id=new_id("value"))
    x509_data = sub(sub(signature, ds("KeyInfo")), ds("X509Data"))
    for each in (certificate, *chain):
        sub(x509_data, ds("X509Certificate"), _base64(cms.encoded(each)))
    qualifying = etree.SubElement(
        sub(signature, ds("Object")),
        xades("QualifyingProperties"),
        {"Target": f"#{signature_id}"},
        nsmap={"xades": XADES, "xades141": XADES141},
    )
    signed = sub(qualifying, xades("SignedProperties"), Id=properties_id)
    _add_signature_properties(signed, certificate, profile.digest, signing_time, policy)
    data_properties = sub(signed, xades("SignedDataObjectProperties"))
    for identifier, target in zip(identifiers, data, strict=True):
        form = sub(data_properties, xades("DataObjectFormat"), ObjectReference=f"#{identifier}")
        sub(form, xades("MimeType"), target.mime_type)
    return signature


def add_reference(
    parent: etree._Element, target: Target, algorithm: DigestAlgorithm, identifier: str | None
) -> str | None:
    """Append a ds:Reference with an empty digest; return its identifier."""
    attributes = {"Id": identifier, "Type": target.type, "URI": target.uri}
    reference = sub(parent, ds("Reference"), **{name: value for name, value in attributes.items() if value is not None})
    if target.transforms:
        transforms = sub(reference, ds("Transforms"))
        for transform in target.transforms:
            element = sub(transforms, ds("Transform"), Algorithm=transform)
            if transform == FILTER2:
                path = etree.SubElement(
                    element, f"{{{FILTER2}}}XPath", {"Filter": "subtract"}, nsmap={"filter": FILTER2}
                )
                path.text = "/descendant::ds:Signature"
            if transform == Canonicalization.EXCLUSIVE and target.prefixes:
                listed = {"PrefixList": " ".join(target.prefixes)}
                etree.SubElement(element, EXCLUSIVE_PREFIXES, listed, nsmap={"ec": transform})
    sub(reference, ds("DigestMethod"), Algorithm=DIGESTS[algorithm])
    sub(reference, ds("DigestValue"))
    return identifier


def add_manifest(
    signature: etree._Element,
    identifier: str,
    files: Sequence[Target],
    digests: Sequence[bytes],
    algorithm: DigestAlgorithm,
) -> None:
    """Append a ds:Object with a ds:Manifest over files whose digests are known (XMLDSig 1.1, clause 5.1)."""
    manifest = sub(sub(signature, ds("Object")), ds("Manifest"), Id=identifier)
    for target, digest in zip(files, digests, strict=True):
        add_reference(manifest, target, algorithm, new_id("file"))
        set_digest(manifest[-1], digest)


def set_digest(reference: etree._Element, digest: bytes) -> None:
    """Fill in a reference's digest."""
    reference.find(ds("DigestValue")).text = _base64(digest)


def signature_method(certificate: x509.Certificate, profile: Profile) -> str:
    """Return the algorithm URI for a key (RFC 6931, clauses 2.3.2 to 2.3.10)."""
    if isinstance(certificate.public_key(), ec.EllipticCurvePublicKey):
        return ECDSA[profile.digest]
    return (RSA_PSS if profile.rsa_pss else RSA_PKCS1)[profile.digest]


def issuer_serial(certificate: x509.Certificate) -> bytes:
    """Encode the IssuerSerial of a certificate (RFC 5035, clause 4), as IssuerSerialV2 has it."""
    names = der.sequence(der.explicit(4, certificate.issuer.public_bytes()))
    return der.sequence(names, der.integer(certificate.serial_number))


def _add_signature_properties(
    signed: etree._Element,
    certificate: x509.Certificate,
    algorithm: DigestAlgorithm,
    signing_time: datetime,
    policy: SignaturePolicy | None,
) -> None:
    properties = sub(signed, xades("SignedSignatureProperties"))
    sub(properties, xades("SigningTime"), signing_time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))
    cert = sub(sub(properties, xades("SigningCertificateV2")), xades("Cert"))
    _add_digest(sub(cert, xades("CertDigest")), algorithm, algorithm.digest(cms.encoded(certificate)))
    sub(cert, xades("IssuerSerialV2"), _base64(issuer_serial(certificate)))
    if policy is not None:
        _add_policy(properties, policy)


def _add_policy(properties: etree._Element, policy: SignaturePolicy) -> None:
    identifier = sub(sub(properties, xades("SignaturePolicyIdentifier")), xades("SignaturePolicyId"))
    qualifier = {"Qualifier": "OIDAsURN"} if policy.identifier.startswith("urn:oid:") else {}
    sub(sub(identifier, xades("SigPolicyId")), xades("Identifier"), policy.identifier, **qualifier)
    _add_digest(sub(identifier, xades("SigPolicyHash")), policy.algorithm, policy.digest)
    if policy.uri is not None:
        qualifiers = sub(identifier, xades("SigPolicyQualifiers"))
        sub(sub(qualifiers, xades("SigPolicyQualifier")), xades("SPURI"), policy.uri)


def _add_digest(parent: etree._Element, algorithm: DigestAlgorithm, digest: bytes) -> None:
    sub(parent, ds("DigestMethod"), Algorithm=DIGESTS[algorithm])
    sub(parent, ds("DigestValue"), _base64(digest))


def _base64(octets: bytes) -> str:
    return base64.b64encode(octets).decode("ascii")
