"""A document timestamp over a PDF, signed or not (ETSI EN 319 142-1, clause 5.4.3; ISO 32000-2, 12.8.5)."""

import os
from typing import BinaryIO

from signing.pades.archive import Archived, append_archive_timestamp
from signing.pades.source import PdfSource, chunks
from signing.trust.validation_data import ValidationData, ValidationDataEngine
from timestamping.algorithms import DigestAlgorithm
from timestamping.clock import Clock
from timestamping.ports import TimestampSource


async def stamp(
    document: BinaryIO,
    output: BinaryIO,
    digest: DigestAlgorithm,
    *,
    engine: ValidationDataEngine,
    timestamps: TimestampSource,
    clock: Clock,
) -> Archived:
    """Append the validation data of the authority and a document timestamp over all of it.

    Args:
        document: an admitted document, seekable.
        output: where the result is written; empty, readable and seekable. On an error its content is void.
        digest: imprint algorithm.
        engine: anchors, and the source of revocation data.
        timestamps: the authority.
        clock: what the authority's time is compared with.

    Raises:
        DocumentError: the document cannot be extended.
        TimestampError: no good timestamp could be had.
        RevocationError, CertificateError: the authority cannot be shown to be good.
    """
    running = digest.new()
    for chunk in chunks(document, document.seek(0, os.SEEK_END)):
        running.update(chunk)
        output.write(chunk)
    PdfSource(output).check_may_be_signed()
    return await append_archive_timestamp(
        output, ValidationData(), digest, running, engine=engine, timestamps=timestamps, clock=clock
    )
