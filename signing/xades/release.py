"""The check before signed XML leaves: our own offline verification, by the other libxml2 (design: step 6)."""

from collections.abc import Mapping
from typing import BinaryIO

from signing.extension import check_extended
from signing.pades.report import DocumentReport, SignatureReport
from signing.ports import Level, ReleaseError
from signing.trust.path import TrustAnchors
from signing.xades.extend import Extended
from signing.xades.state import Prepared
from signing.xades.verify import verify
from timestamping.clock import Clock


def release(
    prepared: Prepared,
    signed: BinaryIO,
    anchors: TrustAnchors,
    *,
    clock: Clock,
    files: Mapping[str, BinaryIO] | None = None,
    before: DocumentReport | None = None,
) -> DocumentReport:
    """Check a document, or a signature file, that was just made.

    Args:
        prepared: what was finished.
        signed: the result.
        anchors: who is trusted.
        clock: the time of judgement.
        files: detached documents by their names.
        before: the verification of the document as it was before, where it could carry signatures.

    Returns:
        The verification report. Earlier signatures are reported as they are; they are no obstacle, and no worse.

    Raises:
        ReleaseError: the new signature is not valid at the level, or an earlier one is worse than it was.
    """
    report = verify(signed, anchors, clock=clock, files=files)
    check_report(report, prepared, before)
    return report


def release_extended(
    document: BinaryIO,
    longer: BinaryIO,
    extended: Extended,
    anchors: TrustAnchors,
    *,
    clock: Clock,
    files: Mapping[str, BinaryIO] | None = None,
) -> DocumentReport:
    """Check a document that was just extended.

    Args:
        document: what was extended.
        longer: the result.
        extended: what extending it said.
        anchors: who is trusted.
        clock: the time of judgement.
        files: detached documents by their names.

    Returns:
        The verification report.

    Raises:
        ReleaseError: a signature is worse than before.
        NotExtendedError: a valid one is not at LTA.
    """
    report = verify(longer, anchors, clock=clock, files=files)
    check_extended(verify(document, anchors, clock=clock, files=files), report, extended.incomplete)
    return report


def check_report(report: DocumentReport, prepared: Prepared, before: DocumentReport | None) -> None:
    """Check the verification of what was just made (arguments and errors as `release`)."""
    if report.problems:
        raise ReleaseError("; ".join(problem.message for problem in report.problems))
    identifier = prepared.element().get("Id")
    new = [each for each in report.signatures if each.field_name == identifier]
    if len(new) != 1:
        raise ReleaseError(f"{len(new)} new signatures are found instead of one")
    _check_new(new[0], prepared.profile.level)
    _check_earlier(before.signatures if before else [], [s for s in report.signatures if s is not new[0]])


def _check_new(signature: SignatureReport, level: Level) -> None:
    findings = [*signature.problems, *(p for stamp in signature.timestamps for p in stamp.problems)]
    if findings:
        raise ReleaseError("; ".join(finding.message for finding in findings))
    if signature.level is not level:
        notes = "; ".join(note.message for note in signature.notes)
        raise ReleaseError(f"the signature is of level {signature.level} instead of {level}: {notes}")


def _check_earlier(before: list[SignatureReport], after: list[SignatureReport]) -> None:
    if [each.field_name for each in before] != [each.field_name for each in after]:
        raise ReleaseError("other earlier signatures are found than there were")
    for was, now in zip(before, after, strict=True):
        if was.valid and not now.valid:
            raise ReleaseError(f"the earlier signature {was.field_name} would no longer be valid")
