"""Trust anchors from files, PEM or DER."""

from collections.abc import Iterable
from pathlib import Path

from cryptography import x509

from fts.errors import RefusalError, file_refusal

_MOST_BYTES = 16 * 1024 * 1024
_PEM = b"-----BEGIN CERTIFICATE-----"


def load_trust_files(paths: Iterable[Path]) -> list[x509.Certificate]:
    """Return the certificates of all files, each once; a PEM file may hold several.

    Raises:
        RefusalError: TRUST_FILE, a file cannot be read or holds no certificate.
    """
    found: dict[x509.Certificate, None] = {}
    for path in paths:
        found.update(dict.fromkeys(_load(path)))
    return list(found)


def _load(path: Path) -> list[x509.Certificate]:
    try:
        with path.open("rb") as file:
            content = file.read(_MOST_BYTES)
    except OSError as error:
        raise file_refusal("TRUST_FILE", error, str(path)) from error
    try:
        if _PEM in content:
            return x509.load_pem_x509_certificates(content)
        return [x509.load_der_x509_certificate(content)]
    except ValueError as error:
        raise RefusalError(
            "TRUST_FILE", f"{path} holds no certificate, neither PEM nor DER", "Give the certificate of a trusted root."
        ) from error
