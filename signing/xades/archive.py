"""Timestamps and validation data added to a signature in its document (EN 319 132-1, clauses 5.3 to 5.5)."""

from lxml import etree

from signing.ports import DocumentDamagedError
from signing.trust.stamps import authority_path, request_token
from signing.trust.validation_data import ValidationData, ValidationDataEngine
from signing.xades.imprint import archive_digest, signature_input
from signing.xades.names import xades141
from signing.xades.references import References, UnresolvedReferenceError
from signing.xades.structure import SIGNATURE_TIMESTAMP
from signing.xades.unsigned import add_timestamp, set_token, unsigned_properties
from signing.xml.ports import Canonicalization
from timestamping.algorithms import DigestAlgorithm
from timestamping.clock import Clock
from timestamping.ports import TimestampSource, Token

_METHOD = Canonicalization.EXCLUSIVE


async def add_signature_timestamp(
    references: References,
    signature: etree._Element,
    algorithm: DigestAlgorithm,
    *,
    timestamps: TimestampSource,
    clock: Clock,
) -> tuple[etree._Element, Token]:
    """Add a SignatureTimeStamp; return its container and token.

    Raises:
        TimestampError: no good token could be had.
    """
    imprint = algorithm.digest(signature_input(references, signature, _METHOD))
    token = await request_token(timestamps, imprint, algorithm, clock)
    container = add_timestamp(unsigned_properties(signature), SIGNATURE_TIMESTAMP)
    set_token(container, token.der)
    references.document.changed()
    return container, token


async def add_archive_timestamp(
    references: References,
    signature: etree._Element,
    algorithm: DigestAlgorithm,
    *,
    engine: ValidationDataEngine,
    timestamps: TimestampSource,
    clock: Clock,
) -> Token:
    """Add a xades141:ArchiveTimeStamp over all that the signature has so far; return its token.

    Raises:
        TimestampError: no good token could be had.
        CertificateError: its authority is not trusted.
        DocumentDamagedError: a reference cannot be resolved.
    """
    container = add_timestamp(unsigned_properties(signature), xades141("ArchiveTimeStamp"))
    references.document.changed()
    try:
        imprint = archive_digest(references, signature, container, _METHOD, algorithm)
    except UnresolvedReferenceError as error:
        raise DocumentDamagedError(f"the signature cannot be archived: {error}") from error
    token = await request_token(timestamps, imprint, algorithm, clock)
    authority_path(engine, token)
    set_token(container, token.der)
    references.document.changed()
    return token


async def authority_data(engine: ValidationDataEngine, token: Token, known: ValidationData) -> ValidationData:
    """Collect the validation data of a token's authority that is not known yet.

    Raises:
        CertificateError, RevocationError: the authority cannot be shown to be good.
    """
    data = ValidationData()
    await engine.for_authority(authority_path(engine, token), data)
    for mine, theirs in (
        (data.certificates, known.certificates),
        (data.ocsps, known.ocsps),
        (data.crls, known.crls),
    ):
        for item in theirs:
            mine.pop(item, None)
    return data
