"""PDFs that carry signatures, made with plain pyHanko and keys that live as long as the process.

The certificates are self-signed and known to nobody: what a validator says of their trust is not the point here.
"""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from types import MappingProxyType

from asn1crypto import keys as asn1_keys
from asn1crypto import x509 as asn1_x509
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign.fields import (
    FieldMDPAction,
    FieldMDPSpec,
    MDPPerm,
    SigFieldSpec,
    SigSeedSubFilter,
    append_signature_field,
)
from pyhanko.sign.signers import PdfSignatureMetadata, PdfSigner, PdfTimeStamper, SimpleSigner
from pyhanko.sign.timestamps import DummyTimeStamper
from pyhanko_certvalidator.registry import SimpleCertificateStore

from tests.samples.sound_forms import form, form_hierarchy
from tests.samples.sound_structure import object_streams, one_page
from tests.samples.writer import classic, replaced, text_pages

NOT_BEFORE, NOT_AFTER = datetime(2020, 1, 1, tzinfo=UTC), datetime(2049, 12, 31, tzinfo=UTC)
"""Validity of the certificates."""


@dataclass(frozen=True)
class Credential:
    """A key and its self-signed certificate, as pyHanko wants them."""

    key: asn1_keys.PrivateKeyInfo
    certificate: asn1_x509.Certificate


@cache
def signer_credential() -> Credential:
    """A P-256 key for signing (nonRepudiation)."""
    return _credential("Sample Signer", ec.generate_private_key(ec.SECP256R1()), None)


@cache
def timestamp_credential() -> Credential:
    """An RSA key of a time-stamping unit (RFC 3161, 2.3); pyHanko's dummy authority knows no other kind."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return _credential("Sample TSU", key, x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING]))


def sign(
    data: bytes,
    *,
    field_name: str = "Signature1",
    certify: MDPPerm | None = None,
    field: SigFieldSpec | None = None,
) -> bytes:
    """`data` with a PAdES-B signature in one incremental update.

    `certify` makes it a certification signature with that permission; `field` creates the signature field first.
    """
    writer = IncrementalPdfFileWriter(io.BytesIO(data))
    if field:
        append_signature_field(writer, field)
    credential = signer_credential()
    store = SimpleCertificateStore.from_certs([credential.certificate])  # type: ignore[no-untyped-call]
    locked = field.doc_mdp_update_value if field else None
    metadata = PdfSignatureMetadata(
        field_name=field.sig_field_name if field else field_name,
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        certify=certify is not None,
        docmdp_permissions=certify or locked or MDPPerm.FILL_FORMS,
    )
    signer = SimpleSigner(credential.certificate, credential.key, store)
    output = io.BytesIO()
    PdfSigner(metadata, signer).sign_pdf(writer, output=output)
    return output.getvalue()


def document_timestamp(data: bytes) -> bytes:
    """`data` with a document timestamp (ISO 32000-2, 12.8.5) in one incremental update."""
    credential = timestamp_credential()
    stamper = DummyTimeStamper(credential.certificate, credential.key)
    output = io.BytesIO()
    PdfTimeStamper(stamper, field_name="Timestamp1").timestamp_pdf(
        IncrementalPdfFileWriter(io.BytesIO(data)), "sha256", output=output
    )
    return output.getvalue()


def signed_once() -> bytes:
    """One approval signature on one page."""
    return sign(one_page())


def signed_twice() -> bytes:
    """Two approval signatures, each in its own revision."""
    return sign(signed_once(), field_name="Signature2")


def signed_visible() -> bytes:
    """A signature with a rectangle on the page."""
    return sign(one_page(), field=SigFieldSpec("Visible", box=(72, 100, 272, 160)))


def signed_form() -> bytes:
    """A signature on a form with fields still to fill in."""
    return sign(form())


def signed_object_streams() -> bytes:
    """A signature on a file with object streams: the update has an xref stream."""
    return sign(object_streams())


def certified(permission: int) -> bytes:
    """A certification signature with DocMDP /P `permission` (1, 2 or 3) on a form."""
    return sign(form(), certify=MDPPerm(permission))


def locked_all() -> bytes:
    """A signature whose field locks all fields: /Lock << /Action /All >> and FieldMDP (12.8.2.4)."""
    return sign(form_hierarchy(), field=SigFieldSpec("Final", field_mdp_spec=FieldMDPSpec(FieldMDPAction.ALL)))


def locked_document() -> bytes:
    """A signature whose field lock has /P 1: no change at all afterwards (ISO 32000-2, table 236)."""
    lock = SigFieldSpec(
        "Final",
        field_mdp_spec=FieldMDPSpec(FieldMDPAction.ALL),
        doc_mdp_update_value=MDPPerm.NO_CHANGES,
    )
    return sign(classic(text_pages(), version="2.0"), field=lock)


def locked_fields() -> bytes:
    """A signature that locks one field of the form by name (/Action /Include)."""
    spec = FieldMDPSpec(FieldMDPAction.INCLUDE, fields=["name"])
    return sign(form(), field=SigFieldSpec("Partial", field_mdp_spec=spec))


def with_document_timestamp() -> bytes:
    """A signature and behind it a document timestamp."""
    return document_timestamp(signed_once())


def only_document_timestamp() -> bytes:
    """A document timestamp and no signature."""
    return document_timestamp(one_page())


def broken_signature() -> bytes:
    """One byte of the page's text was changed after signing; the file is well-formed."""
    return replaced(signed_once(), b"(Page 1) Tj", b"(Page 7) Tj")


def _credential(
    name: str, key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, purpose: x509.ExtendedKeyUsage | None
) -> Credential:
    subject = x509.Name([x509.NameAttribute(NameOID.COUNTRY_NAME, "BE"), x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = x509.KeyUsage(
        digital_signature=purpose is not None,
        content_commitment=purpose is None,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOT_BEFORE)
        .not_valid_after(NOT_AFTER)
        .add_extension(usage, critical=True)
    )
    if purpose:
        builder = builder.add_extension(purpose, critical=True)
    certificate = builder.sign(key, hashes.SHA256())
    pkcs8 = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return Credential(
        asn1_keys.PrivateKeyInfo.load(pkcs8),
        asn1_x509.Certificate.load(certificate.public_bytes(Encoding.DER)),
    )


SIGNED: Mapping[str, Callable[[], bytes]] = MappingProxyType(
    {
        "signed_once": signed_once,
        "signed_twice": signed_twice,
        "signed_visible": signed_visible,
        "signed_form": signed_form,
        "signed_object_streams": signed_object_streams,
        "certified_1": partial(certified, 1),
        "certified_2": partial(certified, 2),
        "certified_3": partial(certified, 3),
        "locked_all": locked_all,
        "locked_document": locked_document,
        "locked_fields": locked_fields,
        "with_document_timestamp": with_document_timestamp,
        "only_document_timestamp": only_document_timestamp,
        "broken_signature": broken_signature,
    }
)
"""Name to generator; keys differ from process to process, so the bytes do too."""
