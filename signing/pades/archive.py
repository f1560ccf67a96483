"""Validation data and archive timestamps: the last revision of LT and LTA (ETSI EN 319 142-1, clauses 5.4 and 5.5)."""

import os
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO

from signing.limits import LIMITS
from signing.pades.revision import Revision, RevisionBuilder
from signing.pades.source import READ_ERRORS, PdfSource
from signing.ports import DocumentDamagedError
from signing.trust.stamps import authority_path, request_token
from signing.trust.validation_data import ValidationData, ValidationDataEngine
from timestamping.algorithms import DigestAlgorithm, RunningHash
from timestamping.clock import Clock
from timestamping.cms import encoded
from timestamping.ports import TimestampInvalidError, TimestampSource


@dataclass(frozen=True, slots=True)
class Archived:
    """What an archive timestamp made of the document."""

    size: int
    """Octets of the document."""
    gen_time: datetime


def append_validation_data(output: BinaryIO, data: ValidationData) -> int:
    """Append a revision with the document security store; return the new size.

    Raises:
        DocumentDamagedError: the document cannot be extended.
    """
    revision = _revision(output, data, None)
    output.seek(0, os.SEEK_END)
    output.write(revision.data)
    return revision.end


async def append_archive_timestamp(
    output: BinaryIO,
    data: ValidationData,
    algorithm: DigestAlgorithm,
    running: RunningHash,
    *,
    engine: ValidationDataEngine,
    timestamps: TimestampSource,
    clock: Clock,
    room: int = LIMITS.timestamp_bytes,
) -> Archived:
    """Append one revision with the validation data and a document timestamp over all of the document.

    Args:
        output: the document so far, readable, writable and seekable.
        data: validation data of what is to be archived; added to when the archive timestamp comes from an authority
            that it does not cover yet, and then the token is requested anew.
        algorithm: imprint algorithm.
        running: hash of the document so far under that algorithm.
        engine: where missing validation data comes from.
        timestamps: the authority.
        clock: what the authority's time is compared with.
        room: octets to reserve for the token; one that does not fit is requested anew with more room.

    Raises:
        TimestampError: no good token could be had.
        RevocationError, CertificateError: the authority cannot be shown to be good.
        DocumentDamagedError: the document cannot be extended.
    """
    for _ in range(LIMITS.archive_attempts):
        revision = _revision(output, data, room)
        imprint = running.copy()
        for part in revision.covered():
            imprint.update(part)
        token = await request_token(timestamps, imprint.digest(), algorithm, clock)
        path = authority_path(engine, token)
        if encoded(token.tsu_certificate) not in data.certificates:
            await engine.for_authority(path, data)
            continue
        if len(token.der) > revision.room():
            room = len(token.der) * 5 // 4
            continue
        revision.fill(token.der)
        output.seek(0, os.SEEK_END)
        output.write(revision.data)
        return Archived(revision.end, token.gen_time)
    raise TimestampInvalidError(f"{timestamps.name} signs with another certificate each time", party=timestamps.name)


def _revision(output: BinaryIO, data: ValidationData, timestamp_room: int | None) -> Revision:
    try:
        builder = RevisionBuilder(PdfSource(output))
        builder.add_validation_data(data)
        if timestamp_room is not None:
            builder.add_signature(timestamp_room, moment=None)
        return builder.build()
    except READ_ERRORS as error:
        raise DocumentDamagedError(f"the document cannot be extended: {error}") from error
