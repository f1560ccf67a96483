"""`fts timestamp create` as a program: FTS-TS-2, FTS-TS-5."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.conformance.raw_pdf import raw_signatures
from tests.oracles.oracle import Oracle
from tests.samples.sound import SOUND
from tests.support.authority import RunningAuthority
from tests.support.line import Line

SECONDS = 60.0
Run = subprocess.CompletedProcess[str]


def create(line: Line, file: Path, *arguments: str | Path, tsa: str = "/tsa", trust: Path | None = None) -> Run:
    base = line.pki.base_url
    command = [sys.executable, "-m", "fts.cli", "timestamp", "create", str(file), "--tsa", f"{base}{tsa}"]
    command += ["--allow-host", base, "--trust", str(trust or line.root_pem), *map(str, arguments)]
    environment = {**os.environ, "COLUMNS": "200"}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS, env=environment)


def openssl(line: Line, data: Path, token: bytes, directory: Path) -> Run:
    (directory / "judged.tst").write_bytes(token)
    command = ["openssl", "ts", "-verify", "-data", str(data), "-in", str(directory / "judged.tst"), "-token_in"]
    command += ["-CAfile", str(line.root_pem)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "letter.txt"
    path.write_bytes(os.urandom(100_000))
    return path


@pytest.mark.parametrize("digest", ["sha256", "sha512"])
def test_a_token_beside_the_file(line: Line, file: Path, tmp_path: Path, digest: str) -> None:
    before = file.read_bytes()
    done = create(line, file, "--digest", digest)
    assert done.returncode == 0, done.stderr
    assert openssl(line, file, (tmp_path / "letter.txt.tst").read_bytes(), tmp_path).returncode == 0
    assert file.read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["judged.tst", "letter.txt", "letter.txt.tst"]


def test_a_container(line: Line, file: Path, tmp_path: Path) -> None:
    done = create(line, file, "--form", "asic-s", "--out", tmp_path / "letter.asics")
    assert done.returncode == 0, done.stderr
    with zipfile.ZipFile(tmp_path / "letter.asics") as archive:
        assert archive.namelist() == ["mimetype", "letter.txt", "META-INF/timestamp.tst"]
        assert archive.read("letter.txt") == file.read_bytes()
        assert openssl(line, file, archive.read("META-INF/timestamp.tst"), tmp_path).returncode == 0


def test_a_timestamp_in_a_pdf(line: Line, oracle: Oracle, tmp_path: Path) -> None:
    document = tmp_path / "contract.pdf"
    document.write_bytes(SOUND["one_page"]())
    done = create(line, document, "--form", "pdf")
    assert done.returncode == 0, done.stderr
    result = tmp_path / "contract-timestamped.pdf"
    assert result.read_bytes().startswith(document.read_bytes())
    (timestamp,) = oracle.validate(result, [line.root_pem]).timestamps
    assert (timestamp.indication, timestamp.type) == ("PASSED", "DOCUMENT_TIMESTAMP")
    (field,) = raw_signatures(result.read_bytes())
    covered = tmp_path / "covered"
    covered.write_bytes(field.covered)
    assert openssl(line, covered, field.cms, tmp_path).returncode == 0


def refused(done: Run) -> str:
    assert done.returncode in (1, 2)
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("Remedy: ")
    return done.stderr.splitlines()[-2].partition(":")[0]


def test_a_stranger_as_authority(line: Line, file: Path, tmp_path: Path) -> None:
    """A token that rests on no given root is not written."""
    key, root = tmp_path / "other.key", tmp_path / "other.pem"
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=Other",
    ]
    subprocess.run([*command, "-keyout", key, "-out", root], capture_output=True, check=True)
    assert refused(create(line, file, trust=root)) == "TIMESTAMP_INVALID"
    assert not (tmp_path / "letter.txt.tst").exists()


def test_no_authority(line: Line, file: Path) -> None:
    assert refused(create(line, file, tsa="/nothing")) == "TIMESTAMP_UNAVAILABLE"


def test_a_pdf_and_an_authority_without_revocation_data(tmp_path: Path) -> None:
    """The demo's unit names no CRL: the error says so and what to do, and the other forms work."""
    document = tmp_path / "contract.pdf"
    document.write_bytes(SOUND["one_page"]())
    demo = tmp_path / "demo"
    with RunningAuthority("--demo", "--directory", demo, log=tmp_path / "log") as running:
        command = [sys.executable, "-m", "fts.cli", "timestamp", "create", str(document), "--tsa", running.url]
        command += ["--allow-host", running.url, "--trust", str(demo / "root.pem")]

        def stamp(form: str) -> Run:
            asked = [*command, "--form", form]
            return subprocess.run(asked, capture_output=True, text=True, check=False, timeout=SECONDS)

        told = stamp("pdf")
        assert refused(told) == "REVOCATION_UNAVAILABLE"
        assert "names no OCSP responder and no CRL" in told.stderr
        assert "--form detached or asic-s" in told.stderr
        assert not (tmp_path / "contract-timestamped.pdf").exists()
        assert [stamp(form).returncode for form in ("detached", "asic-s")] == [0, 0]


def test_what_is_there_is_kept(line: Line, file: Path, tmp_path: Path) -> None:
    result = tmp_path / "letter.txt.tst"
    result.write_text("mine")
    assert refused(create(line, file)) == "OUTPUT_EXISTS"
    assert result.read_text() == "mine"
    assert create(line, file, "--force").returncode == 0
    assert result.read_bytes()[:1] == b"\x30"


def test_what_is_no_pdf(line: Line, file: Path) -> None:
    assert refused(create(line, file, "--form", "pdf")) == "NOT_A_PDF"


def test_no_file(line: Line, tmp_path: Path) -> None:
    assert refused(create(line, tmp_path / "absent")) == "TIMESTAMP_FILE"
