"""`fts timestamp verify` on the files that an authority and OpenSSL leave (FTS-TS-5)."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from fts.cli import application
from tests.conformance.raw_pdf import children
from tests.conformance.timestamps.cases import Case, make
from tests.conformance.timestamps.units import pem_file, pki
from timestamping.algorithms import DigestAlgorithm

DATA = b"what is stamped"
DIGEST = DigestAlgorithm.SHA256.digest(DATA).hex()
FIELDS = {
    *("file", "contained", "valid", "conformant", "verified_at", "kind", "status", "time", "accuracy_seconds"),
    *("policy", "serial_number", "nonce", "qualified_statement", "imprint", "authority", "path", "revocation"),
    "findings",
}


class Desk:
    """A directory with a case's files, and the command in it."""

    def __init__(self, directory: Path, case: Case) -> None:
        made = make(case)
        self.directory = directory
        pem_file(directory / "root.pem", *pki().anchors)
        pem_file(directory / "chain.pem", *made.untrusted)
        (directory / "data").write_bytes(DATA)
        (directory / "other").write_bytes(DATA + b"!")
        (directory / "query.tsq").write_bytes(made.query)
        (directory / "reply.tsr").write_bytes(made.reply)
        (directory / "token.tst").write_bytes(children(made.reply)[1])

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(application, ["timestamp", "verify", *map(self._absolute, arguments)])

    def json(self, *arguments: str, status: int) -> dict[str, Any]:
        done = self.run(*arguments, "--json")
        assert done.exit_code == status, done.output
        result: dict[str, Any] = json.loads(done.stdout)
        assert set(result) == FIELDS
        return result

    def _absolute(self, argument: str) -> str:
        path = self.directory / argument
        return str(path) if not argument.startswith("-") and path.exists() else argument


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path, Case())


@pytest.mark.parametrize("file", ["token.tst", "reply.tsr"])
@pytest.mark.parametrize(
    "over",
    [("--data", "data"), ("--digest", DIGEST), ("--digest", DIGEST, "--hash", "sha256"), ("--query", "query.tsq")],
    ids=["data", "digest", "digest and hash", "query"],
)
def test_good(desk: Desk, file: str, over: tuple[str, ...]) -> None:
    shown = desk.run(file, *over, "--trust", "root.pem")
    assert shown.exit_code == 0
    assert shown.stdout.startswith("VALID  ")
    assert "CN=TEST Timestamping Unit" in shown.stdout
    assert "CN=TEST Timestamping CA < CN=TEST Root" in shown.stdout
    result = desk.json(file, *over, "--trust", "root.pem", status=0)
    assert (result["valid"], result["conformant"]) == (True, True)
    assert (result["kind"], result["status"]) == (("token", None) if file == "token.tst" else ("reply", 0))
    assert result["imprint"] == {"algorithm": DigestAlgorithm.SHA256.oid, "value": DIGEST}
    assert result["path"][-1] == "CN=TEST Root"
    assert [finding["code"] for finding in result["findings"]] == ["REVOCATION_NOT_CHECKED"]


def test_other_data(desk: Desk) -> None:
    shown = desk.run("token.tst", "--data", "other", "--trust", "root.pem")
    assert shown.exit_code == 1
    assert shown.stdout.startswith("NOT VALID  ")
    assert "IMPRINT_DIFFERS: the timestamp is over other data (RFC 3161, 2.4.2)" in shown.stdout


def test_a_file_that_holds_the_hash_is_other_data(desk: Desk) -> None:
    """--data hashes; who has the digest gives --digest."""
    (desk.directory / "digest").write_text(DIGEST)
    assert desk.run("token.tst", "--data", "digest", "--trust", "root.pem").exit_code == 1


def test_nobody_is_trusted_unasked(desk: Desk) -> None:
    result = desk.json("token.tst", "--data", "data", status=1)
    assert {"NO_ANCHOR"} < {finding["code"] for finding in result["findings"]}
    assert result["path"] == []


def test_every_finding_is_shown(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Case(("other policy", "nonce differs", "no accuracy", "serial number negative")))
    arguments = ("reply.tsr", "--query", "query.tsq", "--data", "data", "--trust", "root.pem")
    codes = {finding["code"]: finding["severity"] for finding in desk.json(*arguments, status=1)["findings"]}
    assert codes == {
        "POLICY_DIFFERS": "invalid",
        "NONCE_DIFFERS": "invalid",
        "ACCURACY_MISSING": "norm",
        "SERIAL_NUMBER": "invalid",
        "REVOCATION_NOT_CHECKED": "note",
    }
    shown = desk.run(*arguments).stdout
    assert all(f"  {code}: " in shown for code in codes)


def test_what_only_a_standard_misses_is_valid_and_said(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Case(("no accuracy",)))
    shown = desk.run("token.tst", "--data", "data", "--trust", "root.pem")
    assert shown.exit_code == 0
    assert "though not every standard is kept" in shown.stdout
    assert desk.json("token.tst", "--data", "data", "--trust", "root.pem", status=0)["conformant"] is False


def test_certificates_that_the_token_leaves_out(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Case(("certificates left out",)))
    arguments = ("token.tst", "--data", "data", "--trust", "root.pem")
    assert "SIGNER_UNKNOWN" in {f["code"] for f in desk.json(*arguments, status=1)["findings"]}
    assert desk.json(*arguments, "--untrusted", "chain.pem", status=0)["conformant"]


def test_no_timestamp_at_all(desk: Desk) -> None:
    result = desk.json("data", "--data", "data", "--trust", "root.pem", status=1)
    assert "UNREADABLE" in {finding["code"] for finding in result["findings"]}
    assert (result["time"], result["imprint"], result["authority"]) == (None, None, None)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("token.tst", "--trust", "root.pem"), "TIMESTAMP_USE"),
        (("token.tst", "--data", "data", "--digest", DIGEST), "TIMESTAMP_USE"),
        (("token.tst", "--digest", DIGEST[:-2]), "TIMESTAMP_USE"),
        (("token.tst", "--digest", DIGEST, "--hash", "sha512"), "TIMESTAMP_USE"),
        (("token.tst", "--digest", "no digits"), "TIMESTAMP_USE"),
        (("token.tst", "--query", "data"), "TIMESTAMP_USE"),
        (("absent.tst", "--data", "data"), "TIMESTAMP_FILE"),
        (("token.tst", "--data", "absent"), "TIMESTAMP_FILE"),
        (("token.tst", "--query", "absent"), "TIMESTAMP_FILE"),
        (("token.tst", "--data", "data", "--trust", "data"), "TRUST_FILE"),
        (("token.tst", "--data", "data", "--untrusted", "absent"), "TRUST_FILE"),
    ],
)
def test_wrong_use(desk: Desk, arguments: tuple[str, ...], code: str) -> None:
    done = desk.run(*arguments)
    assert done.exit_code == 2
    first, second = done.stderr.splitlines()
    assert first.startswith(f"{code}: ")
    assert second.startswith("Remedy: ")
    assert done.stdout == ""


def test_foreign_text_steers_no_terminal(tmp_path: Path) -> None:
    desk = Desk(tmp_path, Case())
    name = tmp_path / "a\x1b[31m.tst"
    name.write_bytes((tmp_path / "token.tst").read_bytes())
    assert "\x1b" not in desk.run(str(name), "--data", "data").stdout
