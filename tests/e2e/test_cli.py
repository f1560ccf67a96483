"""`fts sign`, `fts verify` and `fts certificates` as programs, against the demo's card and trust services."""

import json
import os
import pty
import select
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.e2e.conftest import FTS, REPOSITORY, SECONDS, Run, User

FILE_FIELDS = {
    *("file", "valid", "level", "size", "sha256", "verified_at"),
    *("signatures", "archive_timestamps", "problems"),
}
SIGNATURE_FIELDS = {
    *("field", "valid", "level", "signer", "claimed_at", "proven_at", "digest", "byte_range"),
    *("covers", "timestamps", "problems", "notes"),
}
TIMESTAMP_FIELDS = {"field", "valid", "time", "authority", "digest", "byte_range", "problems", "notes"}


def assert_refused(done: Run, code: str, *, status: int = 1) -> None:
    """Check that a refusal is two lines, the code and the remedy, and nothing else."""
    assert done.returncode == status, done.stderr
    first, second = done.stderr.splitlines()[-2:]
    assert first.startswith(f"{code}: ")
    assert second.startswith("Remedy: ")
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_help_names_every_command_and_option(user: User) -> None:
    overview = user.fts("--help")
    assert overview.returncode == 0
    assert all(f" {command} " in overview.stdout for command in ("sign", "verify", "certificates"))
    options = user.fts("sign", "--help").stdout
    for option in (
        *("--profile", "--digest", "--archive-digest", "--pss", "--module", "--certificate", "--token", "--tsa"),
        *("--trust", "--allow-host", "--no-repair", "--force", "--pin-stdin"),
    ):
        assert f" {option} " in options
    assert "PIN" not in [word.strip("-") for word in options.split() if word.startswith("--")]


def test_certificates_are_listed(user: User) -> None:
    module = str(user.stack.token.module)
    table = user.fts("certificates", "--module", module)
    assert table.returncode == 0
    assert "p384" in table.stdout
    assert "rsa3072" in table.stdout
    listed = json.loads(user.fts("certificates", "--module", module, "--json").stdout)
    assert {each["label"]: each["key"] for each in listed if each["for_signatures"]} == {
        "p384": "EC 384",
        "rsa3072": "RSA 3072",
    }
    assert any(not each["can_sign"] for each in listed)


def test_certificates_without_a_module(user: User, tmp_path: Path) -> None:
    assert_refused(user.fts("certificates", "--module", tmp_path / "none.so"), "MODULE_UNAVAILABLE")


def test_signed_at_lta_by_default(user: User, documents: Path, signed: Path) -> None:
    result = user.verify(signed)
    (file,) = result["files"]
    (signature,) = file["signatures"]
    assert (file["valid"], file["level"], file["problems"]) == (True, "LTA", [])
    assert file["size"] == signed.stat().st_size
    assert "TEST Signer p384" in signature["signer"]
    assert len(signature["timestamps"]) == 1
    assert len(file["archive_timestamps"]) == 1
    assert abs((datetime.now(UTC) - datetime.fromisoformat(signature["proven_at"])).total_seconds()) < 120
    assert signed.read_bytes().startswith((documents / "sound.pdf").read_bytes())


def test_json_has_the_documented_fields(user: User, signed: Path) -> None:
    result = user.verify(signed)
    assert set(result) == {"valid", "files"}
    (file,) = result["files"]
    assert set(file) == FILE_FIELDS
    (signature,) = file["signatures"]
    assert set(signature) == SIGNATURE_FIELDS
    for timestamp in (*signature["timestamps"], *file["archive_timestamps"]):
        assert set(timestamp) == TIMESTAMP_FIELDS


def test_result_says_level_time_and_path(user: User, documents: Path, tmp_path: Path) -> None:
    umask = os.umask(0o027)
    try:
        done = user.sign(documents / "letter.pdf", tmp_path / "out.pdf", "--digest", "sha384")
    finally:
        os.umask(umask)
    assert done.returncode == 0
    assert done.stderr == ""
    lines = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert lines["Signed"] == str(tmp_path / "out.pdf")
    assert lines["Level"] == "PAdES baseline LTA"
    assert lines["Timestamp"].endswith(" UTC")
    assert (tmp_path / "out.pdf").stat().st_mode & 0o777 == 0o640
    assert [path.name for path in tmp_path.iterdir()] == ["out.pdf"]


@pytest.mark.parametrize(
    ("options", "level", "digest"),
    [
        (("--profile", "PADES_B"), "B", "sha256"),
        (("--profile", "PADES_T", "--digest", "sha512"), "T", "sha512"),
        (("--profile", "PADES_LT", "--certificate", "rsa3072", "--pss"), "LT", "sha256"),
        (("--certificate", "signer RSA", "--digest", "sha384", "--archive-digest", "sha512"), "LTA", "sha384"),
    ],
)
def test_other_profiles(
    options: tuple[str, ...], level: str, digest: str, user: User, documents: Path, tmp_path: Path
) -> None:
    done = user.sign(documents / "letter.pdf", tmp_path / "out.pdf", *options)
    assert done.returncode == 0, done.stderr
    (file,) = user.verify(tmp_path / "out.pdf")["files"]
    assert (file["valid"], file["level"], file["signatures"][0]["digest"]) == (True, level, digest)
    if "--archive-digest" in options:
        assert file["archive_timestamps"][0]["digest"] == "sha512"


