"""OpenSSL as the judge: paths with CRLs, and OCSP over HTTP."""

import subprocess
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from deploy.demo_pki.certificates import ISSUERS
from deploy.demo_pki.pki import DemoPki, Entity
from deploy.demo_pki.server import DemoPkiApp, Fault
from timestamping.clock import Clock, utc_now

DatedCopy = Callable[[Clock], DemoPki]


def openssl(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["openssl", *map(str, arguments)], capture_output=True, text=True, timeout=20, check=False)


def write_pem(path: Path, *items: x509.Certificate | x509.CertificateRevocationList) -> Path:
    path.write_bytes(b"".join(item.public_bytes(Encoding.PEM) for item in items))
    return path


def verify(
    folder: Path, entity: Entity, crls: list[bytes], *options: str, at: datetime | None = None
) -> subprocess.CompletedProcess[str]:
    *intermediates, root = entity.chain
    moment = ("-attime", str(int(at.timestamp()))) if at else ()
    return openssl(
        "verify",
        "-x509_strict",
        "-crl_check_all",
        *options,
        *moment,
        *("-CAfile", write_pem(folder / "root.pem", root)),
        *("-untrusted", write_pem(folder / "untrusted.pem", *intermediates)),
        *("-CRLfile", write_pem(folder / "crls.pem", *map(x509.load_der_x509_crl, crls))),
        write_pem(folder / "subject.pem", entity.certificate),
    )


def published_crls(http: httpx.Client, entity: Entity) -> list[bytes]:
    """Fetch the CRL that each certificate of the path points to."""
    crls = []
    for certificate in (entity.certificate, *entity.chain[:-1]):
        [point] = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
        assert point.full_name is not None
        crls.append(http.get(point.full_name[0].value).raise_for_status().content)
    return crls


def ask_ocsp(
    folder: Path, pki: DemoPki, subject: x509.Certificate | int, *options: str
) -> subprocess.CompletedProcess[str]:
    """Ask the served responder about a certificate or a serial number."""
    certificate: tuple[str | Path, ...] = (
        ("-serial", str(subject)) if isinstance(subject, int) else ("-cert", write_pem(folder / "subject.pem", subject))
    )
    return openssl(
        "ocsp",
        *options,
        *("-url", f"{pki.base_url}/ocsp"),
        *("-issuer", write_pem(folder / "issuer.pem", pki.citizen_ca.certificate)),
        *certificate,
        *("-CAfile", write_pem(folder / "trusted.pem", pki.root.certificate, pki.citizen_ca.certificate)),
    )


@pytest.mark.parametrize("name", ["p384", "rsa3072"])
def test_signer_path_with_the_published_crls(pki: DemoPki, http: httpx.Client, tmp_path: Path, name: str) -> None:
    signer = pki.signers[name]
    result = verify(tmp_path, signer, published_crls(http, signer))
    assert result.returncode == 0, result.stderr


def test_tsu_path_with_the_published_crls(pki: DemoPki, http: httpx.Client, tmp_path: Path) -> None:
    result = verify(tmp_path, pki.tsu, published_crls(http, pki.tsu), "-purpose", "timestampsign")
    assert result.returncode == 0, result.stderr


def test_revoked_tsu_and_revoked_authority(dated_copy: DatedCopy, tmp_path: Path) -> None:
    pki = dated_copy(utc_now)
    pki.revoke(pki.tsu.certificate)
    pki.revoke(pki.citizen_ca.certificate, reason=x509.ReasonFlags.ca_compromise)
    crls = [pki.crl(issuer) for issuer in ISSUERS]
    for entity in (pki.tsu, pki.signers["p384"]):
        result = verify(tmp_path, entity, crls)
        assert result.returncode != 0
        assert "certificate revoked" in result.stderr


def test_validity_ends_with_the_clock(dated_copy: DatedCopy, tmp_path: Path) -> None:
    now = [utc_now()]
    pki = dated_copy(lambda: now[0])
    signer = pki.signers["p384"]
    for moment, expired in (
        (signer.certificate.not_valid_after_utc - timedelta(hours=1), False),
        (signer.certificate.not_valid_after_utc + timedelta(hours=1), True),
    ):
        now[0] = moment
        result = verify(tmp_path, signer, [pki.crl(issuer) for issuer in ISSUERS], at=moment)
        assert (result.returncode != 0) is expired, result.stderr
        assert ("certificate has expired" in result.stderr) is expired


def test_crl_expires_with_the_clock(pki: DemoPki, tmp_path: Path) -> None:
    crls = [pki.crl(issuer) for issuer in ISSUERS]
    result = verify(tmp_path, pki.tsu, crls, at=utc_now() + timedelta(hours=25))
    assert result.returncode != 0
    assert "CRL has expired" in result.stderr


@pytest.mark.usefixtures("app")
@pytest.mark.parametrize("cert_id_hash", ["-sha1", "-sha256"])
def test_ocsp_good(pki: DemoPki, tmp_path: Path, cert_id_hash: str) -> None:
    result = ask_ocsp(tmp_path, pki, pki.signers["rsa3072"].certificate, cert_id_hash)
    assert "Response verify OK" in result.stderr
    assert "subject.pem: good" in result.stdout
    assert "WARNING" not in result.stderr


@pytest.mark.usefixtures("app")
def test_ocsp_revoked(pki: DemoPki, tmp_path: Path) -> None:
    signer = pki.issue_signer("revoked-by-ocsp", "p256")
    pki.revoke(signer.certificate, reason=x509.ReasonFlags.key_compromise)
    result = ask_ocsp(tmp_path, pki, signer.certificate)
    assert "Response verify OK" in result.stderr
    assert "subject.pem: revoked" in result.stdout
    assert "Reason: keyCompromise" in result.stdout


@pytest.mark.usefixtures("app")
def test_ocsp_unknown(pki: DemoPki, tmp_path: Path) -> None:
    result = ask_ocsp(tmp_path, pki, 4711)
    assert "Response verify OK" in result.stderr
    assert "4711: unknown" in result.stdout


@pytest.mark.usefixtures("app")
def test_ocsp_does_not_answer_for_another_authority(pki: DemoPki, tmp_path: Path) -> None:
    result = ask_ocsp(tmp_path, pki, pki.tsu.certificate)
    assert "Responder Error: unauthorized" in result.stdout


def test_ocsp_by_an_unauthorised_citizen(pki: DemoPki, app: DemoPkiApp, tmp_path: Path) -> None:
    app.faults["/ocsp"] = Fault("wrong_responder")
    result = ask_ocsp(tmp_path, pki, pki.signers["rsa3072"].certificate)
    assert "Response Verify Failure" in result.stderr
    assert "missing ocspsigning usage" in result.stderr
