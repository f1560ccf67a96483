"""What is done to a valid signature of level LTA, and what a verifier must say to it.

A new case is a function from `Material` to octets, in one of the two modules beside this one, and a line here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from tests.attack import tampering_cms as inside
from tests.attack import tampering_file as around
from tests.attack.editing import ARCHIVE, SIGNATURE, with_contents
from tests.attack.material import Material


@dataclass(frozen=True)
class Vector:
    """A way to tamper, and the codes that our report must hold."""

    tamper: Callable[[Material], bytes]
    codes: frozenset[str]


def _vectors() -> dict[str, Vector]:
    changed, after = frozenset({"CONTENT_CHANGED"}), frozenset({"CHANGED_AFTER_SIGNING"})
    stamp, ranges = frozenset({"TIMESTAMP_INVALID"}), frozenset({"BYTE_RANGE"})
    damaged, invalid = frozenset({"SIGNATURE_DAMAGED"}), frozenset({"SIGNATURE_INVALID"})
    trailing, broken = frozenset({"TRAILING_BYTES"}), frozenset({"DOCUMENT_DAMAGED"})
    reused = frozenset({"SIGNATURE_REUSED"})
    vectors = {
        "content": Vector(around.content, changed),
        "content_at_t": Vector(around.content_t, changed),
        # inside the CMS of a signature without an archive timestamp
        "cms_value": Vector(inside.on_t(inside.part(SIGNATURE, "value")), invalid),
        "cms_message_digest": Vector(inside.on_t(inside.part(SIGNATURE, "message_digest")), changed),
        "cms_signing_certificate": Vector(inside.on_t(inside.part(SIGNATURE, "signing_certificate")), invalid),
        "cms_certificate": Vector(inside.on_t(inside.part(SIGNATURE, "certificate")), invalid),
        "cms_issuer": Vector(inside.on_t(inside.part(SIGNATURE, "issuer")), frozenset({"SIGNER_UNTRUSTED"})),
        "cms_two_signers": Vector(inside.two_signers, damaged),
        "cms_of_another": Vector(inside.signature_of_another, changed),
        "cms_is_a_token": Vector(inside.archive_as_signature, changed),
        "cms_zeroed": Vector(around.contents_zeroed, damaged),
        # and of one with it: the archive timestamp covers the CMS
        "cms_value_sealed": Vector(inside.on_lta(inside.part(SIGNATURE, "value")), invalid | changed),
        "stamp_sealed": Vector(inside.on_lta(inside.stamp_part("value")), stamp | changed),
        "stamp_removed": Vector(inside.stamp_removed, changed),
        "stamp_imprint": Vector(inside.on_t(inside.stamp_part("imprint")), stamp),
        "stamp_value": Vector(inside.on_t(inside.stamp_part("value")), stamp),
        "stamp_certificate": Vector(inside.on_t(inside.stamp_part("certificate")), stamp),
        "stamp_message_digest": Vector(inside.on_t(inside.stamp_part("message_digest")), stamp),
        "stamp_time": Vector(inside.on_t(inside.stamp_part("time")), stamp),
        "stamp_of_another": Vector(inside.stamp_of_another, stamp),
        "archive_imprint": Vector(inside.on_lta(inside.part(ARCHIVE, "imprint")), stamp),
        "archive_value": Vector(inside.on_lta(inside.part(ARCHIVE, "value")), stamp),
        "archive_certificate": Vector(inside.on_lta(inside.part(ARCHIVE, "certificate")), stamp),
        "archive_message_digest": Vector(inside.on_lta(inside.part(ARCHIVE, "message_digest")), stamp),
        "archive_time": Vector(inside.on_lta(inside.part(ARCHIVE, "time")), stamp),
        "archive_of_another": Vector(inside.archive_of_another, changed),
        "archive_is_the_stamp": Vector(inside.stamp_as_archive, changed),
        "archive_zeroed": Vector(lambda m: with_contents(m.lta, ARCHIVE, b""), stamp),
        # behind the end, and cuts
        "appended_comment": Vector(around.appended(b"% nothing\n"), trailing),
        "appended_zeros": Vector(around.appended(bytes(500)), trailing),
        "appended_many_zeros": Vector(around.appended(bytes(2_000)), broken),
        "appended_object": Vector(around.object_appended, trailing),
        "appended_object_and_end": Vector(around.object_and_end_appended, trailing),
        "cut_95": Vector(around.cut(95), broken),
        "cut_99": Vector(around.cut(99), broken),
        "cut_end_marker": Vector(around.end_cut, broken),
        "saved_anew": Vector(around.whole_saved_anew, ranges),
        "saved_with_a_page": Vector(around.page_added_and_saved, ranges),
        # revisions behind the archive timestamp
        "page_added": Vector(around.behind(around.page_added), after),
        "page_removed": Vector(around.behind(around.page_removed), after),
        "page_redrawn": Vector(around.behind(around.page_redrawn), after),
        "note_added": Vector(around.behind(around.note_added), after),
        "content_overwritten": Vector(around.behind(around.content_overwritten), after),
        "font_swapped": Vector(around.behind(around.font_swapped), after),
        "script_added": Vector(around.behind(around.script_added), after),
        "overlay_hidden": Vector(around.overlay_hidden, after),
        "signature_in_two_fields": Vector(
            around.behind(around.signature_in_two_fields), frozenset({"SIGNATURE_REUSED"})
        ),
        "signature_copied": Vector(around.behind(around.signature_copied), reused),
        "signature_defined_anew": Vector(around.behind(around.signature_defined_anew), after),
        # revisions between the signature and a genuine archive timestamp
        "page_added_then_sealed": Vector(around.sealed_after(around.page_added), after),
        "page_redrawn_then_sealed": Vector(around.sealed_after(around.page_redrawn), after),
        "note_added_then_sealed": Vector(around.sealed_after(around.note_added), after),
        # byte ranges
        "range_does_not_start_at_zero": Vector(around.range_moved(1, -1, 0, 0), ranges),
        "range_gap_starts_earlier": Vector(around.range_moved(0, -1, 0, 0), ranges),
        "range_gap_starts_later": Vector(around.range_moved(0, 1, 0, 0), ranges),
        "range_gap_ends_earlier": Vector(around.range_moved(0, 0, -1, 1), ranges),
        "range_gap_ends_later": Vector(around.range_moved(0, 0, 1, -1), ranges),
        "range_shortened": Vector(around.range_moved(0, 0, 0, -10), changed),
        "range_too_long": Vector(around.range_moved(0, 0, 0, 1), ranges),
        "range_overlapping": Vector(around.range_moved(0, 20_000, -20_000, 0), ranges),
        "range_of_archive_shifted": Vector(around.range_moved(0, -1, 0, 0, which=ARCHIVE), ranges),
        "range_of_archive_shortened": Vector(around.range_moved(0, 0, 0, -10, which=ARCHIVE), changed),
        "range_null": Vector(around.range_text(b"/ByteRange null"), ranges),
        "range_missing": Vector(around.range_text(b""), ranges),
        "range_empty": Vector(around.range_text(b"/ByteRange []"), ranges),
        "range_zero": Vector(around.range_text(b"/ByteRange [0 0 0 0]"), ranges),
        "range_negative": Vector(around.range_text(b"/ByteRange [0 -1 -1 10]"), ranges),
        "range_huge": Vector(around.range_text(b"/ByteRange [0 9 99999999999999999999 9]"), ranges),
        "range_of_six": Vector(around.range_text(b"/ByteRange [0 9 20 9 40 9]"), ranges),
        "gap_over_more": Vector(around.gap_over_more, ranges),
        "gap_filled": Vector(around.gap_filled, ranges),
        "contents_renamed": Vector(around.renamed(b"/Contents <", b"/Contentz <"), ranges),
        "sub_filter_unknown": Vector(
            around.renamed(b"/SubFilter /ETSI.CAdES.detached", b"/SubFilter /ETSI.CAdES.detachee"),
            frozenset({"UNSUPPORTED_FORMAT"}),
        ),
    }
    for key, count in STORE_COUNTS.items():
        for index in range(count):
            vectors[f"store{key.replace('/', '_').lower()}_{index}"] = Vector(around.store(key, index), changed)
    return vectors


STORE_COUNTS = {"/Certs": 6, "/OCSPs": 1, "/CRLs": 2}
"""Streams in the document security store of `Material.lta`."""

VECTORS = _vectors()
"""Name to vector."""

DROPPED: dict[str, Callable[[Material], bytes]] = {
    "store": around.behind(around.store_dropped),
    "archive_timestamp": around.behind(around.field_removed),
    "last_revision": lambda m: m.t,
}
"""What takes away evidence and changes nothing that was signed: what is left is a signature of a lower level."""

DSS_BLIND = frozenset(
    {
        "cms_issuer",
        "stamp_certificate",
        "archive_certificate",
        "appended_comment",
        "appended_zeros",
        "appended_many_zeros",
        "appended_object",
        "appended_object_and_end",
        "page_redrawn",
        "note_added",
        "content_overwritten",
        "font_swapped",
        "script_added",
        "overlay_hidden",
        "page_redrawn_then_sealed",
        "note_added_then_sealed",
    }
)
"""Vectors in which EU DSS 6.4, under its default policy, finds nothing wrong at all."""

DSS_HALF_BLIND = frozenset(
    {
        "cms_two_signers",
        "stamp_sealed",
        "stamp_removed",
        "stamp_imprint",
        "stamp_value",
        "stamp_message_digest",
        "stamp_time",
        "stamp_of_another",
        "archive_imprint",
        "archive_value",
        "archive_certificate",
        "archive_message_digest",
        "archive_time",
        "archive_of_another",
        "archive_is_the_stamp",
        "archive_zeroed",
        "cut_95",
        "cut_99",
        "cut_end_marker",
        "range_of_archive_shifted",
        "range_of_archive_shortened",
    }
    | {name for name in VECTORS if name.startswith("store_")}
)
"""Vectors in which it calls the signature TOTAL_PASSED; a timestamp that fails or is missing, or the level, tells."""
