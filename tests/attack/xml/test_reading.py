"""XML that must be refused, and XML that must not: a folder names the answer, a new case is a new file (X-1, X-2)."""

import time
from dataclasses import replace
from pathlib import Path

import pytest

from signing.limits import LIMITS
from signing.ports import DocumentError
from signing.xml.c14n import XmlDocument
from signing.xml.ports import Canonicalization, XmlTooLargeError

HERE = Path(__file__).parent
REFUSED = sorted(HERE.glob("refused/*/*"))
ACCEPTED = sorted(HERE.glob("accepted/*"))
SECONDS = 1.0


def canonical(data: bytes) -> bytes:
    """Read and canonicalise, as every signature begins."""
    return XmlDocument.read(data).canonical(None, Canonicalization.C14N_10)


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_refused(path: Path) -> None:
    begun = time.monotonic()
    with pytest.raises(DocumentError) as refusal:
        canonical(path.read_bytes())
    assert (refusal.value.code, bool(refusal.value.remedy)) == (path.parent.name, True)
    assert time.monotonic() - begun < SECONDS


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.name)
def test_accepted(path: Path) -> None:
    form = canonical(path.read_bytes())
    assert b"root:" not in form


def test_the_folders_are_seen() -> None:
    assert {path.parent.name for path in REFUSED} == {
        "XML_DAMAGED",
        "XML_DOCTYPE",
        "XML_NOT_CANONICAL",
        "XML_TOO_LARGE",
    }
    assert len(REFUSED) > 40
    assert len(ACCEPTED) > 5


@pytest.mark.parametrize(
    ("limit", "value", "data"),
    [("xml_bytes", 100, b"<a>" + b"x" * 100 + b"</a>"), ("xml_elements", 10, b"<a>" + b"<b/>" * 10 + b"</a>")],
    ids=("octets", "elements"),
)
def test_size_is_bounded(limit: str, value: int, data: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    assert canonical(data)
    monkeypatch.setattr("signing.xml.reading.LIMITS", replace(LIMITS, **{limit: value}))
    with pytest.raises(XmlTooLargeError):
        canonical(data)
    assert canonical(b"<a><b/></a>")
