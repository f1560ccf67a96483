"""Reading and checking CMS SignedData with one signer (RFC 5652), as PAdES signatures and RFC 3161 tokens are."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from asn1crypto import algos, core, parser, tsp
from asn1crypto import cms as asn1
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
from cryptography.hazmat.primitives.serialization import Encoding

from timestamping import der
from timestamping.algorithms import DigestAlgorithm

OID_DATA = "1.2.840.113549.1.7.1"
OID_SIGNED_DATA = "1.2.840.113549.1.7.2"
OID_TST_INFO = "1.2.840.113549.1.9.16.1.4"
OID_CONTENT_TYPE = "1.2.840.113549.1.9.3"
OID_MESSAGE_DIGEST = "1.2.840.113549.1.9.4"
OID_SIGNING_TIME = "1.2.840.113549.1.9.5"
OID_ALGORITHM_PROTECTION = "1.2.840.113549.1.9.52"
OID_SIGNING_CERTIFICATE = "1.2.840.113549.1.9.16.2.12"
OID_SIGNING_CERTIFICATE_V2 = "1.2.840.113549.1.9.16.2.47"
OID_SIGNATURE_TIMESTAMP = "1.2.840.113549.1.9.16.2.14"


READ_ERRORS = (ValueError, TypeError, KeyError, IndexError, AttributeError)
"""What asn1crypto raises over malformed octets; `CmsError` is among them."""


class CmsError(ValueError):
    """The octets are no SignedData with exactly one signer, or a check on it failed; the message says which."""


@dataclass(frozen=True, slots=True)
class SignerInfo:
    """The one SignerInfo of a SignedData, its parts as the encodings found in it."""

    digest_algorithm: DigestAlgorithm
    signed_attributes: bytes
    """DER of the attributes under the tag SET OF, which is what was signed (RFC 5652, clause 5.4)."""
    attributes: dict[str, tuple[bytes, ...]]
    """Signed attribute values by type, each an encoding."""
    attribute_types: tuple[str, ...]
    """Types of the signed attributes as they stand, one that is repeated several times."""
    unsigned_attributes: dict[str, tuple[bytes, ...]]
    signature_algorithm: algos.SignedDigestAlgorithm
    signature: bytes
    issuer: bytes | None
    """DER of the issuer's name where the signer is named by issuer and serial number."""
    serial_number: int | None
    subject_key_identifier: bytes | None

    def single(self, attribute_type: str) -> bytes:
        """Return the value of a signed attribute that must occur once with one value.

        Raises:
            CmsError: it is absent or has several values.
        """
        values = self.attributes.get(attribute_type, ())
        if len(values) != 1:
            raise CmsError(f"signed attribute {attribute_type} occurs {len(values)} times instead of once")
        return values[0]


@dataclass(frozen=True, slots=True)
class SignedData:
    """A parsed SignedData; embedded certificates that cannot be read are left out."""

    der: bytes
    """The ContentInfo without trailing octets."""
    content_type: str
    content: bytes | None
    certificates: tuple[x509.Certificate, ...]
    digest_algorithms: tuple[str, ...]
    """The field digestAlgorithms, as dotted identifiers."""
    signer: SignerInfo

    def signer_certificate(self, *, ess: bool = True) -> x509.Certificate:
        """Return the embedded certificate that the SignerInfo and the ESS attribute both name.

        Args:
            ess: whether the attribute must be there; where it may be missing and is there, it must still fit.

        Raises:
            CmsError: there is none, or the ESSCertIDv2 names another (RFC 5035, clause 3).
        """
        named = named_by(self.signer, self.certificates)
        if not named:
            raise CmsError("the signer's certificate is not embedded")
        if ess or OID_SIGNING_CERTIFICATE_V2 in self.signer.attributes:
            return fitting_ess(self.signer, named)
        return named[0]


@lru_cache(maxsize=512)
def load_certificate(der: bytes) -> x509.Certificate:
    """Parse a certificate; parsed ones are kept, since chains repeat.

    Raises:
        ValueError: the octets are no certificate that RFC 5280 knows, or an extension occurs twice in it.
    """
    try:
        certificate = x509.load_der_x509_certificate(der)
        _ = certificate.extensions, certificate.subject, certificate.issuer
    except (
        x509.InvalidVersion,
        x509.DuplicateExtension,
        x509.UnsupportedGeneralNameType,
        Warning,  # where warnings are errors: names and serial numbers that RFC 5280 forbids
    ) as error:
        raise ValueError(f"unusable certificate: {error}") from error
    return certificate


def parse_signed_data(data: bytes) -> SignedData:
    """Parse a ContentInfo with SignedData and one signer; zero padding behind it is left out.

    Raises:
        CmsError: it is something else, or uses an algorithm that is not accepted.
    """
    try:
        signed = outer(data)
        signers = signed["signer_infos"]
        if len(signers) != 1:
            raise CmsError(f"{len(signers)} signers instead of one")
        content_type, content = encapsulated(signed)
        return SignedData(
            der=next(encodings(data)),
            content_type=content_type,
            content=content,
            certificates=certificates(signed),
            digest_algorithms=digest_algorithms(signed),
            signer=signer_info(signers[0]),
        )
    except CmsError:
        raise
    except READ_ERRORS as error:
        raise CmsError(f"malformed SignedData: {error}") from error


