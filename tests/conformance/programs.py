"""Programs of other makers that judge a signed PDF: qpdf its structure, OpenSSL its CMS and its timestamps."""

import hashlib
import itertools
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

from tests.conformance.raw_pdf import RawSignature, raw_signatures, signature_timestamps, signature_value

SECONDS = 60.0

Complaints = list[str]
"""Empty where all is well."""


def run(*command: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, its output as text."""
    return subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        check=False,
        timeout=SECONDS,
        text=True,
        errors="replace",
    )


class _Files:
    """Numbered files in a directory; safe to use from several threads."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._numbers = itertools.count()

    def write(self, data: bytes, suffix: str) -> Path:
        path = self._directory / f"{next(self._numbers)}{suffix}"
        path.write_bytes(data)
        return path


class Qpdf:
    """qpdf as judge of syntax, cross-reference tables and streams."""

    def __init__(self, directory: Path) -> None:
        self._files = _Files(directory)

    def check(self, data: bytes) -> Complaints:
        """What `qpdf --check` finds, warnings included."""
        path = self._files.write(data, ".pdf")
        result = run("qpdf", "--check", path)
        path.unlink()
        if result.returncode == 0:
            return []
        return [f"qpdf --check {result.returncode}: {result.stdout[-300:]} {result.stderr[-300:]}"]


class OpenSsl:
    """OpenSSL as judge of CMS signatures (with the CAdES attribute) and RFC 3161 tokens under one root."""

    def __init__(self, root: Path, directory: Path) -> None:
        self._root = root
        self._files = _Files(directory)

    def signature(self, signature: RawSignature) -> Complaints:
        """`openssl cms -verify -cades` on a detached CMS and what its byte range covers."""
        cms = self._files.write(signature.cms, ".p7s")
        covered = self._files.write(signature.covered, ".bin")
        result = run(
            *("openssl", "cms", "-verify", "-cades", "-binary", "-inform", "DER", "-in", cms),
            *("-content", covered, "-CAfile", self._root, "-out", os.devnull),
        )
        cms.unlink()
        covered.unlink()
        if result.returncode == 0 and "CAdES Verification successful" in result.stderr:
            return []
        return [f"openssl cms: {result.stderr.strip()[-300:]}"]

    def token_over_data(self, token: bytes, data: bytes) -> Complaints:
        """`openssl ts -verify -token_in -data`: OpenSSL hashes the data itself."""
        return self._token(token, "-data", self._files.write(data, ".bin"))

    def token_over_digest(self, token: bytes, digest: bytes) -> Complaints:
        """`openssl ts -verify -token_in -digest`."""
        return self._token(token, "-digest", digest.hex())

    def reply_to_query(self, reply: bytes, query: bytes, *, untrusted: Path | None = None) -> Complaints:
        """`openssl ts -verify -queryfile`: imprint, nonce and policy against the query, signature, path."""
        paths = [self._files.write(query, ".tsq"), self._files.write(reply, ".tsr")]
        more = () if untrusted is None else ("-untrusted", untrusted)
        return self._verified("-queryfile", paths[0], "-in", paths[1], *more)

    def query(self, digest: bytes, algorithm: str, *options: str) -> bytes:
        """`openssl ts -query -digest` with the given further options."""
        path = self._files.write(b"", ".tsq")
        result = run("openssl", "ts", "-query", "-digest", digest.hex(), f"-{algorithm}", *options, "-out", path)
        if result.returncode:
            raise RuntimeError(result.stderr)
        return path.read_bytes()

    def document(self, data: bytes, algorithm: str, *, signatures: int = 1) -> Complaints:
        """Every signature, signature timestamp and document timestamp of a PDF whose imprints use `algorithm`."""
        found = raw_signatures(data)
        complaints: Complaints = []
        timestamps = 0
        for raw in found:
            if raw.sub_filter == "ETSI.RFC3161":
                timestamps += 1
                complaints += self.token_over_digest(raw.cms, hashlib.new(algorithm, raw.covered).digest())
            else:
                complaints += self.signature(raw)
                for token in signature_timestamps(raw.cms):
                    complaints += self.token_over_data(token, signature_value(raw.cms))
        if len(found) - timestamps != signatures:
            complaints.append(f"{len(found) - timestamps} signatures instead of {signatures}")
        return complaints

    def _token(self, token: bytes, *over: str | Path) -> Complaints:
        return self._verified(*over, "-token_in", "-in", self._files.write(token, ".tst"))

    def _verified(self, *arguments: str | Path) -> Complaints:
        result = run("openssl", "ts", "-verify", *arguments, "-CAfile", self._root)
        _remove(arguments)
        if result.returncode == 0 and "Verification: OK" in result.stdout:
            return []
        return [f"openssl ts: {result.stdout.strip()} {result.stderr.strip()[-300:]}"]


def _remove(arguments: Sequence[str | Path]) -> None:
    for argument in arguments:
        if isinstance(argument, Path) and argument.suffix in {".bin", ".tst", ".tsq", ".tsr"}:
            argument.unlink()
