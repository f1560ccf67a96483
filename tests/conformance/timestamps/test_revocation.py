"""Revocation of the certificates behind a timestamp beside OpenSSL and EU DSS, and on the command line (FTS-TS-5)."""

import io
import json
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from typer.testing import CliRunner, Result

from deploy.demo_pki.certificates import crl_path
from deploy.demo_pki.server import Fault
from fts.cli import application
from signing.asic.timestamp_container import write_container
from tests.conformance.programs import run
from tests.conformance.timestamps.revoking import (
    AFTER,
    BEFORE,
    DATA,
    GEN_TIME,
    REASONS,
    STAYS_VALID,
    Authority,
    answer,
    crl,
)
from tests.conformance.timestamps.units import pem_file
from tests.oracles.oracle import Oracle
from tests.support.line import Line, Lines
from tests.unit.signing.issuing import NOW
from timestamping.algorithms import DigestAlgorithm

IDENTICAL = ["keyCompromise", "cACompromise", "superseded", "cessationOfOperation", "none stated"]


@pytest.fixture(scope="module")
def tsa() -> Authority:
    return Authority()


class Desk:
    """A directory with a token, its data, the root and revocation data, and the programs that judge it there."""

    def __init__(self, directory: Path, tsa: Authority) -> None:
        self.directory = directory
        self.tsa = tsa
        (directory / "data").write_bytes(DATA)
        (directory / "token.tst").write_bytes(tsa.token())
        self.root = pem_file(directory / "root.pem", tsa.root.certificate)

    def write(self, name: str, content: bytes) -> Path:
        path = self.directory / name
        path.write_bytes(content)
        return path

    def ours(self, *arguments: str | Path, status: int) -> dict[str, Any]:
        return command(self.directory / "token.tst", self.directory / "data", self.root, *arguments, status=status)

    def openssl(self, crls: Iterable[bytes], at: datetime = GEN_TIME) -> str:
        """What `openssl ts -verify -crl_check_all` says at a time with these CRLs; empty where all is well."""
        lists = [x509.load_der_x509_crl(each).public_bytes(Encoding.PEM) for each in crls]
        store = self.write("store.pem", self.root.read_bytes() + b"".join(lists))
        result = run(
            *("openssl", "ts", "-verify", "-data", self.directory / "data", "-in", self.directory / "token.tst"),
            *("-token_in", "-CAfile", store, "-crl_check_all", "-attime", str(int(at.timestamp()))),
        )
        return "" if result.returncode == 0 and "Verification: OK" in result.stdout else result.stderr

    def dss(self, oracle: Oracle, token: bytes) -> tuple[str, str | None]:
        """What EU DSS says of the token with all that it carries, now."""
        path = self.write("carrying.tst", token)
        validation = oracle.validate(path, [self.root], detached=[self.directory / "data"])
        (timestamp,) = validation.timestamps
        return timestamp.indication, timestamp.sub_indication


def command(token: Path, data: Path, root: Path, *arguments: str | Path, status: int) -> dict[str, Any]:
    """What `fts timestamp verify --json` says."""
    done = invoked(token, data, root, *arguments, "--json")
    assert done.exit_code == status, done.output
    result: dict[str, Any] = json.loads(done.stdout)
    assert result["valid"] is (status == 0)
    return result


def invoked(token: Path, data: Path, root: Path, *arguments: str | Path) -> Result:
    given = (token, "--data", data, "--trust", root, *arguments)
    return CliRunner().invoke(application, ["timestamp", "verify", *map(str, given)])


@pytest.fixture
def desk(tmp_path: Path, tsa: Authority) -> Desk:
    return Desk(tmp_path, tsa)


def test_all_three_call_it_good(desk: Desk, oracle: Oracle, tsa: Authority) -> None:
    about_unit, about_ca = crl(tsa.ca), crl(tsa.root)
    files = ("--crl", desk.write("unit.crl", about_unit), "--crl", desk.write("ca.crl", about_ca))
    found = desk.ours(*files, status=0)
    assert (found["revocation"]["status"], found["findings"]) == ("good", [])
    assert [each["source"] for each in found["revocation"]["certificates"]] == ["crl", "crl"]
    assert desk.openssl([about_unit, about_ca], at=NOW) == ""
    assert desk.dss(oracle, tsa.token([about_unit, about_ca]))[0] == "PASSED"


