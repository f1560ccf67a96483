"""Second call of a PAdES signature: from the signature value to the asked level (design: step 6, finish).

Order matters: signature timestamp, then the signer's revocation data, then the validation data and the archive
timestamp in one further revision that covers all of it.
"""

import hashlib
import os
from datetime import datetime
from typing import BinaryIO

from signing.pades import cms_builder
from signing.pades.archive import append_archive_timestamp, append_validation_data
from signing.pades.prepare import embedded_chain
from signing.pades.source import chunks
from signing.pades.state import Prepared
from signing.ports import DocumentChangedError, Finished, Level, SignatureValueError, SigningError
from signing.trust.path import Path
from signing.trust.stamps import authority_path, request_token
from signing.trust.validation_data import ValidationData, ValidationDataEngine
from timestamping import cms
from timestamping.algorithms import DigestAlgorithm, RunningHash
from timestamping.clock import Clock
from timestamping.ports import TimestampSource, Token


async def finish(
    document: BinaryIO,
    prepared: Prepared,
    signature: bytes,
    output: BinaryIO,
    *,
    engine: ValidationDataEngine,
    timestamps: TimestampSource,
    clock: Clock,
) -> Finished:
    """Embed a signature value and bring the signature to the level of its profile.

    Args:
        document: the document that was prepared, seekable.
        prepared: what `prepare` returned.
        signature: the value over `prepared.to_be_signed`; DER ECDSA-Sig-Value for elliptic keys.
        output: where the signed document is written; empty, readable and seekable. On an error its content is void.
        engine: anchors, and the source of revocation data.
        timestamps: the authority.
        clock: what the authority's time is compared with.

    Raises:
        SignatureValueError: the value does not fit.
        DocumentChangedError: the document is not the prepared one.
        TimestampError: no good timestamp could be had.
        CertificateError, RevocationError: the signer is revoked, or that cannot be told.
    """
    profile = prepared.profile
    check_value(prepared, signature)
    running = _copy(document, prepared, output)
    if profile.level is Level.B:
        _path_at(prepared, engine, clock())
        _append(output, prepared, _cms(prepared, signature, None))
        return Finished(profile.level, prepared.revision.end, None, None)
    token = await request_token(timestamps, profile.digest.digest(signature), profile.digest, clock)
    path = _path_at(prepared, engine, token.gen_time)
    authority = authority_path(engine, token)
    _append(output, prepared, _cms(prepared, signature, token))
    if profile.level is Level.T:
        return Finished(profile.level, prepared.revision.end, token.gen_time, None)
    data = ValidationData()
    await engine.for_signer(path, token.gen_time, data)
    await engine.for_authority(authority, data)
    if profile.level is Level.LT:
        size = append_validation_data(output, data)
        return Finished(profile.level, size, token.gen_time, None)
    running.update(prepared.revision.data)
    archived = await append_archive_timestamp(
        output,
        data,
        profile.archive_digest,
        running,
        engine=engine,
        timestamps=timestamps,
        clock=clock,
        room=len(token.der) * 5 // 4,
    )
    return Finished(profile.level, archived.size, token.gen_time, archived.gen_time)


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


def _copy(document: BinaryIO, prepared: Prepared, output: BinaryIO) -> RunningHash:
    """Copy the document while checking that it is the prepared one; return its running archive digest."""
    pinned = hashlib.sha256()
    algorithm = prepared.profile.archive_digest
    running = pinned if algorithm is DigestAlgorithm.SHA256 else algorithm.new()
    size = document.seek(0, os.SEEK_END)
    for chunk in chunks(document, size):
        pinned.update(chunk)
        if running is not pinned:
            running.update(chunk)
        output.write(chunk)
    if size != prepared.revision.base or pinned.digest() != prepared.document_sha256:
        raise DocumentChangedError("the document is not the one that was prepared")
    return running


def _path_at(prepared: Prepared, engine: ValidationDataEngine, moment: datetime) -> Path:
    return engine.path(prepared.certificate, prepared.chain, moment)


def _cms(prepared: Prepared, signature: bytes, token: Token | None) -> bytes:
    return cms_builder.build(
        prepared.certificate,
        embedded_chain(prepared.chain),
        prepared.profile.digest,
        prepared.algorithm,
        prepared.to_be_signed,
        signature,
        token.der if token else None,
    )


def _append(output: BinaryIO, prepared: Prepared, contents: bytes) -> None:
    try:
        prepared.revision.fill(contents)
    except ValueError as error:
        raise SigningError(f"the signature is larger than the room prepared for it: {error}") from error
    output.write(prepared.revision.data)
