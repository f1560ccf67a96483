"""Bringing the signatures of a document to LTA afterwards, and renewing it (ETSI EN 319 142-1, clauses 5.4 and 5.5).

What can be had later is never sealed as missing: where a service is down and the document does not bring along what it
would have said, there is no archive timestamp.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from signing.pades.archive import append_archive_timestamp
from signing.pades.coverage import CoverageError, read_coverage
from signing.pades.objects import entry
from signing.pades.source import READ_ERRORS, PdfSource, SignatureField, chunks
from signing.pades.verify import verify
from signing.ports import DocumentDamagedError, Level, SigningError
from signing.trust.path import TrustAnchors
from signing.trust.stamps import authority_path
from signing.trust.validation_data import ValidationData, ValidationDataEngine
from timestamping import cms
from timestamping.algorithms import DigestAlgorithm
from timestamping.clock import Clock
from timestamping.ports import TimestampError, TimestampSource
from timestamping.token import parse_token


@dataclass(frozen=True, slots=True)
class Extended:
    """What an archive timestamp made of a document."""

    size: int
    """Octets of the document."""
    archived_at: datetime
    incomplete: tuple[str, ...]
    """What got no further validation data, each with the reason: it is not valid, or the document has all of it."""


async def extend(
    document: BinaryIO,
    output: BinaryIO,
    digest: DigestAlgorithm,
    *,
    engine: ValidationDataEngine,
    timestamps: TimestampSource,
    clock: Clock,
) -> Extended:
    """Add the validation data of all signatures and timestamps, and an archive timestamp over all of it.

    A signature of an unknown authority, or a broken one, is no obstacle: the result says which are incomplete. A valid
    one is, when it has no complete validation data and that cannot be had.

    Args:
        document: the document, seekable.
        output: where the result is written; empty, readable and seekable. Nothing is written before all validation
            data is at hand; on an error after that its content is void.
        digest: imprint algorithm of the archive timestamp, whatever earlier ones used.
        engine: anchors, and the source of revocation data.
        timestamps: the authority.
        clock: what the authority's time is compared with.

    Raises:
        DocumentError: the document cannot be extended.
        TimestampError: no good timestamp could be had.
        RevocationError: the state of a certificate behind a valid signature or timestamp could not be established.
        CertificateError: such a certificate is revoked, or the authority cannot be shown to be good.
    """
    source = PdfSource(document)
    source.check_may_be_signed()
    fields = source.signature_fields()
    if not fields:
        raise DocumentDamagedError("the document carries no signature to extend")
    data = ValidationData()
    incomplete: list[str] = []
    refusals: dict[str, SigningError] = {}
    for field in fields:
        try:
            await _collect(source, field, engine, data, clock())
        except (SigningError, TimestampError, CoverageError, cms.CmsError) as error:
            incomplete.append(f"{field.name}: {error}")
            if isinstance(error, SigningError):
                refusals[field.name] = error
        except READ_ERRORS as error:
            incomplete.append(f"{field.name}: damaged: {error}")
    if refusals:
        _check_complete(document, refusals, engine.anchors, clock)
    running = digest.new()
    for chunk in chunks(document, document.seek(0, os.SEEK_END)):
        running.update(chunk)
        output.write(chunk)
    archived = await append_archive_timestamp(
        output, data, digest, running, engine=engine, timestamps=timestamps, clock=clock
    )
    return Extended(archived.size, archived.gen_time, tuple(incomplete))


def _check_complete(
    document: BinaryIO, refusals: Mapping[str, SigningError], anchors: TrustAnchors, clock: Clock
) -> None:
    """Raise why there is no validation data about a valid signature or timestamp whose own is not complete."""
    report = verify(document, anchors, clock=clock)
    short = [each.field_name for each in report.signatures if each.level in {Level.B, Level.T}]
    short += [each.field_name for each in report.archive_timestamps if each.valid and each.notes]
    for name in short:
        if name in refusals:
            raise refusals[name]


async def _collect(
    source: PdfSource, field: SignatureField, engine: ValidationDataEngine, data: ValidationData, now: datetime
) -> None:
    contents = read_coverage(source.stream, field.value).contents
    if entry(field.value, "/SubFilter") == "/ETSI.RFC3161":
        await engine.for_authority(authority_path(engine, parse_token(contents)), data)
        return
    signed = cms.parse_signed_data(contents)
    tokens = [parse_token(der) for der in signed.signer.unsigned_attributes.get(cms.OID_SIGNATURE_TIMESTAMP, ())]
    moment = min((token.gen_time for token in tokens), default=now)
    path = engine.path(signed.signer_certificate(), signed.certificates, moment)
    await engine.for_signer(path, moment, data)
    for token in tokens:
        await engine.for_authority(authority_path(engine, token), data)
