"""Life of the PKI's directory: creation, reload, issue and revocation."""

import shutil
import stat
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import process_time

import pytest
from cryptography import x509
from cryptography.x509.ocsp import OCSPCertStatus

from deploy.demo_pki import certificates
from deploy.demo_pki import pki as pki_module
from deploy.demo_pki.pki import DemoPki, choose_base_url
from timestamping.clock import Clock, utc_now

DatedCopy = Callable[[Clock], DemoPki]
BASE_URL = "http://127.0.0.1:1"


@pytest.fixture
def without_rsa(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare creation the search for RSA primes."""
    monkeypatch.setattr(pki_module, "DEFAULT_SIGNERS", ("p384",))


def test_only_the_owner_reads_the_directory(directory: Path) -> None:
    paths = [directory, *directory.rglob("*")]
    assert len(paths) > 10
    for path in paths:
        mode = stat.S_IMODE(path.stat().st_mode)
        assert mode == (0o700 if path.is_dir() else 0o600), path


def test_creation_leaves_nothing_beside_the_directory(directory: Path) -> None:
    assert list(directory.parent.iterdir()) == [directory]


@pytest.mark.usefixtures("without_rsa")
def test_creation_dates_by_the_clock(tmp_path: Path) -> None:
    moment = datetime(2040, 2, 29, 12, 0, 0, 500, tzinfo=UTC)
    directory = tmp_path / "new" / "empty"
    directory.mkdir(parents=True)
    pki = DemoPki.create(directory, base_url=BASE_URL, clock=lambda: moment)
    start = moment.replace(microsecond=0) - timedelta(days=3)
    for entity in (pki.root, pki.citizen_ca, pki.timestamping_ca, pki.tsu, *pki.signers.values()):
        assert entity.certificate.not_valid_before_utc == start


@pytest.mark.usefixtures("without_rsa")
def test_interrupted_creation_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_arguments: object, **_options: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(certificates, "tsu_certificate", interrupt)
        with pytest.raises(KeyboardInterrupt):
            DemoPki.create(tmp_path / "pki", base_url=BASE_URL)
    assert list(tmp_path.iterdir()) == []
    assert DemoPki.create(tmp_path / "pki", base_url=BASE_URL).tsu


def test_creation_refuses_a_directory_in_use(directory: Path) -> None:
    before = sorted(directory.rglob("*"))
    with pytest.raises(FileExistsError, match="not empty"):
        DemoPki.create(directory, base_url=BASE_URL)
    assert sorted(directory.rglob("*")) == before


@pytest.mark.parametrize("base_url", ["", "127.0.0.1:1", "https://127.0.0.1:1", "http://127.0.0.1:1/", "http://"])
def test_creation_refuses_what_is_no_base_url(tmp_path: Path, base_url: str) -> None:
    with pytest.raises(ValueError, match="base URL"):
        DemoPki.create(tmp_path / "pki", base_url=base_url)


def test_base_url_is_on_loopback() -> None:
    assert choose_base_url().startswith("http://127.0.0.1:")


def test_loading_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="create it first"):
        DemoPki.load(tmp_path)


def test_loading_is_fast_and_complete(directory: Path) -> None:
    start = process_time()
    pki = DemoPki.load(directory)
    assert process_time() - start < 0.3
    assert pki.tsu.name == "tsu"
    assert {"p384", "rsa3072"} <= set(pki.signers)


def test_reload_keeps_what_was_issued_and_revoked(directory: Path, tmp_path: Path) -> None:
    path = shutil.copytree(directory, tmp_path / "copy")
    pki = DemoPki.load(path)
    issued = pki.issue_signer("reloaded", "p256")
    tsu = pki.issue_tsu("reloaded")
    at = utc_now().replace(microsecond=0) - timedelta(minutes=5)
    pki.revoke(issued.certificate, at=at, reason=x509.ReasonFlags.superseded)
    pki.revoke(pki.timestamping_ca.certificate, at=at)

    again = DemoPki.load(path)
    assert again.base_url == pki.base_url
    assert again.signers["reloaded"].certificate == issued.certificate
    assert again.signers["reloaded"].chain == issued.chain
    assert again.tsus["reloaded"].certificate == tsu.certificate
    status = again.status_of_citizen(issued.certificate.serial_number, utc_now())
    assert not isinstance(status, OCSPCertStatus)
    assert (status.at, status.reason) == (at, x509.ReasonFlags.superseded)
    root_crl = x509.load_der_x509_crl(again.crl("root"))
    assert [entry.serial_number for entry in root_crl] == [pki.timestamping_ca.certificate.serial_number]


def test_a_name_is_issued_once(pki: DemoPki) -> None:
    with pytest.raises(ValueError, match="exists already"):
        pki.issue_signer("p384", "p384")
    with pytest.raises(ValueError, match="exists already"):
        pki.issue_tsu("tsu")


@pytest.mark.parametrize("name", ["", "../escape", "Upper", "a/b", "-dash", "a" * 64])
def test_names_that_suit_no_file(pki: DemoPki, name: str) -> None:
    with pytest.raises(ValueError, match="is no name"):
        pki.issue_signer(name, "p256")


@pytest.mark.parametrize("number", ["1234", "0013320019x", "٠٠١٣٣٢٠٠١٩٦"])
def test_national_number_has_eleven_digits(pki: DemoPki, number: str) -> None:
    with pytest.raises(ValueError, match="11 digits"):
        pki.issue_signer("numbered", "p256", national_number=number)


def test_a_certificate_is_revoked_once(dated_copy: DatedCopy) -> None:
    pki = dated_copy(utc_now)
    pki.revoke(pki.tsu.certificate)
    with pytest.raises(ValueError, match="revoked already"):
        pki.revoke(pki.tsu.certificate)


@pytest.mark.usefixtures("without_rsa")
def test_foreign_certificates_and_the_root_cannot_be_revoked(pki: DemoPki, tmp_path: Path) -> None:
    other = DemoPki.create(tmp_path / "pki", base_url=BASE_URL)
    for certificate in (other.tsu.certificate, pki.root.certificate):
        with pytest.raises(ValueError, match="none that this PKI can revoke"):
            pki.revoke(certificate)


def test_what_is_removed_from_a_crl_is_not_revoked(pki: DemoPki) -> None:
    with pytest.raises(ValueError, match="removeFromCRL"):
        pki.revoke(pki.tsu.certificate, reason=x509.ReasonFlags.remove_from_crl)


def test_revocation_needs_a_time_zone(dated_copy: DatedCopy) -> None:
    pki = dated_copy(utc_now)
    with pytest.raises(ValueError, match="time zone"):
        pki.revoke(pki.tsu.certificate, at=datetime(2031, 1, 1))  # noqa: DTZ001 - the point
