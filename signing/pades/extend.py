"""Bringing the signatures of a document to LTA afterwards, and renewing it (ETSI EN 319 142-1, clauses 5.4 and 5.5)."""

import os
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from signing.pades.archive import append_archive_timestamp
from signing.pades.coverage import CoverageError, read_coverage
from signing.pades.objects import entry
from signing.pades.source import READ_ERRORS, PdfSource, SignatureField, chunks
from signing.ports import DocumentDamagedError, SigningError
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
    """Signatures and timestamps whose validation data could not be completed, each with the reason."""


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

    A signature of an unknown authority, or a broken one, is no obstacle: the result says which are incomplete.

    Args:
        document: the document, seekable.
        output: where the result is written; empty, readable and seekable. On an error its content is void.
        digest: imprint algorithm of the archive timestamp, whatever earlier ones used.
        engine: anchors, and the source of revocation data.
        timestamps: the authority.
        clock: what the authority's time is compared with.

    Raises:
        DocumentError: the document cannot be extended.
        TimestampError: no good timestamp could be had.
    """
    running = digest.new()
    size = document.seek(0, os.SEEK_END)
    for chunk in chunks(document, size):
        running.update(chunk)
        output.write(chunk)
    source = PdfSource(output)
    source.check_may_be_signed()
    fields = source.signature_fields()
    if not fields:
        raise DocumentDamagedError("the document carries no signature to extend")
    data = ValidationData()
    incomplete = []
    for field in fields:
        try:
            await _collect(source, field, engine, data, clock())
        except (SigningError, TimestampError, CoverageError, cms.CmsError) as error:
            incomplete.append(f"{field.name}: {error}")
        except READ_ERRORS as error:
            incomplete.append(f"{field.name}: damaged: {error}")
    archived = await append_archive_timestamp(
        output, data, digest, running, engine=engine, timestamps=timestamps, clock=clock
    )
    return Extended(archived.size, archived.gen_time, tuple(incomplete))


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
