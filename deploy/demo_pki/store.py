"""The files of a demo PKI: keys and certificates, its base URL, its revocations.

    DIR/pki.json            base URL
    DIR/revocations.json    revocations, oldest first
    DIR/<folder>/<name>.pem private key (PKCS #8, not encrypted) and certificate

Directories have mode 0700, files 0600; every file appears or changes at once, by renaming.
"""

import json
import os
import re
import tempfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from deploy.demo_pki.certificates import PrivateKey
from deploy.demo_pki.revocation import Revocation

Folder = Literal["authorities", "signers", "tsus"]
FOLDERS: tuple[Folder, ...] = ("authorities", "signers", "tsus")

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


class Store:
    """Reads and writes one demo PKI's directory."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def initialise(self, base_url: str) -> None:
        """Make the folders and the settings in the existing, empty directory."""
        for folder in FOLDERS:
            (self._directory / folder).mkdir(mode=0o700)
        self._write("pki.json", json.dumps({"base_url": base_url}).encode())
        self.write_revocations(())

    def exists(self) -> bool:
        """Tell whether the directory has been initialised."""
        return (self._directory / "pki.json").exists()

    def base_url(self) -> str:
        """Return the URL below which the PKI publishes."""
        settings = json.loads((self._directory / "pki.json").read_bytes())
        return str(settings["base_url"])

    def names(self, folder: Folder) -> Iterator[str]:
        """Yield the names of the key pairs in a folder, sorted."""
        yield from sorted(path.stem for path in (self._directory / folder).glob("*.pem"))

    def check_free(self, folder: Folder, name: str) -> None:
        """Refuse a name that does not suit a file or is taken.

        Raises:
            ValueError: see above.
        """
        if not _NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name: use 1 to 63 lower-case letters, digits, '-' and '_'.")
        if self._entity_path(folder, name).exists():
            raise ValueError(f"{name!r} exists already in {folder}; issue under another name.")

    def write_entity(self, folder: Folder, name: str, key: PrivateKey, certificate: x509.Certificate) -> None:
        """Keep a key pair."""
        encoded_key = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self._write(f"{folder}/{name}.pem", encoded_key + certificate.public_bytes(Encoding.PEM))

    def read_entity(self, folder: Folder, name: str) -> tuple[PrivateKey, x509.Certificate]:
        """Return a key pair. RSA keys are not checked again: they are this PKI's own.

        Raises:
            ValueError: the file holds no RSA or EC key, or no certificate.
            FileNotFoundError: there is no such key pair.
        """
        pem = self._entity_path(folder, name).read_bytes()
        key = load_pem_private_key(pem, password=None, unsafe_skip_rsa_key_validation=True)
        if not isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey):
            raise ValueError(f"{folder}/{name}.pem holds neither an RSA nor an EC key.")  # noqa: TRY004 - content
        return key, x509.load_pem_x509_certificate(pem)

    def revocations(self) -> list[Revocation]:
        """Return all revocations, oldest first."""
        records = json.loads((self._directory / "revocations.json").read_bytes())
        return [
            Revocation(
                issuer=record["issuer"],
                serial_number=int(record["serial_number"], 16),
                at=datetime.fromisoformat(record["at"]),
                reason=x509.ReasonFlags(record["reason"]),
            )
            for record in records
        ]

    def write_revocations(self, revocations: Sequence[Revocation]) -> None:
        """Keep `revocations` in place of those kept before."""
        records = [
            {
                "issuer": revocation.issuer,
                "serial_number": f"{revocation.serial_number:x}",
                "at": revocation.at.isoformat(),
                "reason": revocation.reason.value,
            }
            for revocation in revocations
        ]
        self._write("revocations.json", json.dumps(records, indent=1).encode())

    def _entity_path(self, folder: Folder, name: str) -> Path:
        return self._directory / folder / f"{name}.pem"

    def _write(self, relative_path: str, content: bytes) -> None:
        target = self._directory / relative_path
        descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            Path(temporary).replace(target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