def test_damaged_document_is_rewritten_and_said_so(user: User, documents: Path, tmp_path: Path) -> None:
    done = user.sign(documents / "damaged.pdf", tmp_path / "out.pdf")
    assert done.returncode == 0, done.stderr
    assert "rewritten before it was signed" in done.stdout
    assert "SHA-256 of the document as given: " in done.stdout
    assert "SHA-256 of what was signed: " in done.stdout
    assert "Finding: " in done.stdout
    assert user.verify(tmp_path / "out.pdf")["valid"]
    assert_refused(user.sign(documents / "damaged.pdf", tmp_path / "no.pdf", "--no-repair"), "DOCUMENT_DAMAGED")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("encrypted.pdf", "DOCUMENT_ENCRYPTED"),
        ("text.pdf", "NOT_A_PDF"),
        ("none.pdf", "FILE_NOT_FOUND"),
        (".", "FILE_UNREADABLE"),
    ],
)
def test_document_that_cannot_be_signed(name: str, code: str, user: User, documents: Path, tmp_path: Path) -> None:
    assert_refused(user.sign(documents / name, tmp_path / "out.pdf"), code)
    assert list(tmp_path.iterdir()) == []


def test_wrong_pin(user: User, documents: Path, tmp_path: Path) -> None:
    wrong = "135790" if user.stack.pin != "135790" else "097531"
    done = user.sign(documents / "letter.pdf", tmp_path / "out.pdf", pin=wrong)
    assert_refused(done, "PIN_INCORRECT")
    assert wrong not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_no_pin_on_standard_input(user: User, documents: Path, tmp_path: Path) -> None:
    assert_refused(user.sign(documents / "letter.pdf", tmp_path / "out.pdf", pin=""), "PIN_INPUT")
    assert list(tmp_path.iterdir()) == []


def test_nobody_to_ask_for_the_pin(user: User, documents: Path, tmp_path: Path) -> None:
    done = user.fts("sign", documents / "letter.pdf", tmp_path / "out.pdf", *user.signing_options, given=user.stack.pin)
    assert_refused(done, "PIN_INPUT", status=2)


def test_certificate_must_be_named_where_several_can_sign(user: User, documents: Path, tmp_path: Path) -> None:
    for options in ((), ("--certificate", "TEST"), ("--certificate", "carol")):
        done = user.fts(
            *("sign", documents / "letter.pdf", tmp_path / "out.pdf", *user.signing_options, *options, "--pin-stdin"),
            given=user.stack.pin,
        )
        assert_refused(done, "CERTIFICATE_CHOICE", status=2)
        assert "p384" in done.stderr
        assert "rsa3072" in done.stderr


def test_certificate_that_is_not_for_signatures(user: User, documents: Path, tmp_path: Path) -> None:
    done = user.sign(documents / "letter.pdf", tmp_path / "out.pdf", "--certificate", "Citizen CA")
    assert done.returncode == 1
    assert done.stderr.split(":")[0] in ("CERTIFICATE_USAGE", "KEY_NOT_FOUND")


def test_existing_output_is_kept_unless_forced(user: User, documents: Path, tmp_path: Path) -> None:
    destination = tmp_path / "out.pdf"
    destination.write_text("mine")
    assert_refused(user.sign(documents / "letter.pdf", destination), "OUTPUT_EXISTS")
    assert destination.read_text() == "mine"
    assert user.sign(documents / "letter.pdf", destination, "--force").returncode == 0
    assert user.verify(destination)["valid"]


def test_document_itself_is_never_the_output(user: User, documents: Path, tmp_path: Path) -> None:
    document, alias = tmp_path / "in.pdf", tmp_path / "alias.pdf"
    content = (documents / "letter.pdf").read_bytes()
    document.write_bytes(content)
    alias.symlink_to(document)
    for destination in (document, alias):
        assert_refused(user.sign(document, destination, "--force"), "OUTPUT_EXISTS")
    assert document.read_bytes() == content


def test_output_folder_must_exist(user: User, documents: Path, tmp_path: Path) -> None:
    assert_refused(user.sign(documents / "letter.pdf", tmp_path / "none" / "out.pdf"), "OUTPUT_UNWRITABLE")


def test_wrong_use(user: User, documents: Path, tmp_path: Path) -> None:
    files = (documents / "letter.pdf", tmp_path / "out.pdf")
    module = ("--module", str(user.stack.token.module))
    assert_refused(user.fts("sign", *files, *module, "--trust", user.root), "TSA_MISSING", status=2)
    assert_refused(user.sign(*files, "--allow-host", "127.0.0.1"), "URL_INVALID", status=2)
    assert_refused(user.sign(*files, "--trust", str(documents / "text.pdf")), "TRUST_FILE", status=2)
    assert user.sign(*files, "--digest", "sha1").returncode == 2
    assert user.fts("sign", *files, "--pin", "123456").returncode == 2