def outer(data: bytes) -> asn1.SignedData:
    """Return the SignedData of a ContentInfo, nothing in it checked yet.

    Raises:
        CmsError: it is something else.
        One of `READ_ERRORS`: it is malformed.
    """
    info = asn1.ContentInfo.load(data)
    if info["content_type"].dotted != OID_SIGNED_DATA:
        raise CmsError("the content type is not signed-data")
    return info["content"]


def encapsulated(signed: asn1.SignedData) -> tuple[str, bytes | None]:
    """Return type and octets of the content; raises one of `READ_ERRORS`, as the next two do."""
    info = signed["encap_content_info"]
    content = info["content"]
    return info["content_type"].dotted, None if isinstance(content, core.Void) else bytes(content)


def certificates(signed: asn1.SignedData) -> tuple[x509.Certificate, ...]:
    """Return the embedded certificates that can be read."""
    return tuple(_certificates(signed["certificates"]))


def digest_algorithms(signed: asn1.SignedData) -> tuple[str, ...]:
    """Return the field digestAlgorithms as dotted identifiers."""
    return tuple(each["algorithm"].dotted for each in signed["digest_algorithms"])


def named_by(signer: SignerInfo, candidates: Iterable[x509.Certificate]) -> tuple[x509.Certificate, ...]:
    """Return the certificates that the SignerInfo's sid names; several may share issuer and serial number."""
    return tuple(certificate for certificate in candidates if _names(signer, certificate))


def fitting_ess(signer: SignerInfo, named: Sequence[x509.Certificate]) -> x509.Certificate:
    """Return the one of several certificates that signing-certificate-v2 names (RFC 5035, clause 3).

    Raises:
        CmsError: none of them is the one, or the attribute is missing.
    """
    for certificate in named[:-1]:
        try:
            check_ess_certificate(signer, certificate)
        except CmsError:
            continue
        return certificate
    check_ess_certificate(signer, named[-1])
    return named[-1]


def encodings(contents: bytes) -> Iterator[bytes]:
    """Split octets into the encodings that stand one after the other in them.

    Octets are taken as they are, never from `dump()`: asn1crypto takes a length that ends in 80 for the indefinite form
    and encodes everything below it anew, for seconds.
    """
    while contents:
        length = parser.peek(contents)
        yield contents[:length]
        contents = contents[length:]


def check_ess_certificate(signer: SignerInfo, certificate: x509.Certificate) -> None:
    """Check that the signed attribute signing-certificate-v2 names this certificate (RFC 5035, clause 3).

    Raises:
        CmsError: the attribute is missing, of version 1, or names another certificate.
    """
    if OID_SIGNING_CERTIFICATE_V2 not in signer.attributes:
        raise CmsError("the signed attribute signing-certificate-v2 is missing")
    try:
        identifier = _ess_cert_id_v2(signer.single(OID_SIGNING_CERTIFICATE_V2))
    except READ_ERRORS as error:
        raise CmsError(f"malformed signing-certificate-v2: {error}") from error
    algorithm, digest = identifier
    if algorithm.digest(encoded(certificate)) != digest:
        raise CmsError("signing-certificate-v2 names another certificate than the signer's")


def message_digest(signer: SignerInfo) -> bytes:
    """Return the signed attribute message-digest.

    Raises:
        CmsError: it is absent, repeated or malformed.
    """
    try:
        return bytes(asn1.OctetString.load(signer.single(OID_MESSAGE_DIGEST), strict=True).native)
    except CmsError:
        raise
    except (ValueError, TypeError) as error:
        raise CmsError(f"malformed message-digest: {error}") from error


def check_signature(signed: SignedData, certificate: x509.Certificate, content_digest: bytes) -> None:
    """Check content type, message digest and signature value (RFC 5652, clauses 5.4 and 5.6, 11.1 and 11.2).

    Args:
        signed: the SignedData.
        certificate: whose key is to have signed it.
        content_digest: digest of the signed content by the signer's digest algorithm.

    Raises:
        CmsError: one of them does not match; the message says which.
    """
    check_content_type(signed.signer, signed.content_type)
    check_message_digest(signed.signer, content_digest)
    check_attributes_signature(signed.signer, certificate)


def check_content_type(signer: SignerInfo, content_type: str) -> None:
    """Check that the signed attribute content-type is the content's type (RFC 5652, clause 11.1).

    Raises:
        CmsError: it is not, or not there once with one value.
    """
    if signer.single(OID_CONTENT_TYPE) != der.oid(content_type):
        raise CmsError("the signed content type differs from the content's")


def check_message_digest(signer: SignerInfo, content_digest: bytes) -> None:
    """Check that the signed attribute message-digest is the content's digest (RFC 5652, clause 11.2).

    Raises:
        CmsError: it is not, or not there once with one value.
    """
    if message_digest(signer) != content_digest:
        raise CmsError("the message digest does not match the signed content")


