"""The scene on which all peers sign: one demo PKI in a process of its own, one signer, the same files."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Literal, Self
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from deploy.demo_pki.certificates import TSA_PATH
from deploy.demo_pki.pki import DemoPki, choose_base_url
from deploy.demo_pki.server import DemoPkiApp, DemoServer
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.app import TimestampingApp
from timestamping.authority.authority import Authority
from timestamping.authority.factory import SoftwareTsuKey
from timestamping.authority.policies import Policies
from timestamping.authority.unit import TimestampingUnit
from timestamping.clock import utc_now

KeyName = Literal["p384", "rsa3072"]

_TSA_POLICY = "2.25.329800735698586629295641978511506172918"
_READY = "ready"


@dataclass(frozen=True, slots=True)
class Scene:
    """What a signer needs to know, by paths and addresses, so that another process can be told."""

    key: str
    """Path of the signer's unencrypted PKCS#8 key, PEM."""
    chain: tuple[str, ...]
    """Paths of the signer's certificate and its issuers up to the root, PEM."""
    root: str
    """Path of the trust anchor, PEM."""
    base_url: str
    tsa_url: str

    def to_json(self) -> str:
        """Serialise in one line."""
        return json.dumps(asdict(self))

    def read_key(self) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
        """Load the signer's key."""
        key = load_pem_private_key(Path(self.key).read_bytes(), password=None)
        assert isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey)
        return key

    def read_chain(self) -> list[x509.Certificate]:
        """Load the signer's certificate and its issuers, the root last."""
        return [x509.load_pem_x509_certificate(Path(path).read_bytes()) for path in self.chain]

    @classmethod
    def from_json(cls, text: str) -> Self:
        """Restore from `to_json`."""
        fields: dict[str, Any] = json.loads(text)
        return cls(**{**fields, "chain": tuple(fields["chain"])})


@contextmanager
def scene(directory: Path, key_name: KeyName) -> Iterator[Scene]:
    """Create a demo PKI below `directory`, serve it and a timestamping authority, and stop at the end.

    Raises:
        RuntimeError: the servers did not start.
    """
    pki = DemoPki.create(directory / "pki", base_url=choose_base_url())
    signer = pki.signers[key_name]
    key = directory / "signer-key.pem"
    key.touch(mode=0o600)
    key.write_bytes(signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    chain = []
    for index, certificate in enumerate((signer.certificate, *signer.chain)):
        path = directory / f"chain-{index}.pem"
        path.write_bytes(certificate.public_bytes(Encoding.PEM))
        chain.append(str(path))
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.scene", str(directory / "pki")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with server:
        try:
            if not server.stdout or server.stdout.readline().strip() != _READY:
                raise RuntimeError("the demo PKI did not start")
            yield Scene(str(key), tuple(chain), chain[-1], pki.base_url, pki.base_url + TSA_PATH)
        finally:
            if server.stdin:
                server.stdin.close()


def write_documents(directory: Path, generators: Mapping[str, Callable[[], bytes]]) -> dict[str, Path]:
    """Write the documents that all peers sign; return their paths by file name."""
    paths = {}
    for name, generate in generators.items():
        paths[name] = directory / name
        paths[name].write_bytes(generate())
    return paths


def signature_value(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey, octets: bytes, algorithm: DigestAlgorithm
) -> bytes:
    """Sign octets as a card would: PKCS#1 v1.5, or a DER ECDSA-Sig-Value."""
    if isinstance(key, rsa.RSAPrivateKey):
        return key.sign(octets, padding.PKCS1v15(), algorithm.primitive)
    return key.sign(octets, ec.ECDSA(algorithm.primitive))


def serve(directory: Path, stop: IO[str]) -> None:
    """Serve the PKI of a directory, and its timestamping unit at /tsa, until `stop` ends."""
    pki = DemoPki.load(directory)
    tsu = pki.tsu
    unit = TimestampingUnit(SoftwareTsuKey(tsu.key), tsu.certificate, tsu.chain[:1])
    app = DemoPkiApp(pki, timestamping=TimestampingApp(Authority(unit, utc_now, policies=Policies(_TSA_POLICY))))
    with DemoServer(app, port=urlsplit(pki.base_url).port or 80):
        print(_READY, flush=True)
        stop.read()


if __name__ == "__main__":
    serve(Path(sys.argv[1]), sys.stdin)