@pytest.mark.parametrize("attribute", [False, True], ids=["field", "attribute"])
def test_dss_reads_what_we_read_in_a_token(desk: Desk, oracle: Oracle, tsa: Authority, attribute: bool) -> None:
    token = tsa.token([crl(tsa.root)], [answer(tsa.unit, tsa.ca, tsa.responder)], attribute=attribute)
    assert desk.dss(oracle, token)[0] == "PASSED"
    desk.write("token.tst", token)
    found = desk.ours(status=0)
    assert found["revocation"]["status"] == "good"
    assert [each["source"] for each in found["revocation"]["certificates"]] == ["ocsp", "crl"]


@pytest.mark.parametrize("when", [BEFORE, AFTER], ids=["before", "after"])
@pytest.mark.parametrize("reason", IDENTICAL)
def test_revoked(desk: Desk, oracle: Oracle, tsa: Authority, reason: str, when: datetime) -> None:
    """OpenSSL and DSS know no reason: on one after genTime that leaves tokens valid, and on that alone, we differ."""
    about_unit, about_ca = crl(tsa.ca, (tsa.unit, when, REASONS[reason])), crl(tsa.root)
    stays = when is AFTER and reason in STAYS_VALID
    files = ("--crl", desk.write("unit.crl", about_unit), "--crl", desk.write("ca.crl", about_ca))
    found = desk.ours(*files, status=0 if stays else 1)["revocation"]
    assert found["status"] == ("good" if stays else "revoked")
    stated = None if REASONS[reason] is None else reason
    assert (found["certificates"][0]["revoked_at"], found["certificates"][0]["reason"]) == (when.isoformat(), stated)
    assert "certificate revoked" in desk.openssl([about_unit, about_ca], at=NOW)
    indication, sub_indication = desk.dss(oracle, tsa.token([about_unit, about_ca]))
    assert (indication, str(sub_indication).startswith("REVOKED")) == ("INDETERMINATE", True)


LACKING: MappingProxyType[str, tuple[Callable[[Authority], list[bytes]], str]] = MappingProxyType(
    {
        "nothing": (lambda _tsa: [], "unable to get certificate CRL"),
        "the unit's alone": (lambda tsa: [crl(tsa.ca)], "unable to get certificate CRL"),
        "the authority's alone": (lambda tsa: [crl(tsa.root)], "unable to get certificate CRL"),
        "out of date at genTime": (
            lambda tsa: [
                crl(tsa.ca, this_update=BEFORE - timedelta(hours=1), next_update=BEFORE),
                crl(tsa.root, this_update=BEFORE),
            ],
            "CRL has expired",
        ),
    }
)


@pytest.mark.parametrize("name", LACKING)
def test_what_is_lacking_is_missed(desk: Desk, oracle: Oracle, tsa: Authority, name: str) -> None:
    make, complaint = LACKING[name]
    lists = make(tsa)
    files = [part for number, each in enumerate(lists) for part in ("--crl", desk.write(f"{number}.crl", each))]
    empty = ("--ocsp", desk.write("other.ocsp", answer(tsa.ca, tsa.root, tsa.root)))
    found = desk.ours(*files, *(() if files else empty), status=1)
    assert found["revocation"]["status"] == "unknown"
    assert "REVOCATION_UNKNOWN" in {each["code"] for each in found["findings"]}
    assert complaint in desk.openssl(lists, at=GEN_TIME if "genTime" in name else NOW)
    # DSS's default policy does not ask whether a list was current at genTime
    assert desk.dss(oracle, tsa.token(lists))[0] == ("PASSED" if "genTime" in name else "INDETERMINATE")


def test_pem_and_people(desk: Desk, tsa: Authority) -> None:
    lists = [crl(tsa.ca, (tsa.unit, AFTER, REASONS["superseded"])), crl(tsa.root)]
    files: list[str | Path] = []
    for number, each in enumerate(lists):
        pem = x509.load_der_x509_crl(each).public_bytes(Encoding.PEM)
        files += ["--crl", desk.write(f"{number}.pem", pem)]
    shown = invoked(desk.directory / "token.tst", desk.directory / "data", desk.root, *files)
    assert shown.exit_code == 0
    assert "CERTIFICATE_REVOKED_LATER: CN=TEST Timestamping Unit is revoked since" in shown.stdout
    assert "good, by CRL of" in shown.stdout
    assert "unknown" in invoked(desk.directory / "token.tst", desk.directory / "data", desk.root).stdout


@pytest.mark.parametrize("option", ["--crl", "--ocsp"])
def test_what_is_no_revocation_data(desk: Desk, option: str) -> None:
    absent = invoked(desk.directory / "token.tst", desk.directory / "data", desk.root, option, "absent")
    garbage = invoked(desk.directory / "token.tst", desk.directory / "data", desk.root, option, desk.directory / "data")
    assert [(done.exit_code, done.stderr.partition(":")[0]) for done in (absent, garbage)] == [
        (2, "TIMESTAMP_FILE"),
        (2, "TIMESTAMP_USE"),
    ]