def check_attributes_signature(signer: SignerInfo, certificate: x509.Certificate) -> None:
    """Check the signature value over the signed attributes (RFC 5652, clauses 5.4 and 5.6).

    Raises:
        CmsError: it is wrong, or key and algorithm do not fit.
    """
    digest = signer.digest_algorithm.digest(signer.signed_attributes)
    check_signature_value(certificate, signer.signature_algorithm, signer.digest_algorithm, signer.signature, digest)


def check_signature_value(
    certificate: x509.Certificate,
    signature_algorithm: algos.SignedDigestAlgorithm,
    digest_algorithm: DigestAlgorithm,
    signature: bytes,
    digest: bytes,
) -> None:
    """Check a signature value over a digest: RSA PKCS#1 v1.5, RSASSA-PSS (RFC 4056) or ECDSA.

    Raises:
        CmsError: the value is wrong, or key and algorithm do not fit.
    """
    algorithm = signature_algorithm["algorithm"].native
    try:
        key = certificate.public_key()
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CmsError(f"the signer's key cannot be used: {error}") from error
    primitive = digest_algorithm.primitive
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and algorithm.endswith("_ecdsa"):
            key.verify(signature, digest, ec.ECDSA(utils.Prehashed(primitive)))
        elif isinstance(key, rsa.RSAPublicKey) and algorithm == "rsassa_pss":
            pss = _pss_parameters(signature_algorithm, digest_algorithm)
            key.verify(signature, digest, pss, utils.Prehashed(primitive))
        elif isinstance(key, rsa.RSAPublicKey) and algorithm.endswith(("_rsa", "rsassa_pkcs1v15")):
            key.verify(signature, digest, padding.PKCS1v15(), utils.Prehashed(primitive))
        else:
            raise CmsError(f"signature algorithm {algorithm} does not fit the signer's key")
    except InvalidSignature as error:
        raise CmsError("the signature value does not match the signed attributes") from error


def _pss_parameters(signature_algorithm: algos.SignedDigestAlgorithm, digest_algorithm: DigestAlgorithm) -> padding.PSS:
    parameters = signature_algorithm["parameters"]
    if parameters["hash_algorithm"]["algorithm"].native != digest_algorithm.value:
        raise CmsError("the PSS hash differs from the digest algorithm")
    mgf = DigestAlgorithm(parameters["mask_gen_algorithm"]["parameters"]["algorithm"].native)
    return padding.PSS(mgf=padding.MGF1(mgf.primitive), salt_length=parameters["salt_length"].native)


def _names(signer: SignerInfo, certificate: x509.Certificate) -> bool:
    if signer.serial_number is not None:
        return signer.serial_number == certificate.serial_number and signer.issuer == certificate.issuer.public_bytes()
    try:
        extension = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier)
    except (x509.ExtensionNotFound, ValueError):
        return False
    return extension.value.digest == signer.subject_key_identifier


@lru_cache(maxsize=512)
def encoded(certificate: x509.Certificate) -> bytes:
    """Return the certificate's DER; kept, since chains repeat."""
    return certificate.public_bytes(Encoding.DER)


def _ess_cert_id_v2(value: bytes) -> tuple[DigestAlgorithm, bytes]:
    first = tsp.SigningCertificateV2.load(value)["certs"][0]
    return DigestAlgorithm.from_oid(first["hash_algorithm"]["algorithm"].dotted), first["cert_hash"].native


def _certificates(choices: Sequence[asn1.CertificateChoices]) -> Iterator[x509.Certificate]:
    for choice in choices:
        if choice.name != "certificate":
            continue
        try:
            yield load_certificate(der.tlv(0x30, choice.chosen.contents))
        except ValueError:
            continue


def signer_info(info: asn1.SignerInfo) -> SignerInfo:
    """Return the parts of a SignerInfo; raises one of `READ_ERRORS`, also where its digest is not accepted."""
    sid = info["sid"]
    by_name = sid.name == "issuer_and_serial_number"
    signed = info["signed_attrs"]
    return SignerInfo(
        digest_algorithm=DigestAlgorithm.from_oid(info["digest_algorithm"]["algorithm"].dotted),
        signed_attributes=der.tlv(0x31, signed.contents or b""),
        attributes=_attributes(signed),
        attribute_types=tuple(each["type"].dotted for each in signed),
        unsigned_attributes=_attributes(info["unsigned_attrs"]),
        signature_algorithm=info["signature_algorithm"],
        signature=info["signature"].native,
        issuer=der.tlv(0x30, sid.chosen["issuer"].chosen.contents) if by_name else None,
        serial_number=sid.chosen["serial_number"].native if by_name else None,
        subject_key_identifier=None if by_name else sid.chosen.native,
    )


def _attributes(attributes: Sequence[asn1.CMSAttribute]) -> dict[str, tuple[bytes, ...]]:
    found: dict[str, tuple[bytes, ...]] = {}
    for attribute in attributes:
        kind = attribute["type"].dotted
        found[kind] = found.get(kind, ()) + tuple(encodings(attribute["values"].contents))
    return found
