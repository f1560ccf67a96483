"""What was changed after a signature, and whether its author allowed that (ISO 32000-2, 12.8.2.2 and 12.8.2.4)."""

from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import DiffResult, SuspiciousModification

from signing.pades.report import Finding
from signing.pades.source import READ_ERRORS


def changes_after(reader: PdfFileReader, field_name: str) -> Finding | None:
    """Analyse the revisions behind a signature.

    Args:
        reader: the document, opened strictly.
        field_name: full name of the signature's field.

    Returns:
        What is wrong, or None where all changes are further signatures, timestamps, validation data, or what the
        document's permissions allow.
    """
    try:
        embedded = next(s for s in reader.embedded_signatures if s.field_name == field_name)
        embedded.compute_integrity_info()
        result = embedded.diff_result
    except StopIteration:
        return Finding("CHANGED_AFTER_SIGNING", "the signature's field cannot be found again")
    except READ_ERRORS as error:
        return Finding("CHANGED_AFTER_SIGNING", f"the changes after the signature cannot be read: {error}")
    if isinstance(result, SuspiciousModification):
        return Finding("CHANGED_AFTER_SIGNING", f"the document was changed after the signature: {result}")
    allowed = embedded.docmdp_level
    if allowed is not None and isinstance(result, DiffResult) and result.modification_level.value > allowed.value:
        return Finding("CHANGED_AFTER_SIGNING", "the document was changed more than its author's certification allows")
    return None
