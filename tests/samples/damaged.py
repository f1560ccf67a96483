"""Damaged PDFs, and what a signing engine should answer to each.

"signed": pyHanko's strict reader and pdfium read the file alike; "rewritten": they do so after qpdf wrote it anew,
and it carries no signature; "refused": neither. Damage that qpdf mends is refused all the same if the file carries
a signature, since rewriting would break it.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from tests.samples import damaged_files as files
from tests.samples import damaged_limits as limits
from tests.samples import damaged_streams as streams
from tests.samples import damaged_syntax as syntax
from tests.samples import damaged_tree as tree
from tests.samples import damaged_xref as xref
from tests.samples.damage import Damage, Expectation, Reason

__all__ = ["BOMBS", "DAMAGED", "QPDF_DIFFERS", "QPDF_LOSES", "Damage", "Expectation", "Reason"]

Make = Callable[[], bytes]


def _all(expect: Expectation, *makers: Make, reason: Reason | None = None) -> dict[str, Damage]:
    return {make.__name__: Damage(make, expect, reason) for make in makers}


_XREF: dict[str, Damage] = {
    **_all(
        "signed",
        xref.size_too_big,
        xref.offset_before_by_one,
        xref.entries_19_bytes,
        xref.entries_21_bytes,
        xref.subsection_overlap,
        xref.startxref_same_line,
        xref.startxref_glued,
        xref.startxref_padded,
        xref.startxref_after_eof,
        xref.update_without_xref,
        streams.xref_stream_size_too_small,
        streams.object_stream_count_too_big,
        streams.object_stream_extends_itself,
    ),
    **_all(
        "rewritten",
        xref.size_too_small,
        xref.size_huge,
        xref.offset_off_by_one,
        xref.offsets_shifted,
        xref.offset_zero,
        xref.offset_past_end,
        xref.offset_spaces,
        xref.generation_65536,
        xref.generation_65536_in_use,
        xref.generation_mismatch,
        xref.object_number_mismatch,
        xref.used_object_free,
        xref.used_page_free,
        xref.unknown_entry_kind,
        xref.subsection_count_too_big,
        xref.subsection_count_too_small,
        xref.hybrid_xref,
        xref.hybrid_xref_one_section,
        xref.startxref_missing,
        xref.startxref_past_end,
        xref.startxref_zero,
        xref.startxref_off_by_one,
        xref.startxref_into_content,
        xref.eof_missing,
        xref.trailer_missing,
        xref.xref_missing,
        xref.prev_to_itself,
        xref.prev_cycle,
        xref.prev_wrong,
        xref.prev_past_end,
        xref.prev_negative,
        xref.shrinking_size,
        streams.xref_stream_rows_missing,
        streams.xref_stream_rows_left_over,
        streams.xref_stream_unknown_kind,
        streams.object_stream_gaps,
        streams.object_stream_count_too_small,
    ),
    **_all(
        "refused",
        xref.subsection_starts_at_one,
        xref.trailer_root_missing,
        xref.trailer_root_is_pages,
        streams.object_stream_first_wrong,
        reason="damaged",
    ),
}
_SYNTAX: dict[str, Damage] = {
    **_all(
        "signed",
        syntax.endobj_glued,
        syntax.endstream_glued,
        syntax.stream_cr_only,
        syntax.flate_truncated,
        syntax.filter_unknown,
    ),
    **_all(
        "rewritten",
        syntax.endobj_missing,
        syntax.endstream_missing,
        syntax.stream_no_line_end,
        syntax.length_too_short,
        syntax.length_too_long,
        syntax.length_past_end,
        syntax.length_negative,
        syntax.length_missing,
        syntax.length_reference_missing,
        syntax.duplicate_key_catalog,
        syntax.duplicate_key_contents,
        syntax.duplicate_key_escaped,
        syntax.duplicate_key_trailer,
        syntax.dictionary_unbalanced,
        syntax.dictionary_key_without_value,
        syntax.string_unbalanced,
        syntax.reference_missing,
        syntax.contents_missing,
    ),
    **_all(
        "refused",
        syntax.name_bad_escape,
        reason="damaged",
    ),
    **_all(
        "refused",
        syntax.length_reference_to_itself,
        reason="too_complex",
    ),
}
_TREE: dict[str, Damage] = {
    **_all(
        "signed",
        tree.page_twice,
        tree.page_type_missing,
        tree.page_with_kids,
        tree.page_parent_wrong,
        tree.page_box_missing,
        tree.page_in_place,
        tree.outlines_loop,
    ),
    **_all(
        "rewritten",
        tree.page_null,
        tree.page_missing,
        tree.node_without_kids,
        tree.count_too_small,
        tree.count_too_big,
        tree.count_negative,
        tree.count_missing,
    ),
    **_all(
        "refused",
        tree.no_page_tree,
        tree.no_pages,
        tree.catalog_without_pages,
        tree.pages_loop,
        tree.pages_kid_is_itself,
        tree.form_loop,
        tree.form_not_a_dictionary,
        reason="damaged",
    ),
}
_LIMITS: dict[str, Damage] = {
    **_all(
        "signed",
        limits.type3_loop,
        limits.form_xobject_loop,
    ),
    **_all(
        "refused",
        limits.nested_arrays,
        limits.nested_arrays_in_page,
        limits.deflate_bomb,
        limits.deflate_bomb_layered,
        limits.object_stream_bomb,
        limits.image_bomb,
        limits.image_bilevel_huge,
        limits.image_size_stated,
        reason="too_complex",
    ),
}
_FILES: dict[str, Damage] = {
    **_all(
        "signed",
        files.pdf_zip_polyglot,
        files.header_line_without_end,
        files.junk_after_eof,
        files.older_end_appended,
        files.end_of_line_lost,
        files.truncated_update,
        files.rights_allow,
        files.signed_junk_after_eof,
    ),
    **_all(
        "rewritten",
        files.zip_polyglot,
        files.html_polyglot,
        files.header_absent,
        files.header_version_odd,
        files.junk_before_header,
        files.junk_before_header_counted,
        files.junk_before_header_long,
        files.junk_after_eof_long,
        files.line_ends_converted,
        files.truncated_95,
        files.truncated_99,
        files.truncated_last_stream,
        files.rights_allow_damaged,
        files.encrypt_dictionary_missing,
    ),
    **_all(
        "refused",
        files.header_only,
        files.high_bit_lost,
        files.truncated_50,
        files.truncated_xref_stream,
        reason="damaged",
    ),
    **_all(
        "refused",
        files.empty,
        reason="empty",
    ),
    **_all(
        "refused",
        files.user_password,
        files.user_password_rc4,
        files.user_password_damaged,
        files.encrypt_filter_unknown,
        reason="encrypted",
    ),
    **_all(
        "refused",
        files.one_byte,
        files.png,
        files.html,
        files.zip_archive,
        reason="not_a_pdf",
    ),
    **_all(
        "refused",
        files.rights_forbid,
        files.rights_forbid_rc4,
        files.rights_forbid_damaged,
        reason="permission_denied",
    ),
    **_all(
        "refused",
        files.signed_startxref_lost,
        files.signed_truncated,
        files.signed_eof_missing,
        files.signed_junk_before,
        files.signed_offset_wrong,
        files.signed_size_wrong,
        files.signed_content_truncated,
        files.signed_object_streams_truncated,
        files.certified_startxref_lost,
        files.timestamped_startxref_lost,
        reason="signed_and_damaged",
    ),
}

DAMAGED: Mapping[str, Damage] = MappingProxyType({**_XREF, **_SYNTAX, **_TREE, **_LIMITS, **_FILES})
"""Name to damage."""

QPDF_LOSES = frozenset(
    {"dictionary_unbalanced", "generation_65536_in_use", "generation_mismatch", "hybrid_xref_one_section"}
)
"""Files that are "rewritten" by the rules, but of which qpdf drops a page, or a page's content, that pdfium or
pyHanko reads in the original. Whoever compares before and after may refuse them as damaged."""

QPDF_DIFFERS = frozenset({"object_stream_count_too_big", "startxref_after_eof", "subsection_overlap"})
"""Files that are "signed" by the rules, since pyHanko and pdfium agree, but that qpdf reads otherwise or not at all:
three readers, two documents. Whoever asks qpdf too may refuse them as damaged."""

BOMBS = frozenset(_LIMITS) - {"type3_loop", "form_xobject_loop"}
"""Files that must not be given to a reader without limits."""
