"""XML as a person reads it before signing: bounded, nothing hidden, nothing else than what is signed (FTS-SIG-5)."""

import io

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signing.limits import LIMITS
from signing.ports import DocumentDamagedError
from signing.xml.c14n import XmlDocument
from signing.xml.ports import Canonicalization, XmlForbiddenError
from signing.xml.preview import count_parts, draw_part, parts_of, text_of, visible
from signing.xml.reading import parse


@given(st.text(alphabet=st.sampled_from("ab\n\u202e"), max_size=5000))
@settings(max_examples=50, deadline=None)
def test_parts_are_the_text(text: str) -> None:
    assert "".join(parts_of(text)) == text


@pytest.mark.parametrize("text", ["x" * 1_000_001, "\n" * 100_001, ("y" * 39_999 + "\n") * 9, "ab\n" * 200_000, ""])
def test_parts_are_bounded(text: str) -> None:
    parts = list(parts_of(text))
    assert "".join(parts) == text
    assert all(0 < len(each) <= LIMITS.preview_part_characters for each in parts)
    assert all(each.count("\n") <= LIMITS.preview_part_lines for each in parts)
    assert count_parts(text) == len(parts)


@pytest.mark.parametrize(
    "hidden",
    [
        *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c",
        *"\u200b\u200c\u200d\u2060\ufeff\u00ad\u180e\u034f\u115f\u3164\u2800\ufe0f\u2028\u2029\u0085\r\x7f",
        *"\ue000\ufffe\U000e0041\U000e0100\U0010fffd",
    ],
)
def test_what_cannot_be_seen_is_named(hidden: str) -> None:
    assert visible(f"a{hidden}b") == f"a⟦U+{ord(hidden):04X}⟧b"


@pytest.mark.parametrize(
    "text", ["a\tb\n", "Ünïcode €", "\u0639\u0631\u0628\u064a", "\u4e2d\u6587", "e\u0301", "😀", " "]
)
def test_what_can_be_seen_stays(text: str) -> None:
    assert visible(text) == text


def test_references_do_not_hide_anything() -> None:
    shown = draw_part(io.BytesIO(b"<a b='&#x202E;'>&#8203;&#x1F600;<![CDATA[<b>]]></a>"), 1)
    assert '<a b="⟦U+202E⟧">⟦U+200B⟧😀&lt;b&gt;</a>' in shown


@pytest.mark.parametrize(
    "data",
    [
        b'<?xml version="1.0" encoding="ISO-8859-1"?><a b="\xe9">\xe9&#13;<!-- c --><?p q?></a>',
        '<?xml version="1.0" encoding="UTF-16"?><a xmlns="urn:x">\u20ac\r\n</a>'.encode("utf-16"),
        b"<a xml:space='preserve'>  <b/>\t</a>",
    ],
)
def test_the_text_that_is_shown_is_the_document_that_is_signed(data: bytes) -> None:
    """Read again, it has the canonical form of the document."""

    def canonical(octets: bytes) -> bytes:
        document = XmlDocument(parse(octets))
        return document.canonical(document.root, Canonicalization.EXCLUSIVE_COMMENTS)

    assert canonical(text_of(io.BytesIO(data)).encode()) == canonical(data)


def test_what_is_refused() -> None:
    with pytest.raises(XmlForbiddenError):
        draw_part(io.BytesIO(b"<!DOCTYPE a><a/>"), 1)
    for number in (0, 2):
        with pytest.raises(DocumentDamagedError, match="no part"):
            draw_part(io.BytesIO(b"<a/>"), number)