@pytest.fixture
def own_line(lines: Lines) -> Line:
    return lines.start()


@pytest.fixture
def stamped(own_line: Line, tmp_path: Path) -> tuple[Path, Path, Path]:
    """A token of the line's authority, its data and the root."""
    algorithm = DigestAlgorithm.SHA256
    token = own_line.run(lambda client: own_line.timestamps(client).timestamp(algorithm.digest(DATA), algorithm))
    (tmp_path / "token.tst").write_bytes(token.der)
    (tmp_path / "data").write_bytes(DATA)
    return tmp_path / "token.tst", tmp_path / "data", own_line.root_pem


def test_fetched(own_line: Line, stamped: tuple[Path, Path, Path]) -> None:
    """The services that the certificates name are asked, if it is asked for and their addresses may be."""
    allowed = ("--fetch", "--allow-host", own_line.pki.base_url)
    found = command(*stamped, *allowed, status=0)["revocation"]
    assert (found["status"], found["unfetched"]) == ("good", [])
    refused = command(*stamped, "--fetch", status=1)["revocation"]
    assert (refused["status"], {each["code"] for each in refused["unfetched"]}) == (
        "unknown",
        {"REVOCATION_UNAVAILABLE"},
    )
    path = crl_path("timestamping")
    own_line.app.faults[path] = Fault("down")
    failed = command(*stamped, *allowed, status=1)["revocation"]
    assert [each["party"] for each in failed["unfetched"]] == [own_line.pki.base_url + path]
    shown = invoked(*stamped, *allowed)
    assert "REVOCATION_UNAVAILABLE: " in shown.stdout
    own_line.app.faults.clear()
    own_line.pki.revoke(own_line.pki.tsu.certificate, reason=x509.ReasonFlags.key_compromise)
    revoked = command(*stamped, *allowed, status=1)["revocation"]
    assert (revoked["status"], revoked["certificates"][0]["reason"]) == ("revoked", "keyCompromise")
    unasked = command(*stamped, status=0)
    assert [each["code"] for each in unasked["findings"]] == ["REVOCATION_NOT_CHECKED"]


def test_nothing_is_fetched_for_an_unknown_authority(own_line: Line, stamped: tuple[Path, Path, Path]) -> None:
    """Addresses are read only from verified certificates: the services are down, and none is missed."""
    token, data, _ = stamped
    stranger = pem_file(data.with_name("stranger.pem"), Authority().root.certificate)
    own_line.app.faults.update({crl_path(each): Fault("down") for each in ("root", "timestamping")})
    found = command(token, data, stranger, "--fetch", "--allow-host", own_line.pki.base_url, status=1)
    assert (found["revocation"]["unfetched"], found["revocation"]["certificates"]) == ([], [])


def test_a_container(tmp_path: Path, tsa: Authority, oracle: Oracle) -> None:
    """ASiC-S with one file and its timestamp, which carries what shows its authority good (EN 319 162-1, 4.3)."""
    path, root = tmp_path / "letter.asics", pem_file(tmp_path / "root.pem", tsa.root.certificate)
    for content, status in ((DATA, 0), (DATA + b"!", 1)):
        with path.open("w+b") as output:
            write_container(io.BytesIO(content), "letter.txt", tsa.token([crl(tsa.ca), crl(tsa.root)]), NOW, output)
        done = CliRunner().invoke(application, ["timestamp", "verify", str(path), "--trust", str(root), "--json"])
        result = json.loads(done.stdout)
        assert (done.exit_code, result["valid"], result["contained"]) == (status, status == 0, "letter.txt")
        assert result["revocation"]["status"] == "good"
        (stamp,) = oracle.validate(path, [root]).timestamps
        assert (stamp.indication == "PASSED") is (status == 0)
    arguments = ["timestamp", "verify", str(path), "--trust", str(root)]
    doubled = CliRunner().invoke(application, [*arguments, "--data", str(root)])
    assert (doubled.exit_code, doubled.stderr.partition(":")[0]) == (2, "TIMESTAMP_USE")
    path.write_bytes(path.read_bytes()[:-30])
    broken = CliRunner().invoke(application, arguments)
    assert (broken.exit_code, broken.stderr.partition(":")[0]) == (1, "ASIC_CONTAINER_INVALID")
