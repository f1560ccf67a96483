"""Profiles by name: what the tree has, what a contradictory file says at the start (FTS-SIG-5)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from fts.cli import ProfileName as CommandLineName
from fts.clients.definition import Definition
from fts.errors import RefusalError
from fts.media_types import media_type_of
from fts.profiles.format import Format
from fts.profiles.registry import FOLDER, NAMES, load, named, profiles
from fts.signings.models import signing
from fts.signings.schemas import SigningOrder
from signing.ports import Level
from timestamping.algorithms import DigestAlgorithm

REPOSITORY = Path(__file__).resolve().parents[3]


def test_every_format_has_every_level() -> None:
    assert {(each.format, each.level) for each in profiles().values()} == {(f, v) for f in Format for v in Level}
    assert set(profiles()) == set(NAMES)
    width: Any = signing.c.profile.type
    assert max(map(len, NAMES)) <= width.length, "the column holds every name"


def test_the_names_are_the_only_ones_anywhere() -> None:
    for model in (SigningOrder, Definition):
        schema = str(model.model_json_schema())
        assert all(f"'{name}'" in schema for name in NAMES)
    assert {each.value for each in CommandLineName} == set(NAMES)
    with pytest.raises(ValueError, match="is none of"):
        SigningOrder(document="x", return_url="y", profile="CADES_LTA")
    with pytest.raises(RefusalError, match="no file"):
        named("CADES_LTA")


@pytest.mark.parametrize(
    ("profile", "document", "result"),
    [
        ("PADES_LTA", "a.b.pdf", "a.b-signed.pdf"),
        ("PADES_LTA", "contract", "contract-signed.pdf"),
        ("XADES_LTA", "invoice.XML", "invoice-signed.xml"),
        ("ASIC_E_XADES_LTA", "scan.png", "scan.asice"),
        ("ASIC_E_XADES_LTA", "scan.asice", "scan-signed.asice"),
        ("ASIC_E_XADES_LTA", "README", "README.asice"),
        ("ASIC_S_XADES_B", ".profile", ".profile.asics"),
    ],
)
def test_names_of_results(profile: str, document: str, result: str) -> None:
    assert named(profile).file_name(document) == result


def test_what_is_accepted() -> None:
    accepted = {
        media_type: {name for name in NAMES if named(name).does_accept(media_type)}
        for media_type in ("application/pdf", "text/xml", "image/png")
    }
    containers = {name for name in NAMES if name.startswith("ASIC")}
    assert accepted["application/pdf"] == containers | {name for name in NAMES if name.startswith("PADES")}
    assert accepted["text/xml"] == containers | {name for name in NAMES if name.startswith("XADES")}
    assert accepted["image/png"] == containers


def test_digests_reach_the_engine(tmp_path: Path) -> None:
    text = (FOLDER / "XADES_LTA.toml").read_text()
    text = text.replace('archive_digest = "sha256"', 'archive_digest = "sha512"')
    (tmp_path / "XADES_LTA.toml").write_text(text.replace('\ndigest = "sha256"', '\ndigest = "sha384"'))
    found = load(tmp_path)["XADES_LTA"].engine_profile
    assert (found.digest, found.archive_digest) == (DigestAlgorithm.SHA384, DigestAlgorithm.SHA512)


@pytest.mark.parametrize(
    ("name", "old", "new", "said"),
    [
        ("XADES_LTA", 'format = "XADES"', 'format = "PADES"', "has another name"),
        ("XADES_LTA", 'level = "LTA"', 'level = "LT"', "has another name"),
        ("XADES_LTA", 'archive_digest = "sha256"', "", "archive_digest belongs to level LTA"),
        ("XADES_LT", 'digest = "sha256"', 'digest = "sha256"\narchive_digest = "sha256"', "archive_digest belongs"),
        ("XADES_LTA", 'packaging = "enveloped"', "", "packaging belongs to format XADES"),
        ("PADES_LTA", 'level = "LTA"', 'level = "LTA"\npackaging = "enveloped"', "packaging belongs"),
        ("XADES_LTA", '"enveloped"', '"detached"', "makes more than one file"),
        ("XADES_LTA", '"text/xml"', '"image/png"', "accepts: only application/xml, text/xml"),
        ("XADES_LTA", '"text/xml"', '"*/*"', "accepts: only application/xml, text/xml"),
        ("PADES_LTA", '["application/pdf"]', '["text/xml"]', "accepts: only application/pdf"),
        ("ASIC_E_XADES_LTA", '["*/*"]', "[]", "accepts"),
        ("ASIC_E_XADES_LTA", '".asice"', '".zip"', "the result is a .asice file"),
        ("ASIC_E_XADES_LTA", '".asice"', '"/../x.asice"', "suffix"),
        ("PADES_LTA", '"sha256"', '"md5"', "digest"),
        ("PADES_LTA", "level", "surprise = 1\nlevel", "surprise"),
        ("PADES_LTA", "level", "level level", "PADES_LTA.toml"),
        ("PADES_LTA", 'level = "LTA"', "", "level: Field required"),
    ],
)
def test_a_broken_file_says_what_is_wrong(tmp_path: Path, name: str, old: str, new: str, said: str) -> None:
    text = (FOLDER / f"{name}.toml").read_text()
    assert old in text
    (tmp_path / f"{name}.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(RefusalError) as refused:
        load(tmp_path)
    assert refused.value.code == "PROFILE_INVALID"
    assert str(refused.value).startswith(f"{name}.toml: ")
    assert said in str(refused.value)


def test_no_profile_at_all(tmp_path: Path) -> None:
    with pytest.raises(RefusalError, match="no profile"):
        load(tmp_path)


@pytest.mark.parametrize("process", ["web", "worker"])
def test_no_process_starts_with_a_broken_profile(tmp_path: Path, process: str) -> None:
    """A copy of the tree with one broken file: two lines on standard error, exit status 2."""
    for package in ("fts", "signing", "timestamping", "storage"):
        shutil.copytree(REPOSITORY / package, tmp_path / package, ignore=shutil.ignore_patterns("__pycache__"))
    broken = tmp_path / "fts" / "profiles" / "XADES_LTA.toml"
    broken.write_text(broken.read_text().replace("enveloped", "detached"))
    (tmp_path / "root.pem").write_text("")
    (tmp_path / "gateway.toml").write_text(
        'environment = "TA"\noperator = "Operator"\npublic_url = "http://localhost:1"\ndata = "data"\n'
        'master_key = "master.key"\ntrust_anchors = "root.pem"\ntsa_url = "http://localhost:2/tsa"\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "fts.cli", process, "--config", str(tmp_path / "gateway.toml")],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("PROFILE_INVALID: XADES_LTA.toml: file: Value error, packaging detached makes more")
    assert "Remedy: Correct the file" in done.stderr


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("application/pdf", "application/pdf"),
        (" Text/XML ; charset=utf-8", "text/xml"),
        ("application/vnd.etsi.asic-e+zip", "application/vnd.etsi.asic-e+zip"),
        ("", None),
        ("text", None),
        ("text/", None),
        ("a/b/c", None),
        ("*/*", None),
        ("text/<script>", None),
        ("a/" + "b" * 99, None),
        ("text/x\u00e9", None),
    ],
)
def test_media_types(header: str, found: str | None) -> None:
    assert media_type_of(header) == found
