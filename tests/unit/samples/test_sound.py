"""The sound samples are sound, and the same at each run."""

import hashlib
import io
import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pypdfium2
import pytest
from PIL import ImageCms
from pyhanko.pdf_utils.crypt import AuthStatus
from pyhanko.pdf_utils.reader import PdfFileReader

from tests.samples.protection import FILL_IN, FILL_IN_AND_SIGN, PROTECTED, protected
from tests.samples.sound import LARGE, SOUND
from tests.samples.sound_content import TITLE
from tests.samples.sound_pdfa import srgb_profile
from tests.samples.sound_structure import DEPTH
from tests.unit.samples.procedure import Verdict, judge

PROJECT = Path(__file__).resolve().parents[3]

DIGESTS_PROGRAM = """
import hashlib, json
from tests.samples.sound import SOUND
print(json.dumps({name: hashlib.sha256(make()).hexdigest() for name, make in SOUND.items()}))
"""


@cache
def sample(name: str) -> bytes:
    return SOUND[name]()


@pytest.mark.parametrize("name", SOUND)
def test_readers_agree_and_the_file_is_signed_as_it_is(name: str) -> None:
    assert judge(sample(name)) == Verdict("signed", None, "")


@pytest.mark.parametrize("name", SOUND)
def test_qpdf_finds_nothing(name: str, tmp_path: Path) -> None:
    path = tmp_path / "sample.pdf"
    path.write_bytes(sample(name))
    found = subprocess.run(["qpdf", "--check", path], capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr


def test_same_bytes_in_another_process() -> None:
    program = subprocess.run(
        [sys.executable, "-c", DIGESTS_PROGRAM],
        cwd=PROJECT,
        env={**os.environ, "PYTHONHASHSEED": "4711", "TZ": "Pacific/Auckland"},
        capture_output=True,
        check=True,
    )
    here = {name: hashlib.sha256(sample(name)).hexdigest() for name in SOUND}
    assert json.loads(program.stdout) == here


def test_sizes() -> None:
    assert 45_000 <= len(sample("fifty_kb")) <= 60_000
    assert 1_800_000 <= len(sample("many_pages")) <= 2_500_000
    assert "large_50mb" in LARGE
    assert not LARGE.keys() & SOUND.keys()


@pytest.mark.parametrize(("name", "pages"), [("many_pages", 550), ("deep_page_tree", 2), ("blank_page", 1)])
def test_pages(name: str, pages: int) -> None:
    with pypdfium2.PdfDocument(sample(name)) as document:
        assert len(document) == pages


@pytest.mark.parametrize(("name", "degrees"), [("rotated_90", 90), ("rotated_180", 180), ("rotated_270", 270)])
def test_rotation(name: str, degrees: int) -> None:
    with pypdfium2.PdfDocument(sample(name)) as document:
        assert document[0].get_rotation() == degrees


def test_crop_box_has_a_negative_origin() -> None:
    with pypdfium2.PdfDocument(sample("crop_box_negative_origin")) as document:
        assert document[0].get_cropbox() == (-50, 20, 500, 780)


def test_page_tree_is_deep() -> None:
    node, levels = PdfFileReader(io.BytesIO(sample("deep_page_tree"))).root["/Pages"], 0
    while "/Kids" in node:
        node, levels = node["/Kids"][0], levels + 1
    assert levels == DEPTH


@pytest.mark.parametrize(
    ("name", "revisions"),
    [("one_page", 1), ("incremental_updates", 3), ("incremental_xref_streams", 2), ("free_entries", 3)],
)
def test_revisions(name: str, revisions: int) -> None:
    assert PdfFileReader(io.BytesIO(sample(name))).total_revisions == revisions


def test_freed_object_lives_again() -> None:
    reader = PdfFileReader(io.BytesIO(sample("free_entries")))
    assert reader.root["/PieceInfo"]["/Sample"]["/Private"] == "second life"


@pytest.mark.parametrize("name", ["xref_stream", "object_streams", "linearised_object_streams"])
def test_xref_streams(name: str) -> None:
    assert PdfFileReader(io.BytesIO(sample(name))).has_xref_stream


def test_linearised() -> None:
    assert b"/Linearized 1" in sample("linearised")[:1024]


def test_title_is_not_latin() -> None:
    with pypdfium2.PdfDocument(sample("non_latin_title")) as document:
        assert document.get_metadata_value("Title") == TITLE


@pytest.mark.parametrize("name", PROTECTED)
def test_empty_user_password_opens(name: str) -> None:
    reader = PdfFileReader(io.BytesIO(sample(name)))
    assert reader.decrypt(b"").status == AuthStatus.USER
    assert reader.trailer["/Info"]["/Title"] == "Protected"
    assert reader.trailer["/Encrypt"]["/P"] & FILL_IN
    with pypdfium2.PdfDocument(sample(name)) as document:
        assert "Page 1" in document[0].get_textpage().get_text_range()


@pytest.mark.parametrize("scheme", ["rc4_128", "aes_128", "aes_256"])
@pytest.mark.parametrize(("password", "status"), [(b"u", AuthStatus.USER), (b"o", AuthStatus.OWNER)])
def test_passwords_open(scheme: str, password: bytes, status: AuthStatus) -> None:
    data = protected(scheme, user=b"u", owner=b"o", rights=FILL_IN_AND_SIGN)  # type: ignore[arg-type]
    assert PdfFileReader(io.BytesIO(data)).decrypt(password).status == status
    assert PdfFileReader(io.BytesIO(data)).decrypt(b"").status == AuthStatus.FAILED


def test_colour_profile_loads() -> None:
    profile = ImageCms.getOpenProfile(io.BytesIO(srgb_profile()))
    assert ImageCms.getProfileDescription(profile).strip() == "sRGB"
    assert profile.profile.version == pytest.approx(2.1, abs=0.01)


@pytest.mark.parametrize(("name", "part"), [("pdfa_1b", 1), ("pdfa_2b", 2), ("pdfa_3b", 3)])
def test_pdfa_states_its_part(name: str, part: int) -> None:
    root = PdfFileReader(io.BytesIO(sample(name))).root
    assert f"<pdfaid:part>{part}</pdfaid:part>".encode() in root["/Metadata"].data
    assert root["/OutputIntents"][0]["/DestOutputProfile"].data == srgb_profile()