def test_authority_that_is_not_there(user: User, documents: Path, tmp_path: Path) -> None:
    done = user.sign(documents / "letter.pdf", tmp_path / "out.pdf", "--tsa", "http://127.0.0.1:9/tsa")
    assert_refused(done, "TIMESTAMP_UNAVAILABLE")
    assert "http://127.0.0.1:9/tsa" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_internal_hosts_are_asked_only_when_allowed(user: User, documents: Path, tmp_path: Path) -> None:
    options = ("--module", str(user.stack.token.module), "--trust", user.root, "--certificate", "p384")
    done = user.fts(
        *("sign", documents / "letter.pdf", tmp_path / "out.pdf", *options, "--profile", "PADES_B", "--pin-stdin"),
        given=user.stack.pin,
    )
    assert_refused(done, "REVOCATION_UNAVAILABLE")
    assert "refused" in done.stderr


def test_verify_names_what_is_wrong(user: User, signed: Path, documents: Path, tmp_path: Path) -> None:
    content = bytearray(signed.read_bytes())
    content[200] ^= 1
    changed = tmp_path / "changed\x1b[2J.pdf"
    changed.write_bytes(content)
    done = user.fts("verify", "--trust", user.root, signed, changed, documents / "letter.pdf", tmp_path / "none.pdf")
    assert done.returncode == 1
    assert done.stderr == ""
    assert "\x1b" not in done.stdout
    for expected in ("CONTENT_CHANGED: ", "NOT_SIGNED: ", "FILE_NOT_FOUND: ", f"VALID  {signed}", " UTC"):
        assert expected in done.stdout
    assert done.stdout.count("NOT VALID") == 3
    result = user.verify(signed, changed, documents / "letter.pdf", tmp_path / "none.pdf")
    assert [file["valid"] for file in result["files"]] == [True, False, False, False]
    assert result["files"][3]["problems"][0]["code"] == "FILE_NOT_FOUND"


def test_verify_trusts_only_what_it_is_told(user: User, signed: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.pem"
    subprocess.run(
        [
            "openssl",
            "req",
            "-x509",
            "-newkey",
            "ed25519",
            "-nodes",
            "-subj",
            "/CN=Other",
            "-keyout",
            "/dev/null",
            "-out",
            other,
        ],
        check=True,
        capture_output=True,
    )
    done = user.fts("verify", "--trust", other, signed)
    assert done.returncode == 1
    assert "SIGNER_UNTRUSTED" in done.stdout


TAKE_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""
"""Makes standard input the controlling terminal and becomes the program that it is given."""


class Terminal:
    """`fts sign` on a terminal of its own."""

    def __init__(self, user: User, document: Path, destination: Path) -> None:
        self._ours, theirs = pty.openpty()
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                TAKE_TERMINAL,
                *FTS,
                "sign",
                str(document),
                str(destination),
                *user.signing_options,
                "--certificate",
                "p384",
            ],
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=REPOSITORY,
            env=user.environment,
            start_new_session=True,
        )
        os.close(theirs)
        self.shown = ""

    def wait_for(self, text: str) -> None:
        deadline = time.monotonic() + SECONDS
        while text not in self.shown:
            assert self._read(deadline), self.shown

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def end(self) -> int:
        """Read to the end and return the exit status."""
        deadline = time.monotonic() + SECONDS
        while self._read(deadline):
            pass
        os.close(self._ours)
        return self._process.wait(SECONDS)

    def _read(self, deadline: float) -> bool:
        if not select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))[0]:
            self._process.kill()
            return False
        try:
            octets = os.read(self._ours, 4096)
        except OSError:
            return False
        self.shown += octets.decode(errors="replace")
        return bool(octets)


def test_pin_is_asked_on_the_terminal_and_not_shown(user: User, documents: Path, tmp_path: Path) -> None:
    terminal = Terminal(user, documents / "letter.pdf", tmp_path / "out.pdf")
    terminal.wait_for('certificate "p384": ')
    terminal.type(f"{user.stack.pin}\n")
    assert terminal.end() == 0, terminal.shown
    assert user.stack.pin not in terminal.shown
    assert "Checking the signed document" in terminal.shown
    assert user.verify(tmp_path / "out.pdf")["valid"]


@pytest.mark.parametrize(("keys", "status"), [("\x03", 130), ("\x04", 1), ("\n", 1)])
def test_signer_gives_no_pin(keys: str, status: int, user: User, documents: Path, tmp_path: Path) -> None:
    terminal = Terminal(user, documents / "letter.pdf", tmp_path / "out.pdf")
    terminal.wait_for('certificate "p384": ')
    terminal.type(keys)
    assert terminal.end() == status, terminal.shown
    assert ("PIN_CANCELLED" in terminal.shown) is (status == 1)
    assert list(tmp_path.iterdir()) == []
