"""The single checks on a token, each in one place; `timestamping.token` stops at the first that fails.

`timestamping.verify` runs all of them and more. A check raises `CmsError`, or one of `cms.READ_ERRORS` where what it
looks at is malformed.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from types import MappingProxyType

from asn1crypto import cms as asn1
from asn1crypto import tsp
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID

from timestamping import cms, der, strict_der
from timestamping.algorithms import DigestAlgorithm
from timestamping.cms import CmsError
from timestamping.findings import Code
from timestamping.request import TimestampRequest

SignerCheck = Callable[[cms.SignedData], None]
UnitCheck = Callable[[x509.Certificate], None]
InfoCheck = Callable[[tsp.TSTInfo], None]
NameCheck = Callable[[tsp.TSTInfo, x509.Certificate], None]
RequestCheck = Callable[[tsp.TSTInfo, TimestampRequest], None]

MOST_SERIAL_BITS = 160
SHORTEST_RSA_BITS = 2048
SHORTEST_EC_BITS = 256

_GENERALIZED_TIME = re.compile(rb"\x18.(\d{14})(?:\.(\d*[1-9]))?Z", re.DOTALL)
_SINGLE_ATTRIBUTES = MappingProxyType(
    {
        cms.OID_CONTENT_TYPE: "content-type",
        cms.OID_MESSAGE_DIGEST: "message-digest",
        cms.OID_SIGNING_TIME: "signing-time",
        cms.OID_SIGNING_CERTIFICATE: "signing-certificate",
        cms.OID_SIGNING_CERTIFICATE_V2: "signing-certificate-v2",
        cms.OID_ALGORITHM_PROTECTION: "algorithm-protection",
    }
)


def gen_time(info: tsp.TSTInfo) -> datetime:
    """Return genTime, to the microsecond; what stands behind that is cut off."""
    match = _GENERALIZED_TIME.fullmatch(info["gen_time"].dump())
    if match is None:
        raise CmsError("genTime is not in the form that RFC 3161 prescribes: UTC, seconds, Z, no trailing zeros")
    moment = datetime.strptime(match[1].decode("ascii"), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    return moment.replace(microsecond=int((match[2] or b"")[:6].ljust(6, b"0")))


def imprint(info: tsp.TSTInfo) -> tuple[DigestAlgorithm, bytes]:
    """Return algorithm and value of the message imprint."""
    found = info["message_imprint"]
    algorithm = DigestAlgorithm.from_oid(found["hash_algorithm"]["algorithm"].dotted)
    value = bytes(found["hashed_message"].native)
    if len(value) != algorithm.size:
        raise CmsError("the imprint's length is not its algorithm's")
    return algorithm, value


def unit_validity(certificate: x509.Certificate, moment: datetime) -> None:
    """Check that the TSU certificate was valid at genTime; that it has expired since says nothing."""
    if not certificate.not_valid_before_utc <= moment <= certificate.not_valid_after_utc:
        raise CmsError("genTime lies outside the TSU certificate's validity")


def _content(signed: cms.SignedData) -> bytes:
    if signed.content is None:
        raise CmsError("the token holds no TSTInfo")
    return signed.content


def _content_kind(signed: cms.SignedData) -> None:
    if signed.content_type != cms.OID_TST_INFO or signed.content is None:
        raise CmsError("the content is no TSTInfo")


def _digest_algorithms(signed: cms.SignedData) -> None:
    if signed.signer.digest_algorithm.oid not in signed.digest_algorithms:
        raise CmsError("the field digestAlgorithms leaves out the signer's digest algorithm")


def _single_attributes(signed: cms.SignedData) -> None:
    signer = signed.signer
    for kind, name in _SINGLE_ATTRIBUTES.items():
        times = signer.attribute_types.count(kind)
        if times > 1 or len(signer.attributes.get(kind, (b"",))) != 1:
            raise CmsError(f"the signed attribute {name} is repeated, or has not one value")


def _content_type(signed: cms.SignedData) -> None:
    cms.check_content_type(signed.signer, signed.content_type)


def _message_digest(signed: cms.SignedData) -> None:
    cms.check_message_digest(signed.signer, signed.signer.digest_algorithm.digest(_content(signed)))


def _attribute_order(signed: cms.SignedData) -> None:
    if not strict_der.is_sorted(cms.encodings(strict_der.contents(signed.signer.signed_attributes))):
        raise CmsError("the signed attributes do not stand in the order of DER")


def _signed_der(signed: cms.SignedData) -> None:
    for name, encoding in (("TSTInfo", signed.content or b""), ("signed attributes", signed.signer.signed_attributes)):
        for violation in strict_der.violations(encoding) if encoding else ():
            if violation.offset or name == "TSTInfo":  # the order of the attributes is told apart
                raise CmsError(f"what is signed is not DER: {violation.message}, at {violation.offset} of the {name}")


def _algorithm_protection(signed: cms.SignedData) -> None:
    signer = signed.signer
    if cms.OID_ALGORITHM_PROTECTION not in signer.attributes:
        return
    stated = asn1.CMSAlgorithmProtection.load(signer.single(cms.OID_ALGORITHM_PROTECTION), strict=True)
    used = (signer.digest_algorithm.oid, signer.signature_algorithm["algorithm"].dotted)
    if (stated["digest_algorithm"]["algorithm"].dotted, stated["signature_algorithm"]["algorithm"].dotted) != used:
        raise CmsError("the attribute algorithm-protection names other algorithms than those used")


def _eku_present(certificate: x509.Certificate) -> None:
    if _extended_key_usage(certificate) is None:
        raise CmsError("the TSU certificate has no extended key usage")


def _eku_critical(certificate: x509.Certificate) -> None:
    usage = _extended_key_usage(certificate)
    if usage is not None and not usage.critical:
        raise CmsError("the TSU certificate's extended key usage is not critical")


def _eku_alone(certificate: x509.Certificate) -> None:
    usage = _extended_key_usage(certificate)
    if usage is not None and list(usage.value) != [ExtendedKeyUsageOID.TIME_STAMPING]:
        raise CmsError("the TSU certificate's extended key usage is not timeStamping alone")


def _extended_key_usage(certificate: x509.Certificate) -> x509.Extension[x509.ExtendedKeyUsage] | None:
    try:
        return certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage)
    except x509.ExtensionNotFound:
        return None


def _no_authority(certificate: x509.Certificate) -> None:
    try:
        is_ca = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return
    if is_ca:
        raise CmsError("the TSU certificate is an authority's")


def _key_length(certificate: x509.Certificate) -> None:
    key = certificate.public_key()
    shortest = SHORTEST_RSA_BITS if isinstance(key, rsa.RSAPublicKey) else SHORTEST_EC_BITS
    if isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey) and key.key_size < shortest:
        raise CmsError(f"the TSU's key has {key.key_size} bits; {shortest} are the least")


def _version(info: tsp.TSTInfo) -> None:
    if info["version"].native != "v1":
        raise CmsError("the TSTInfo version is not 1")


def _policy(info: tsp.TSTInfo) -> None:
    _ = info["policy"].dotted


def _serial_number(info: tsp.TSTInfo) -> None:
    serial = info["serial_number"].native
    if serial < 0 or serial.bit_length() > MOST_SERIAL_BITS:
        raise CmsError("the serial number is negative or longer than 160 bits")


def _gen_time(info: tsp.TSTInfo) -> None:
    gen_time(info)


def _imprint(info: tsp.TSTInfo) -> None:
    imprint(info)


def _critical_extensions(info: tsp.TSTInfo) -> None:
    for extension in info["extensions"]:
        if extension["critical"].native:
            raise CmsError("the TSTInfo has a critical extension")


def _tsa_name(info: tsp.TSTInfo, certificate: x509.Certificate) -> None:
    for encoding in cms.encodings(info.contents):
        if encoding[0] == 0xA0 and strict_der.contents(encoding) not in _names(certificate):
            raise CmsError("the tsa name differs from the TSU certificate's subject")


def _names(certificate: x509.Certificate) -> list[bytes]:
    names = [der.explicit(4, certificate.subject.public_bytes())]
    try:
        others = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return names
    return names + list(cms.encodings(strict_der.contents(others.public_bytes())))


def _nonce(info: tsp.TSTInfo, request: TimestampRequest) -> None:
    if info["nonce"].native != request.nonce:
        raise CmsError("with another nonce than the query's")


def _asked_imprint(info: tsp.TSTInfo, request: TimestampRequest) -> None:
    found = info["message_imprint"]
    algorithm, value = found["hash_algorithm"]["algorithm"].dotted, bytes(found["hashed_message"].native)
    if (algorithm, value) != (request.algorithm_oid, request.imprint):
        raise CmsError("for another imprint")


def _asked_policy(info: tsp.TSTInfo, request: TimestampRequest) -> None:
    if request.policy is not None and info["policy"].dotted != request.policy:
        raise CmsError("under another policy")


SIGNER_CHECKS: tuple[tuple[Code, SignerCheck], ...] = (
    (Code.CONTENT_NO_TST_INFO, _content_kind),
    (Code.DIGEST_ALGORITHMS, _digest_algorithms),
    (Code.CONTENT_TYPE, _content_type),
    (Code.MESSAGE_DIGEST, _message_digest),
    (Code.ATTRIBUTE_REPEATED, _single_attributes),
    (Code.ATTRIBUTES_UNSORTED, _attribute_order),
    (Code.DER_VIOLATED, _signed_der),
    (Code.ALGORITHM_PROTECTION, _algorithm_protection),
)
UNIT_CHECKS: tuple[tuple[Code, UnitCheck], ...] = (
    (Code.EKU_MISSING, _eku_present),
    (Code.EKU_NOT_CRITICAL, _eku_critical),
    (Code.EKU_NOT_ALONE, _eku_alone),
    (Code.UNIT_IS_AUTHORITY, _no_authority),
    (Code.UNIT_KEY_SHORT, _key_length),
)
INFO_CHECKS: tuple[tuple[Code, InfoCheck], ...] = (
    (Code.TST_VERSION, _version),
    (Code.POLICY_MALFORMED, _policy),
    (Code.IMPRINT_ALGORITHM, _imprint),
    (Code.SERIAL_NUMBER, _serial_number),
    (Code.GEN_TIME_FORM, _gen_time),
    (Code.CRITICAL_EXTENSION, _critical_extensions),
)
NAME_CHECKS: tuple[tuple[Code, NameCheck], ...] = ((Code.TSA_NAME_DIFFERS, _tsa_name),)
REQUEST_CHECKS: tuple[tuple[Code, RequestCheck], ...] = (
    (Code.NONCE_DIFFERS, _nonce),
    (Code.IMPRINT_DIFFERS, _asked_imprint),
    (Code.POLICY_DIFFERS, _asked_policy),
)
