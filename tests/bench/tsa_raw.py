"""`python -m tests.bench.tsa_raw DIRECTORY KEY STORE SECONDS`: bare signatures per second with a demo authority's key.

The same backend as the authority's, one process, one thread, nothing but signatures: `cryptography` for a key in
memory, `python-pkcs11` for one in SoftHSM, which signs a digest that is made once.
"""

import hashlib
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pkcs11
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from fts.tsa.configuration import Unit
from fts.tsa.demo import demo

_DATA: Final = os.urandom(150)
_SHA256_INFO: Final = bytes.fromhex("3031300d060960864801650304020105000420")
"""DER of a DigestInfo of SHA-256 before the digest (RFC 8017, clause 9.2)."""


def main(arguments: list[str]) -> int:
    """Print signatures per second, and per second of processor time."""
    directory, key, store, seconds = Path(arguments[0]), arguments[1], arguments[2], float(arguments[3])
    if store == "softhsm":
        file, _ = demo(directory, key, 1, "softhsm")
        print(*_rates(_in_token(file.timestamping.unit, key), seconds))
    else:
        print(*_rates(_in_memory(directory / "tsu.key"), seconds))
    return 0


def _rates(sign: Callable[[], object], seconds: float) -> tuple[float, float]:
    sign()
    count, start, cpu = 0, time.perf_counter(), time.process_time()
    while (passed := time.perf_counter() - start) < seconds:
        sign()
        count += 1
    return count / passed, count / (time.process_time() - cpu)


def _in_memory(path: Path) -> Callable[[], object]:
    key = load_pem_private_key(path.read_bytes(), None)
    if isinstance(key, rsa.RSAPrivateKey):
        scheme, digest = padding.PKCS1v15(), hashes.SHA256()
        return lambda: key.sign(_DATA, scheme, digest)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    algorithm = ec.ECDSA(hashes.SHA256())
    return lambda: key.sign(_DATA, algorithm)


def _in_token(unit: Unit, kind: str) -> Callable[[], object]:
    assert unit.pin_file is not None
    pin = unit.pin_file.read_text(encoding="utf-8").split("\n")[0]
    session = pkcs11.lib(str(unit.module)).get_token(token_label=unit.token).open(user_pin=pin)
    key: Any = session.get_key(pkcs11.ObjectClass.PRIVATE_KEY, label=unit.label)
    digest = hashlib.sha256(_DATA).digest()
    if kind.startswith("rsa"):
        return lambda: key.sign(_SHA256_INFO + digest, mechanism=pkcs11.Mechanism.RSA_PKCS)
    return lambda: key.sign(digest, mechanism=pkcs11.Mechanism.ECDSA)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
