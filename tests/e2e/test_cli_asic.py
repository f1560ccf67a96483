"""`fts sign` and `fts verify` with ASiC containers, as programs (FTS-SIG-5)."""

import zipfile
from pathlib import Path

import pytest

from tests.e2e.conftest import Run, User
from tests.e2e.test_cli import SIGNATURE_FIELDS, assert_refused
from tests.e2e.test_cli_xml import verified

FILES = {"scan \u00e9.bin": bytes(range(256)), "invoice.xml": b"<invoice/>", "letter.txt": b"dear"}


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / name for name in FILES]
    for path in paths:
        path.write_bytes(FILES[path.name])
    return paths


def sign(user: User, *paths: Path, profile: str = "ASIC_E_XADES_LTA", certificate: str = "p384") -> Run:
    """`fts sign` with any number of files."""
    options = (*user.signing_options, "--certificate", certificate, "--profile", profile, "--pin-stdin")
    return user.fts("sign", *paths, *options, given=f"{user.stack.pin}\n")


def test_files_go_into_a_container_that_is_signed_twice(user: User, files: list[Path], tmp_path: Path) -> None:
    once, twice = tmp_path / "once.asice", tmp_path / "twice.asice"
    done = sign(user, *files, once)
    assert (done.returncode, "Level: XAdES baseline LTA" in done.stdout) == (0, True), done.stderr
    assert sign(user, once, twice, certificate="rsa3072").returncode == 0
    file = verified(user, twice)
    assert (file["valid"], file["level"], len(file["signatures"])) == (True, "LTA", 2)
    assert all(set(signature) == SIGNATURE_FIELDS for signature in file["signatures"])
    assert [signature["covers"] for signature in file["signatures"]] == [", ".join(FILES)] * 2
    with zipfile.ZipFile(twice) as archive:
        assert {name: archive.read(name) for name in FILES} == FILES
        manifest = archive.read("META-INF/manifest.xml").decode()
        assert 'manifest:media-type="text/plain"' in manifest
    shown = user.fts("verify", twice, "--trust", user.root)
    assert (shown.returncode, "letter.txt" in shown.stdout) == (0, True)


def test_one_file_goes_into_a_simple_container(user: User, files: list[Path], tmp_path: Path) -> None:
    signed = tmp_path / "signed.asics"
    assert sign(user, files[0], signed, profile="ASIC_S_XADES_T").returncode == 0
    assert (verified(user, signed)["valid"], verified(user, signed)["level"]) == (True, "T")
    assert_refused(sign(user, signed, tmp_path / "again.asice", profile="ASIC_E_XADES_T"), "ASIC_CONTAINER_INVALID")


def test_a_changed_container_is_not_valid(user: User, files: list[Path], tmp_path: Path) -> None:
    signed, plain = tmp_path / "signed.asice", tmp_path / "plain.zip"
    assert sign(user, *files, signed, profile="ASIC_E_XADES_B").returncode == 0
    with zipfile.ZipFile(signed, "a") as archive:
        archive.writestr("more.txt", b"and more")
    file = verified(user, signed)
    assert not file["valid"]
    assert "PART_COVERED" in {problem["code"] for problem in file["signatures"][0]["problems"]}
    with zipfile.ZipFile(plain, "w") as archive:
        archive.writestr("letter.txt", b"dear")
    file = verified(user, plain)
    assert [problem["code"] for problem in file["problems"]] == ["ASIC_CONTAINER_INVALID"]


def test_what_goes_into_no_container_is_refused(user: User, files: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert_refused(sign(user, files[0], files[0].with_name("SCAN \u00c9.BIN"), out), "FILE_NOT_FOUND")
    twin = tmp_path / "folder" / files[0].name
    twin.parent.mkdir()
    twin.write_bytes(b"x")
    assert_refused(sign(user, files[0], twin, out), "ASIC_CONTAINER_INVALID")
    for profile in ("ASIC_S_XADES_LTA", "XADES_LTA", "PADES_LTA"):
        done = sign(user, *files, out, profile=profile)
        assert (done.returncode, done.stderr.startswith("TOO_MANY_DOCUMENTS")) == (2, True)
    done = sign(user, files[0])
    assert (done.returncode, done.stderr.startswith("OUTPUT_MISSING")) == (2, True)
    done = sign(user, *files, files[1])
    assert_refused(done, "OUTPUT_EXISTS")
    assert not out.exists()
    assert files[1].read_bytes() == FILES[files[1].name]
