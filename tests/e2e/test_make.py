"""The make targets of a fresh clone, and what the hygiene check finds."""

import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import REPOSITORY, SECONDS, Run

TARGETS = (
    *("help", "demo", "demo-check", "sign-demo", "sign", "verify", "test", "check", "format", "bench", "bench-line"),
    *("bench-custody", "bench-tsa", "soak", "kills", "kills-s3", "samples", "clean"),
)
PRIVATE_KEY = "-----BEGIN {}PRIVATE " + "KEY-----\n"


def make(tree: Path, *arguments: str) -> Run:
    return subprocess.run(
        ["make", "--no-print-directory", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=SECONDS,
        cwd=tree,
        stdin=subprocess.DEVNULL,
    )


def test_help_is_the_default_and_lists_every_target() -> None:
    done = make(REPOSITORY)
    assert done.returncode == 0
    assert [line.split()[1] for line in done.stdout.splitlines()] == list(TARGETS)
    assert done.stdout == make(REPOSITORY, "help").stdout


def test_sign_demo_then_sign_then_verify(clone: Callable[[], Path], documents: Path) -> None:
    tree = clone()
    demo = make(tree, "sign-demo")
    assert demo.returncode == 0, demo.stderr
    assert "3 of 3 files signed at LTA and verified" in demo.stdout
    assert len(re.findall(r"^VALID  var/signed/.*, level LTA$", demo.stdout, re.MULTILINE)) == 3

    shutil.copy(documents / "letter.pdf", tree / "one.pdf")
    shutil.copy(documents / "letter.pdf", tree / "$(touch gone) 'two'.pdf")
    (tree / "list").write_text("$(touch gone) 'two'.pdf\n")
    signed = make(tree, "sign", "FILES=one.pdf none.pdf", "FILES_FROM=list")
    assert signed.returncode != 0
    assert "2 of 3 files signed" in signed.stdout
    assert not (tree / "gone").exists()

    verified = make(tree, "verify", "FILES=var/signed/one-signed.pdf var/signed/brief-signed.pdf")
    assert verified.returncode == 0, verified.stdout
    assert verified.stdout.count("VALID  ") == 2

    by_openssl = demo.stdout[demo.stdout.index("Verify by openssl alone") :]
    script = re.sub(r"^ *Verify by openssl alone", "", by_openssl[: by_openssl.index("Read the trust anchor")])
    done = subprocess.run(
        ["bash", "-euc", "f=var/signed/brief-signed.pdf\n" + script.replace("/tmp/", f"{tree}/")],  # noqa: S108
        capture_output=True,
        text=True,
        check=False,
        cwd=tree,
    )
    assert "CMS Verification successful" in done.stderr

    assert make(tree, "clean").returncode == 0
    assert not (tree / "var" / "demo").exists()


def test_no_files_is_wrong_use(clone: Callable[[], Path]) -> None:
    tree = clone()
    assert make(tree, "verify").returncode != 0
    assert make(tree, "sign").returncode != 0


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("requirements/runtime.txt", "--index-url https://registry.example/simple\n"),
        ("key.pem", PRIVATE_KEY.format("")),
        ("key.py", "KEY = '" + PRIVATE_KEY.format("EC ")),
        ("notes.md", "look in /home/" + "somebody/project\n"),
        ("paths.py", "TREE = '{tree}/fts'\n"),
    ],
)
def test_hygiene_refuses_what_must_not_be_there(name: str, content: str, tmp_path: Path) -> None:
    (tmp_path / "deploy").mkdir()
    (tmp_path / "requirements").mkdir()
    shutil.copy(REPOSITORY / "deploy" / "hygiene.sh", tmp_path / "deploy")
    (tmp_path / "requirements" / "runtime.txt").write_text("package==1 --hash=sha256:00\n")
    script = [str(tmp_path / "deploy" / "hygiene.sh")]
    assert subprocess.run(script, check=False).returncode == 0
    (tmp_path / name).write_text(content.format(tree=tmp_path))
    assert subprocess.run(script, check=False, capture_output=True).returncode == 1


def test_set_up_says_what_only_root_can_install(tmp_path: Path) -> None:
    """Run the set-up with commands that report another user and none of the packages."""
    (tmp_path / "deploy").mkdir()
    script = (REPOSITORY / "deploy" / "setup.sh").read_text()
    (tmp_path / "deploy" / "setup.sh").write_text(script.replace("/usr/lib/softhsm/", f"{tmp_path}/"))
    (tmp_path / "id").write_text("#!/bin/sh\necho 1000\n")
    (tmp_path / "id").chmod(0o755)
    done = subprocess.run(
        ["bash", str(tmp_path / "deploy" / "setup.sh"), "runtime"],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{tmp_path}:/usr/bin:/bin"},
    )
    assert done.returncode == 1
    assert "apt-get install --no-install-recommends softhsm2" in done.stderr
