"""Where the gateway's admission decides otherwise than the reference procedure of these samples, and why.

The procedure (`tests/unit/samples/procedure.py`) reads every object with our strict reader. The gateway lets qpdf do
that, compares how pages look before and after a rewrite, and refuses what readers disagree about.
"""

from collections.abc import Mapping
from types import MappingProxyType

from tests.samples.damage import Damage, Expectation

_QPDF_WARNS = "qpdf has to guess, so it is rewritten although our reader accepts it"
_READERS_DISAGREE = "after a rewrite a page looks otherwise than pdfium shows it before"
_NOT_NEEDED = "no reader needs what is wrong: all agree as it is"

OTHERWISE: Mapping[str, tuple[Expectation, str]] = MappingProxyType(
    {
        **dict.fromkeys(
            (
                "size_too_big",
                "entries_21_bytes",
                "startxref_glued",
                "object_stream_count_too_big",
                "stream_cr_only",
                "page_twice",
                "page_type_missing",
                "page_with_kids",
                "page_box_missing",
                "page_in_place",
            ),
            ("rewritten", _QPDF_WARNS),
        ),
        **dict.fromkeys(
            (
                "offset_off_by_one",
                "offset_past_end",
                "generation_65536_in_use",
                "generation_mismatch",
                "object_number_mismatch",
                "used_page_free",
                "stream_no_line_end",
                "dictionary_unbalanced",
                "string_unbalanced",
                "hybrid_xref_one_section",
            ),
            ("refused", _READERS_DISAGREE),
        ),
        **dict.fromkeys(
            (
                "used_object_free",
                "xref_stream_unknown_kind",
                "object_stream_gaps",
                "object_stream_count_too_small",
                "reference_missing",
                "contents_missing",
                "count_negative",
                "count_missing",
                "form_loop",
                "form_not_a_dictionary",
            ),
            ("signed", _NOT_NEEDED),
        ),
        **dict.fromkeys(
            ("subsection_starts_at_one", "length_reference_to_itself", "nested_arrays", "object_stream_bomb"),
            ("rewritten", "qpdf reads it within bounds, and the result looks the same"),
        ),
        "truncated_update": ("refused", "what stands behind the last end-of-file marker is a lost revision"),
        "header_absent": ("refused", "pdfium sees no PDF in it"),
        "encrypt_dictionary_missing": ("refused", "nobody can tell whether its content is encrypted"),
        "signed_offset_wrong": ("signed", "a signed file is never rewritten, and readers agree about this one"),
    }
)


def expectation(name: str, damage: Damage) -> Expectation:
    """Return what the gateway does with a damaged sample."""
    return OTHERWISE[name][0] if name in OTHERWISE else damage.expect
