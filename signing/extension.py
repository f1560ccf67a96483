"""The check before an extended document leaves: nothing is worse, and what was valid is at LTA."""

from collections.abc import Sequence

from signing.pades.report import DocumentReport, SignatureReport
from signing.ports import Level, NotExtendedError, ReleaseError


def check_extended(before: DocumentReport, after: DocumentReport, incomplete: Sequence[str]) -> None:
    """Compare the verifications of a document before and after its extension.

    A signature that was not valid, or of no baseline level, is no obstacle beside another one that is.

    Args:
        before: as it was given.
        after: as it would leave.
        incomplete: what the extension could not complete, each with the reason.

    Raises:
        ReleaseError: something is worse than before, or there is no good new archive timestamp.
        NotExtendedError: a valid signature is not at LTA, or none is valid.
    """
    if [each.field_name for each in before.signatures] != [each.field_name for each in after.signatures]:
        raise ReleaseError("other signatures are found than there were")
    new = [problem.message for problem in after.problems if problem not in before.problems]
    for was, now in zip(before.signatures, after.signatures, strict=True):
        if was.valid and not now.valid:
            new.append(f"the signature {was.field_name} would no longer be valid")
    if new:
        raise ReleaseError("; ".join(new))
    if not any(each.valid and each.level is not None for each in after.signatures):
        raise NotExtendedError("; ".join([*incomplete, *(problem.message for problem in after.problems)]))
    short = [each for each in after.signatures if each.valid and each.level not in {None, Level.LTA}]
    if short:
        raise NotExtendedError("; ".join([*map(_reason, short), *incomplete]))
    if _good_stamps(after) <= _good_stamps(before):
        raise ReleaseError("no good new archive timestamp is found")


def _good_stamps(report: DocumentReport) -> int:
    return sum(stamp.valid for stamp in report.archive_timestamps)


def _reason(signature: SignatureReport) -> str:
    notes = ", ".join(note.message for note in signature.notes)
    return f"{signature.field_name} would be at level {signature.level}: {notes}"
