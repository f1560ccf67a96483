"""Reading a ds:Signature with its qualifying properties, strictly: each part once, where it belongs (EN 319 132-1)."""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from lxml import etree

from signing.limits import LIMITS
from signing.pades import cms_builder
from signing.ports import CertificateUsageError, Level, Profile
from signing.xades.builder import issuer_serial
from signing.xades.names import ECDSA, RSA_PKCS1, RSA_PSS, TYPE_SIGNED_PROPERTIES, digest_from, ds, xades, xades141
from signing.xades.references import References, UnresolvedReferenceError, canonicalization
from signing.xml.ports import Canonicalization
from timestamping import cms
from timestamping.algorithms import DigestAlgorithm
from timestamping.ports import Token
from timestamping.token import parse_token

SIGNATURE_TIMESTAMP = xades("SignatureTimeStamp")
ARCHIVE_TIMESTAMP = xades141("ArchiveTimeStamp")
_PARTS = (
    (ds("Signature"), {ds("SignedInfo"), ds("SignatureValue"), ds("KeyInfo"), ds("Object")}),
    (xades("QualifyingProperties"), {xades("SignedProperties"), xades("UnsignedProperties")}),
    (xades("UnsignedProperties"), {xades("UnsignedSignatureProperties")}),
)
"""What may stand directly in an element: nothing covers anything else there."""


class MalformedSignatureError(ValueError):
    """The element is no XAdES signature that is read here; the message says why."""


@dataclass(frozen=True, slots=True)
class Method:
    """A signature algorithm: what the key does, and the digest."""

    kind: str
    """`rsa`, `pss` or `ecdsa`."""
    digest: DigestAlgorithm


@dataclass(frozen=True, slots=True)
class Container:
    """A timestamp container: its canonicalisation and its one token."""

    element: etree._Element
    method: Canonicalization
    token: bytes


@dataclass(frozen=True, slots=True)
class Values:
    """Validation data that stands in one unsigned property."""

    position: int
    """Place of the property among the unsigned properties."""
    certificates: tuple[bytes, ...]
    ocsps: tuple[bytes, ...]
    crls: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class XadesSignature:
    """The parts of one signature."""

    element: etree._Element
    identifier: str
    signed_info: etree._Element
    value: bytes
    """The decoded SignatureValue; r and s one after the other for elliptic keys."""
    method: Method
    canonicalization: Canonicalization
    prefixes: tuple[str, ...]
    certificates: tuple[x509.Certificate, ...]
    """What KeyInfo brings along; those that cannot be read are left out."""
    qualifying: etree._Element
    signed_properties: etree._Element
    unsigned: tuple[etree._Element, ...]
    """The unsigned signature properties, in order."""

    def references(self) -> list[etree._Element]:
        """Return the references of SignedInfo."""
        return list(self.signed_info.iterfind(ds("Reference")))

    def signing_time(self) -> datetime | None:
        """Return SigningTime, None where there is none that can be read."""
        text = self._property("SigningTime")
        try:
            moment = datetime.fromisoformat(str(text.xpath("string()")).strip()) if text is not None else None
        except ValueError:
            return None
        return moment if moment is None or moment.tzinfo else moment.replace(tzinfo=UTC)

    def signer(self) -> x509.Certificate:
        """Return the certificate of KeyInfo that SigningCertificateV2 names (EN 319 132-1, clause 5.2.2).

        Raises:
            MalformedSignatureError: the property is missing or malformed, or names a certificate that is not there.
        """
        signing = self._property("SigningCertificateV2")
        if signing is None:
            is_earlier = self._property("SigningCertificate") is not None
            earlier = ", and SigningCertificate of earlier forms is not read" if is_earlier else ""
            raise MalformedSignatureError(f"the signed property SigningCertificateV2 is missing{earlier}")
        try:
            named = one(signing, xades("Cert"), first=True)
            digest = one(named, xades("CertDigest"))
            algorithm = digest_from(one(digest, ds("DigestMethod")).get("Algorithm"))
            value = octets(one(digest, ds("DigestValue")))
            serial = named.find(xades("IssuerSerialV2"))
            serial_value = None if serial is None else octets(serial)
        except ValueError as error:
            raise MalformedSignatureError(f"malformed SigningCertificateV2: {error}") from error
        for certificate in self.certificates:
            if algorithm.digest(cms.encoded(certificate)) == value:
                if serial_value not in {None, issuer_serial(certificate)}:
                    raise MalformedSignatureError("IssuerSerialV2 names another certificate than the digest")
                return certificate
        raise MalformedSignatureError("the certificate that SigningCertificateV2 names is not in KeyInfo")

    def check_value(self, references: References, certificate: x509.Certificate) -> None:
        """Check the signature value over the canonical SignedInfo.

        Raises:
            cms.CmsError: it is wrong, or key and algorithm do not fit.
        """
        info = references.document.canonical(self.signed_info, self.canonicalization, prefixes=self.prefixes)
        check_value(certificate, self.method, self.value, self.method.digest.digest(info))

    def containers(self, name: str) -> list[etree._Element]:
        """Return the timestamp containers of a name, in order."""
        return [each for each in self.unsigned if each.tag == name]

    def position(self, element: etree._Element) -> int:
        """Return the place of a property among the unsigned properties."""
        return self.unsigned.index(element)

    def values(self) -> Iterator[Values]:
        """Yield the validation data that is embedded, in order; items that are no base64 are left out."""
        for position, element in enumerate(self.unsigned):
            if element.tag in _WITH_VALUES:
                yield Values(
                    position,
                    tuple(_decoded(element, "EncapsulatedX509Certificate")),
                    tuple(_decoded(element, "EncapsulatedOCSPValue")),
                    tuple(_decoded(element, "EncapsulatedCRLValue")),
                )

    def unread(self) -> Iterator[etree._Element]:
        """Yield the timestamps among the signed properties, which are not read here (EN 319 132-1, clause 5.2.8)."""
        for name in ("AllDataObjectsTimeStamp", "IndividualDataObjectsTimeStamp"):
            yield from self.signed_properties.iterfind(f"{xades('SignedDataObjectProperties')}/{xades(name)}")

    def _property(self, name: str) -> etree._Element | None:
        found: list[etree._Element] = self.signed_properties.findall(
            f"{xades('SignedSignatureProperties')}/{xades(name)}"
        )
        if len(found) > 1:
            raise MalformedSignatureError(f"the signed property {name} occurs {len(found)} times")
        return found[0] if found else None


