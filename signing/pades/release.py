"""The check before a signed document leaves: our own offline verification and a second reader (design: step 6)."""

import io
import os
from typing import BinaryIO

from signing.extension import check_extended
from signing.pades.extend import Extended
from signing.pades.report import DocumentReport, SignatureReport
from signing.pades.revision import RevisionBuilder
from signing.pades.second_reader import Joined, SecondReaderError, View, look
from signing.pades.source import PdfSource
from signing.pades.verify import verify
from signing.ports import Level, ReleaseError
from signing.trust.path import TrustAnchors
from timestamping.clock import Clock


def release(
    document: BinaryIO,
    signed: BinaryIO,
    level: Level,
    anchors: TrustAnchors,
    *,
    clock: Clock,
    before: View | None = None,
) -> DocumentReport:
    """Check a document that was just signed.

    Args:
        document: what was signed, as it was before.
        signed: the result.
        level: what was asked for.
        anchors: who is trusted.
        clock: the time of judgement.
        before: how the document looked at its admission; looked at anew where it is not given.

    Returns:
        The verification report. Earlier signatures are reported as they are; they are no obstacle.

    Raises:
        ReleaseError: the new signature is not valid at the level, or another reader sees something else.
    """
    size = document.seek(0, os.SEEK_END)
    report = verify(signed, anchors, clock=clock, analyse_changes=False)
    _check_report(report, size, level)
    _check_view(document, signed, size, report, before)
    return report


def release_stamped(document: BinaryIO, stamped: BinaryIO, anchors: TrustAnchors, *, clock: Clock) -> DocumentReport:
    """Check a document that just got a document timestamp (arguments as `release`).

    Raises:
        ReleaseError: there is not exactly one new timestamp, it is not good with its validation data, or another
            reader sees something else.
    """
    size = document.seek(0, os.SEEK_END)
    report = verify(stamped, anchors, clock=clock, analyse_changes=False)
    problems = [problem for problem in report.problems if problem.code != "NOT_SIGNED"]
    new = [t for t in report.archive_timestamps if t.byte_range is not None and t.byte_range[1] >= size]
    if len(new) != 1:
        raise ReleaseError(f"{len(new)} new timestamps are found instead of one")
    findings = [*problems, *new[0].problems, *new[0].notes]
    if findings:
        raise ReleaseError("; ".join(finding.message for finding in findings))
    _check_view(document, stamped, size, report, None)
    return report


def release_extended(
    document: BinaryIO, longer: BinaryIO, extended: Extended, anchors: TrustAnchors, *, clock: Clock
) -> DocumentReport:
    """Check a document whose signatures were just extended.

    Args:
        document: what was extended.
        longer: the result.
        extended: what extending it said.
        anchors: who is trusted.
        clock: the time of judgement.

    Returns:
        The verification report.

    Raises:
        ReleaseError: a signature is worse than before, or another reader sees something else.
        NotExtendedError: a valid signature is not at LTA.
    """
    size = document.seek(0, os.SEEK_END)
    report = verify(longer, anchors, clock=clock)
    check_extended(verify(document, anchors, clock=clock), report, extended.incomplete)
    _check_view(document, longer, size, report, None)
    return report


def _check_view(document: BinaryIO, signed: BinaryIO, size: int, report: DocumentReport, before: View | None) -> None:
    """Have another reader look at both: same pages, same pictures, the known signatures and the new one."""
    try:
        before = before or look(document, draw=True)
        after = look(signed, draw=True)
    except SecondReaderError as error:
        raise ReleaseError(str(error)) from error
    _check_signatures(report, size, before, after)
    if before.pages != after.pages:
        raise ReleaseError(f"a second reader sees {after.pages} pages where there were {before.pages}")
    if before.pictures != after.pictures and _with_form(document).pictures != after.pictures:
        changed = [p.page for p, q in zip(before.pictures, after.pictures, strict=True) if p != q]
        raise ReleaseError(f"a second reader sees other pictures on pages {changed}")


def _check_report(report: DocumentReport, size: int, level: Level) -> None:
    if report.problems:
        raise ReleaseError("; ".join(problem.message for problem in report.problems))
    new = [s for s in report.signatures if s.byte_range is not None and s.byte_range[1] >= size]
    if len(new) != 1:
        raise ReleaseError(f"{len(new)} new signatures are found instead of one")
    signature: SignatureReport = new[0]
    stamps = [t for t in report.archive_timestamps if t.byte_range is not None and t.byte_range[1] >= size]
    findings = [*signature.problems, *(p for t in (*signature.timestamps, *stamps) for p in t.problems)]
    if findings:
        raise ReleaseError("; ".join(finding.message for finding in findings))
    if signature.level is not level:
        notes = "; ".join(note.message for note in signature.notes)
        raise ReleaseError(f"the signature is of level {signature.level} instead of {level}: {notes}")


def _check_signatures(report: DocumentReport, size: int, before: View, after: View) -> None:
    """The second reader must see the earlier signatures as before, and besides them exactly the new ones."""
    ranges = [part.byte_range for part in report.signatures] + [part.byte_range for part in report.archive_timestamps]
    new = [r for r in ranges if r is not None and r[1] >= size]
    if sorted(s.byte_range for s in after.signatures) != sorted([*(s.byte_range for s in before.signatures), *new]):
        raise ReleaseError("a second reader sees other signatures")


def _with_form(document: BinaryIO) -> View:
    """Look at the document with an empty form, which makes pdfium draw fields that have no appearance."""
    source = PdfSource(document)
    builder = RevisionBuilder(source)
    builder.add_form()
    return look(io.BufferedReader(Joined(document, source.size, builder.build().data)), draw=True)
