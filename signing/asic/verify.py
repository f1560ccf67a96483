"""Verifying the XAdES signatures of a container offline, and that they cover all of it (EN 319 162-1, clause 4)."""

import hashlib
import os
from typing import BinaryIO

from signing.asic.manifest import mismatches
from signing.asic.ports import MANIFEST, Container
from signing.asic.reading import Opened, opened
from signing.asic.signature_files import read_signatures
from signing.pades.report import DocumentReport, Finding
from signing.ports import DocumentError
from signing.trust.path import TrustAnchors
from signing.xades.references import CHUNK, References
from signing.xades.verify import verify_document
from timestamping.algorithms import DigestAlgorithm, RunningHash
from timestamping.clock import Clock


def verify(stream: BinaryIO, anchors: TrustAnchors, *, clock: Clock) -> DocumentReport:
    """Verify a container.

    Every signature must cover every file of it; a signature over some of them is not valid for the container.

    Args:
        stream: the container, seekable.
        anchors: who is trusted.
        clock: the time of judgement.

    Returns:
        The report; `field_name` is the signature's or timestamp container's Id. What is wrong stands in it; nothing is
        raised for a container's sake.
    """
    return verify_opened(stream, anchors, clock=clock)[0]


def verify_opened(stream: BinaryIO, anchors: TrustAnchors, *, clock: Clock) -> tuple[DocumentReport, Opened | None]:
    """Verify a container; return the report and the container, None where it cannot be opened (as `verify`)."""
    now = clock()
    report = DocumentReport(size=stream.seek(0, os.SEEK_END), verified_at=now)
    held: Opened | None = None
    try:
        held = opened(stream)
        report.sha256 = _sha256(stream)
        _check_beside(held, report)
        files = held.resolvable()
        required = [each.name for each in held.files]
        if not held.signatures:
            report.problems.append(Finding("NOT_SIGNED", "the container carries no signature that is read"))
    except DocumentError as error:
        report.problems.append(Finding(error.code, str(error)))
        return report, held
    hashes: dict[str, dict[DigestAlgorithm, RunningHash]] = {}
    for each in held.signatures.values():
        try:
            references = References(read_signatures(each), files, hashes)
            verify_document(references, anchors, now, report, required=required)
        except DocumentError as error:
            report.problems.append(Finding(error.code, f"{each.name}: {error}"))
    return report, held


def _check_beside(held: Opened, report: DocumentReport) -> None:
    """Check the manifest, and that nothing in META-INF is left unread."""
    if held.manifest is None:
        if held.container is Container.ASIC_E:
            report.problems.append(Finding("MANIFEST_MISMATCH", f"there is no {MANIFEST}"))
    else:
        for what in mismatches(held.container, [each.name for each in held.files], held.manifest):
            report.problems.append(Finding("MANIFEST_MISMATCH", what))
    for other in held.others:
        if other.name != MANIFEST:
            report.problems.append(Finding("UNSUPPORTED_FORMAT", f"{other.name} is not read"))


def _sha256(stream: BinaryIO) -> str:
    running = hashlib.sha256()
    stream.seek(0)
    while chunk := stream.read(CHUNK):
        running.update(chunk)
    return running.hexdigest()