_WITH_VALUES = frozenset(
    {
        xades("CertificateValues"),
        xades("RevocationValues"),
        xades141("TimeStampValidationData"),
        xades141("AnyValidationData"),
    }
)


def read_signature(element: etree._Element) -> XadesSignature:
    """Read a ds:Signature.

    Raises:
        MalformedSignatureError: a part is missing, repeated or of an algorithm that is not accepted.
    """
    try:
        info = one(element, ds("SignedInfo"))
        if not 2 <= len(info.findall(ds("Reference"))) <= LIMITS.xml_references:
            raise MalformedSignatureError("there are too few or too many references")
        canonical, prefixes = canonicalization(one(info, ds("CanonicalizationMethod")))
        key_info = one(element, ds("KeyInfo"))
        found = element.findall(f"{ds('Object')}/{xades('QualifyingProperties')}")
        if len(found) != 1:
            raise MalformedSignatureError(f"{len(found)} QualifyingProperties instead of one")
        identifier = element.get("Id", "")
        if not identifier or found[0].get("Target") != f"#{identifier}":
            raise MalformedSignatureError("the QualifyingProperties are of another signature")
        _check_parts(element, found[0])
        return XadesSignature(
            element=element,
            identifier=identifier,
            signed_info=info,
            value=octets(one(element, ds("SignatureValue"))),
            method=_method(one(info, ds("SignatureMethod"))),
            canonicalization=canonical,
            prefixes=prefixes,
            certificates=tuple(_certificates(key_info)),
            qualifying=found[0],
            signed_properties=one(found[0], xades("SignedProperties")),
            unsigned=_unsigned(found[0]),
        )
    except (ValueError, UnresolvedReferenceError) as error:
        raise MalformedSignatureError(str(error)) from error


def read_container(element: etree._Element) -> Container:
    """Read a timestamp container with exactly one token.

    Raises:
        MalformedSignatureError: it has none, several, or refers to other data by Include.
    """
    if element.find(xades("Include")) is not None:
        raise MalformedSignatureError("a timestamp with Include is not read")
    stated = element.find(ds("CanonicalizationMethod"))
    try:
        method, prefixes = (Canonicalization.C14N_10, ()) if stated is None else canonicalization(stated)
        token = octets(one(element, xades("EncapsulatedTimeStamp")))
    except ValueError as error:
        raise MalformedSignatureError(f"malformed timestamp container: {error}") from error
    if prefixes:
        raise MalformedSignatureError("a timestamp container with PrefixList is not read")
    return Container(element, method, token)


