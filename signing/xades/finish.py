"""Second call of a XAdES signature: from the signature value to the asked level (design: step 6, finish).

Order matters: signature timestamp, then the signer's revocation data, then the archive timestamp over all of it.
"""

import base64
from collections.abc import Sequence
from datetime import datetime
from typing import BinaryIO

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from lxml import etree

from signing.pades import cms_builder
from signing.ports import DocumentChangedError, Finished, Level, SignatureValueError, SigningError
from signing.trust.stamps import authority_path
from signing.trust.validation_data import ValidationData, ValidationDataEngine
from signing.xades.archive import add_archive_timestamp, add_signature_timestamp, authority_data
from signing.xades.names import ds
from signing.xades.packaging import compose, contents
from signing.xades.ports import DataObject
from signing.xades.prepare import IDENTITY, signed_info
from signing.xades.references import References, hashes_of
from signing.xades.state import Prepared
from signing.xades.unsigned import add_timestamp_validation_data, add_validation_data, unsigned_properties
from timestamping import cms
from timestamping.clock import Clock
from timestamping.ports import TimestampSource


async def finish(
    objects: Sequence[DataObject],
    prepared: Prepared,
    signature: bytes,
    output: BinaryIO,
    *,
    engine: ValidationDataEngine,
    timestamps: TimestampSource,
    clock: Clock,
) -> Finished:
    """Put a signature value into its signature and bring it to the level of its profile.

    Args:
        objects: the documents that were prepared, in the same order.
        prepared: what `prepare` returned.
        signature: the value over `prepared.to_be_signed`; DER ECDSA-Sig-Value for elliptic keys.
        output: where the signed document or signature file is written, empty.
        engine: anchors, and the source of revocation data.
        timestamps: the authority.
        clock: what the authority's time is compared with.

    Raises:
        SignatureValueError: the value does not fit.
        DocumentChangedError: a document is not the prepared one.
        TimestampError: no good timestamp could be had.
        CertificateError, RevocationError: the signer is revoked, or that cannot be told.
    """
    profile = prepared.profile
    check_value(prepared, signature)
    references, element = _assembled(objects, prepared, signature)
    if profile.level is Level.B:
        engine.path(prepared.certificate, prepared.chain, clock())
        return _written(references, output, profile.level)
    container, token = await add_signature_timestamp(
        references, element, profile.digest, timestamps=timestamps, clock=clock
    )
    path = engine.path(prepared.certificate, prepared.chain, token.gen_time)
    authority_path(engine, token)
    if profile.level is Level.T:
        return _written(references, output, profile.level, token.gen_time)
    data = ValidationData()
    await engine.for_signer(path, token.gen_time, data)
    about_authority = await authority_data(engine, token, data)
    properties = unsigned_properties(element)
    add_validation_data(properties, data)
    add_timestamp_validation_data(properties, container, about_authority)
    references.document.changed()
    if profile.level is Level.LT:
        return _written(references, output, profile.level, token.gen_time)
    archived = await add_archive_timestamp(
        references, element, profile.archive_digest, engine=engine, timestamps=timestamps, clock=clock
    )
    return _written(references, output, profile.level, token.gen_time, archived.gen_time)


def check_value(prepared: Prepared, signature: bytes) -> None:
    """Check a signature value over the prepared octets.

    Raises:
        SignatureValueError: it is no signature of the prepared certificate's key over them.
    """
    try:
        cms.check_signature_value(
            prepared.certificate,
            cms_builder.parsed_algorithm(prepared.algorithm),
            prepared.profile.digest,
            signature,
            prepared.digest,
        )
    except cms.CmsError as error:
        raise SignatureValueError(
            f"the signature value does not fit: {error}", party=prepared.certificate.subject.rfc4514_string()
        ) from error


def _assembled(
    objects: Sequence[DataObject], prepared: Prepared, signature: bytes
) -> tuple[References, etree._Element]:
    if [each.name for each in objects] != [each.name for each in prepared.objects]:
        raise DocumentChangedError("the documents are not those that were prepared")
    octets = contents(prepared.packaging, objects)
    if prepared.packaging.is_detached:
        # the archive timestamp begins with the first file
        algorithms = {IDENTITY, prepared.profile.archive_digest}
        hashed = [hashes_of(each.stream, algorithms if each is objects[0] else {IDENTITY}) for each in objects]
        sums = [each[IDENTITY].digest() for each in hashed]
    else:
        hashed = []
        sums = [IDENTITY.digest(each) for each in octets]
    if sums != [each.sha256 for each in prepared.objects]:
        raise DocumentChangedError("the documents are not those that were prepared")
    named = [
        DataObject(was.name, each.stream, was.mime_type) for each, was in zip(objects, prepared.objects, strict=True)
    ]
    identifiers = [each.identifier for each in prepared.objects]
    with_value = prepared.element()
    with_value.find(ds("SignatureValue")).text = base64.b64encode(_plain_value(prepared, signature)).decode("ascii")
    document, element = compose(prepared.packaging, named, octets, identifiers, with_value)
    if signed_info(document, element) != prepared.to_be_signed:
        raise SigningError("what was signed does not come out again in its place")
    files = {each.name: each.stream for each in named}
    return References(document, files, dict(zip(files, hashed, strict=False))), element


def _plain_value(prepared: Prepared, signature: bytes) -> bytes:
    """Return r and s one after the other for elliptic keys (XMLDSig 1.1, clause 6.4.3), the value itself for RSA."""
    key = prepared.certificate.public_key()
    if not isinstance(key, ec.EllipticCurvePublicKey):
        return signature
    size = (key.key_size + 7) // 8
    r, s = decode_dss_signature(signature)
    return r.to_bytes(size) + s.to_bytes(size)


def _written(
    references: References,
    output: BinaryIO,
    level: Level,
    signed_at: datetime | None = None,
    archived_at: datetime | None = None,
) -> Finished:
    data = references.document.to_bytes()
    output.write(data)
    return Finished(level, len(data), signed_at, archived_at)
