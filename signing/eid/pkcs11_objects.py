"""Certificates and private keys among the objects of a token, read tolerantly.

Modules differ in what they answer for an attribute: an error, nothing, text that is no UTF-8. One unreadable
attribute never hides a token. Keys and certificates belong together by equal CKA_ID, whatever its value.
"""

import logging
import struct
from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from pkcs11 import Attribute, Object, ObjectClass, Session, Token, TokenFlag
from pkcs11.exceptions import AttributeSensitive, AttributeTypeInvalid, FunctionFailed
from pkcs11.types import SignMixin

from signing.eid.ports import CardCertificate, KeyAlgorithm
from signing.eid.signature_values import public_key

_log = logging.getLogger(__name__)


def certificates_on(token: Token, session: Session) -> list[CardCertificate]:
    """Return the token's certificates with an RSA or EC key, in its order; others are logged and left out."""
    objects = list(session.get_objects({Attribute.CLASS: ObjectClass.CERTIFICATE}))
    key_ids = {
        _attribute(key, Attribute.ID, b"") for key in session.get_objects({Attribute.CLASS: ObjectClass.PRIVATE_KEY})
    }
    readable = [(item, found) for item in objects if (found := _x509_certificate(item)) is not None]
    issuers = [found for _, found in readable]
    certificates = []
    for item, found in readable:
        der = _attribute(item, Attribute.VALUE, b"")
        label = _attribute(item, Attribute.LABEL, "")
        try:
            key = public_key(der)
        except ValueError as error:
            _log.info("certificate %r of the card is left out: %s", label, error)
            continue
        key_id = _attribute(item, Attribute.ID, b"")
        certificates.append(
            CardCertificate(
                token_label=token.label,
                label=label,
                key_id=key_id,
                der=der,
                key_algorithm=KeyAlgorithm.RSA if isinstance(key, rsa.RSAPublicKey) else KeyAlgorithm.EC,
                key_bits=key.key_size,
                can_sign=bool(key_id) and (key_id in key_ids or may_hide_key(token.flags, der)),
                chain=_chain(found, issuers),
            )
        )
    return certificates


def holds_certificate(session: Session, certificate: CardCertificate) -> bool:
    """Tell whether the very certificate is on the token."""
    template = {Attribute.CLASS: ObjectClass.CERTIFICATE, Attribute.ID: certificate.key_id}
    return any(
        _attribute(item, Attribute.VALUE, b"") == certificate.der for item in list(session.get_objects(template))
    )


def signing_key(session: Session, key_id: bytes) -> SignMixin | None:
    """Return the private key with CKA_ID `key_id` that may sign and is visible in `session`."""
    template = {Attribute.CLASS: ObjectClass.PRIVATE_KEY, Attribute.ID: key_id}
    keys = list(session.get_objects(template))
    return next((key for key in keys if isinstance(key, SignMixin)), None)


def may_hide_key(flags: TokenFlag, certificate: bytes) -> bool:
    """Tell whether a login may bring a private key to light: the token has one, and this is no CA's."""
    return TokenFlag.LOGIN_REQUIRED in flags and not _is_authority(certificate)


def always_authenticates(key: SignMixin) -> bool:
    """Tell whether each signature needs a login of its own (CKA_ALWAYS_AUTHENTICATE); unknown means no."""
    return bool(_attribute(key, Attribute.ALWAYS_AUTHENTICATE, False))


def holder(certificate: bytes) -> str:
    """Return the common name of a DER certificate's subject, or the whole subject where it has none."""
    subject = x509.load_der_x509_certificate(certificate).subject
    names = subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    return str(names[0].value) if names else subject.rfc4514_string()


def _attribute(item: Object, attribute: Attribute, otherwise: Any) -> Any:
    try:
        return item[attribute]
    except (AttributeTypeInvalid, AttributeSensitive, FunctionFailed, ValueError, struct.error):
        return otherwise


def _x509_certificate(item: Object) -> x509.Certificate | None:
    try:
        return x509.load_der_x509_certificate(_attribute(item, Attribute.VALUE, b""))
    except ValueError as error:
        _log.info("a certificate object of the card is no X.509 certificate: %s", error)
        return None


def _is_authority(certificate: bytes) -> bool:
    try:
        extensions = x509.load_der_x509_certificate(certificate).extensions
        return extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, x509.ExtensionNotFound, x509.DuplicateExtension):
        return False


def _chain(certificate: x509.Certificate, candidates: Sequence[x509.Certificate]) -> tuple[bytes, ...]:
    chain = [certificate]
    while True:
        rest = (candidate for candidate in candidates if candidate not in chain)
        issuer = next((candidate for candidate in rest if _issued(candidate, chain[-1])), None)
        if issuer is None:
            return tuple(_der(link) for link in chain[1:])
        chain.append(issuer)


def _issued(issuer: x509.Certificate, certificate: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
        return False
    return True


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)