def tokens(signature: XadesSignature, name: str) -> list[Token]:
    """Return the tokens of all containers of a name.

    Raises:
        MalformedSignatureError, TimestampError: a container or token is damaged.
    """
    return [parse_token(read_container(each).token) for each in signature.containers(name)]


def check_value(certificate: x509.Certificate, method: Method, value: bytes, digest: bytes) -> None:
    """Check a signature value in the form of XMLDSig over a digest.

    Raises:
        cms.CmsError: it is wrong, or key and algorithm do not fit.
    """
    key = certificate.public_key()
    is_elliptic = isinstance(key, ec.EllipticCurvePublicKey)
    if is_elliptic is not (method.kind == "ecdsa"):
        raise cms.CmsError("the signature algorithm does not fit the signer's key")
    if isinstance(key, ec.EllipticCurvePublicKey):
        half = (key.key_size + 7) // 8
        if len(value) != 2 * half:
            raise cms.CmsError("the signature value is not r and s in the length of the curve")
        value = encode_dss_signature(int.from_bytes(value[:half]), int.from_bytes(value[half:]))
    try:
        wanted = Profile(Level.B, digest=method.digest, rsa_pss=method.kind == "pss")
        algorithm = cms_builder.parsed_algorithm(cms_builder.signature_algorithm(certificate, wanted))
    except CertificateUsageError as error:
        raise cms.CmsError(str(error)) from error
    cms.check_signature_value(certificate, algorithm, method.digest, value, digest)


def is_signed_properties(element: etree._Element) -> bool:
    """Tell whether a reference says that it is to SignedProperties."""
    return bool(element.get("Type") == TYPE_SIGNED_PROPERTIES)


def one(parent: etree._Element, name: str, *, first: bool = False) -> etree._Element:
    """Return the only child of a name, or the first where several are allowed.

    Raises:
        ValueError: there is none, or more than one.
    """
    found: list[etree._Element] = parent.findall(name)
    if not found or (len(found) > 1 and not first):
        raise ValueError(f"{len(found)} elements {etree.QName(name).localname} instead of one")
    return found[0]


def octets(element: etree._Element) -> bytes:
    """Return the octets that an element holds in base64.

    Raises:
        ValueError: it holds something else.
    """
    if len(element):
        raise ValueError(f"{etree.QName(element).localname} holds more than base64")
    return base64.b64decode("".join((element.text or "").split()), validate=True)


def _method(element: etree._Element) -> Method:
    uri = element.get("Algorithm")
    for kind, table in (("rsa", RSA_PKCS1), ("pss", RSA_PSS), ("ecdsa", ECDSA)):
        for digest, known in table.items():
            if known == uri and not len(element):
                return Method(kind, digest)
    raise MalformedSignatureError(f"the signature algorithm {uri} is not accepted")


def _certificates(key_info: etree._Element) -> Iterator[x509.Certificate]:
    for element in key_info.iterfind(f"{ds('X509Data')}/{ds('X509Certificate')}"):
        try:
            yield cms.load_certificate(octets(element))
        except ValueError:
            continue


def has_text(element: etree._Element) -> bool:
    """Tell whether text other than white space stands directly in an element."""
    return any((text or "").strip() for text in (element.text, *(child.tail for child in element)))


def _check_parts(signature: etree._Element, qualifying: etree._Element) -> None:
    holders = [signature, qualifying, *qualifying.iterfind(xades("UnsignedProperties"))]
    allowed = dict(_PARTS)
    more = [signature.find(ds("KeyInfo")), *qualifying.iterfind(f"*/{xades('UnsignedSignatureProperties')}")]
    for element in (*holders, *more):
        if has_text(element):
            raise MalformedSignatureError(f"text has no place in {etree.QName(element).localname}")
    for holder in holders:
        for child in holder.iterchildren(etree.Element):
            if child.tag not in allowed[holder.tag]:
                names = [etree.QName(each).localname for each in (child, holder)]
                raise MalformedSignatureError(f"the element {names[0]} has no place in {names[1]}")


def _unsigned(qualifying: etree._Element) -> tuple[etree._Element, ...]:
    parents = qualifying.findall(f"{xades('UnsignedProperties')}/{xades('UnsignedSignatureProperties')}")
    if len(parents) > 1:
        raise MalformedSignatureError("the unsigned properties occur several times")
    return tuple(parents[0].iterchildren(etree.Element)) if parents else ()


def _decoded(element: etree._Element, name: str) -> Iterator[bytes]:
    for each in element.iter(xades(name)):
        try:
            yield octets(each)
        except ValueError:
            continue
