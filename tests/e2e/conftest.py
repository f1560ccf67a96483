"""The demo's trust services and card, and the commands run as a user runs them: as programs."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pikepdf
import pytest

from deploy.demo_documents import demo_documents
from deploy.demo_stack import DemoStack, demo_stack

REPOSITORY = Path(__file__).resolve().parents[2]
FTS = [sys.executable, "-m", "fts.cli"]
SECONDS = 60

Run = subprocess.CompletedProcess[str]


@dataclass(frozen=True)
class User:
    """Somebody at a command line, with the demo's card in the reader."""

    stack: DemoStack
    root: Path

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.stack.token.environment, "COLUMNS": "200"}

    @property
    def signing_options(self) -> list[str]:
        """What every signature needs, but for the certificate and the PIN."""
        return [
            *("--module", str(self.stack.token.module), "--trust", str(self.root)),
            *("--tsa", self.stack.tsa_url, "--allow-host", self.stack.pki.base_url),
        ]

    def fts(self, *arguments: str | Path, given: str | None = None) -> Run:
        """Run `fts`, with `given` on its standard input."""
        return subprocess.run(
            [*FTS, *map(str, arguments)],
            input=given if given is not None else "",
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
            cwd=REPOSITORY,
            env=self.environment,
        )

    def sign(self, document: Path, destination: Path, *options: str, pin: str | None = None) -> Run:
        """Sign with the P-384 certificate and the right PIN unless told otherwise."""
        named = () if "--certificate" in options else ("--certificate", "p384")
        return self.fts(
            *("sign", document, destination, *self.signing_options, *named, *options, "--pin-stdin"),
            given=f"{self.stack.pin if pin is None else pin}\n",
        )

    def verify(self, *files: Path) -> dict[str, Any]:
        """Return what `fts verify --json` says."""
        done = self.fts("verify", "--json", "--trust", self.root, "--", *files)
        assert done.stderr == ""
        result: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == (0 if result["valid"] else 1)
        return result


@pytest.fixture(scope="session")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[User]:
    if not Path("/usr/lib/softhsm/libsofthsm2.so").exists():
        pytest.skip("the Debian package softhsm2 is not installed")
    directory = tmp_path_factory.mktemp("e2e")
    with demo_stack(directory / "demo") as stack:
        root = directory / "root.pem"
        root.write_bytes(stack.root_pem)
        yield User(stack, root)


@pytest.fixture(scope="session")
def documents(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a sound PDF, a damaged, an encrypted, an empty one and a text file; tests only read it."""
    folder = tmp_path_factory.mktemp("documents")
    contents = dict(demo_documents())
    sound = contents["report.pdf"]
    (folder / "sound.pdf").write_bytes(sound)
    (folder / "letter.pdf").write_bytes(contents["brief.pdf"])
    (folder / "damaged.pdf").write_bytes(sound.replace(b"startxref", b"startxxxx"))
    (folder / "empty.pdf").write_bytes(b"")
    (folder / "text.pdf").write_text("no PDF at all")
    with pikepdf.open(folder / "sound.pdf") as pdf:
        pdf.save(folder / "encrypted.pdf", encryption=pikepdf.Encryption(owner="owner", user="user"))
    return folder


@pytest.fixture(scope="session")
def signed(user: User, documents: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A document that `fts sign` signed at LTA; tests only read it."""
    path = tmp_path_factory.mktemp("signed") / "signed.pdf"
    done = user.sign(documents / "sound.pdf", path)
    assert done.returncode == 0, done.stderr
    return path


@pytest.fixture
def clone(tmp_path: Path) -> Callable[[], Path]:
    """Copies the tree, as a fresh clone would be but for the environment, which is shared and not set up again."""

    def copy() -> Path:
        tree = tmp_path / "clone"
        shutil.copytree(REPOSITORY, tree, ignore=shutil.ignore_patterns(".*", "var", "__pycache__"))
        (tree / ".venv").symlink_to(REPOSITORY / ".venv")
        (tree / "deploy" / "setup.sh").write_text("#!/bin/sh\n")
        return tree

    return copy
