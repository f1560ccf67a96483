"""Revocation data for the verification of a timestamp: from files, and from the services that its certificates name."""

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from fts.errors import RefusalError, file_refusal
from fts.outbound import Target, outbound_client
from fts.verify_json import Json
from signing.limits import LIMITS
from signing.ports import RevocationError
from timestamping.clock import Clock
from timestamping.path import Path as CertificatePath
from timestamping.revocation import needs_no_revocation
from timestamping.revocation_values import RevocationValues

if TYPE_CHECKING:
    from signing.trust.sources import RevocationSource

_PEM: Final = b"-----BEGIN X509 CRL-----"


@dataclass(slots=True)
class Fetched:
    """What services gave, and which gave nothing."""

    ocsps: list[bytes] = field(default_factory=list)
    crls: list[bytes] = field(default_factory=list)
    failures: list[Json] = field(default_factory=list)
    """party, code and message of each."""

    @property
    def values(self) -> RevocationValues:
        """What was given."""
        return RevocationValues(tuple(self.ocsps), tuple(self.crls))


def load_values(crls: Iterable[Path], ocsps: Iterable[Path]) -> RevocationValues:
    """Read CRLs (PEM or DER, one in a file) and OCSP responses (DER).

    Raises:
        RefusalError: TIMESTAMP_FILE, a file cannot be read; TIMESTAMP_USE, it holds something else.
    """
    return RevocationValues(
        tuple(_load(path, LIMITS.ocsp_bytes, _ocsp, "OCSP response (DER)") for path in ocsps),
        tuple(_load(path, LIMITS.crl_bytes, _crl, "CRL, neither PEM nor DER") for path in crls),
    )


async def fetched(path: CertificatePath, allowed_urls: Collection[str], clock: Clock) -> Fetched:
    """Ask about every certificate of a verified path but the anchor, and about delegated responders that need it.

    Args:
        path: the path; URLs are read from no other certificates than those that were verified up to an anchor.
        allowed_urls: servers on internal addresses that may be asked.
        clock: what answers must not be older than their next update by.
    """
    from signing.trust.sources import RevocationSource  # noqa: PLC0415 - only who fetches needs it

    found = Fetched()
    async with outbound_client(allowed=[Target.of(url) for url in allowed_urls]) as client:
        source = RevocationSource(client, clock)
        for certificate, issuer in pairwise(path):
            await _ask(source, certificate, issuer, found)
    return found


async def _ask(
    source: "RevocationSource", certificate: x509.Certificate, issuer: x509.Certificate, found: Fetched
) -> None:
    for _ in range(LIMITS.path_length):
        try:
            evidence = await source.cached(certificate, issuer)
        except RevocationError as error:
            found.failures.append({"party": error.party, "code": error.code, "message": str(error)})
            return
        (found.ocsps if evidence.is_ocsp else found.crls).append(evidence.der)
        if evidence.signer == issuer or needs_no_revocation(evidence.signer):
            return
        certificate = evidence.signer


def _load(path: Path, most: int, read: Callable[[bytes], bytes], kind: str) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(most + 1)
    except OSError as error:
        raise file_refusal("TIMESTAMP_FILE", error, str(path)) from error
    remedy = "Give the file as the authority published it."
    if len(content) > most:
        raise RefusalError("TIMESTAMP_USE", f"{path} has more than {most} octets", remedy)
    try:
        return read(content)
    except ValueError as error:
        raise RefusalError("TIMESTAMP_USE", f"{path} is no {kind}", remedy) from error


def _crl(content: bytes) -> bytes:
    if _PEM in content:
        return x509.load_pem_x509_crl(content).public_bytes(Encoding.DER)
    return x509.load_der_x509_crl(content).public_bytes(Encoding.DER)


def _ocsp(content: bytes) -> bytes:
    return ocsp.load_der_ocsp_response(content).public_bytes(Encoding.DER)
