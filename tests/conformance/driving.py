"""The engine's calls with other parts than the line's own: a counted authority, bulky tokens, an extension."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from deploy.demo_pki.pki import Entity
from signing.pades.extend import Extended, extend
from signing.pades.finish import finish
from signing.pades.prepare import prepare
from signing.pades.source import PdfSource
from signing.ports import Profile
from tests.support.line import POLICY, Line, sign_value
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.factory import SoftwareTsuKey, TokenFactory
from timestamping.clock import Clock, utc_now
from timestamping.ports import TimestampSource, Token
from timestamping.request import TimestampRequest
from timestamping.token import parse_token

UNKNOWN_EXTENSION = x509.ObjectIdentifier("2.25.318241893102837465")


@dataclass
class Counted:
    """An authority that counts what it is asked for."""

    requests: int = 0
    source: TimestampSource | None = None

    @property
    def name(self) -> str:
        return self._source.name

    async def timestamp(self, imprint: bytes, algorithm: DigestAlgorithm) -> Token:
        self.requests += 1
        return await self._source.timestamp(imprint, algorithm)

    @property
    def _source(self) -> TimestampSource:
        assert self.source is not None
        return self.source


class InProcess:
    """An authority without HTTP that answers each request by another unit, its token so many octets larger."""

    name = "in process"

    def __init__(self, *units: tuple[Entity, int]) -> None:
        self._units = list(units)

    async def timestamp(self, imprint: bytes, algorithm: DigestAlgorithm) -> Token:
        tsu, ballast = self._units.pop(0)
        chain = (tsu.chain[0], *([ballast_certificate(tsu, ballast)] if ballast else []))
        factory = TokenFactory(SoftwareTsuKey(tsu.key), tsu.certificate, chain, policy=POLICY)
        request = TimestampRequest(1, algorithm.oid, imprint, None, None, cert_req=True, has_extensions=False)
        return parse_token(factory.token(request, algorithm, utc_now()))


def ballast_certificate(tsu: Entity, octets: int) -> x509.Certificate:
    """A self-signed certificate of about that size; it means nothing."""
    builder = x509.CertificateBuilder(
        subject_name=tsu.certificate.subject,
        issuer_name=tsu.certificate.subject,
        public_key=tsu.key.public_key(),
        serial_number=octets,
        not_valid_before=tsu.certificate.not_valid_before_utc,
        not_valid_after=tsu.certificate.not_valid_after_utc,
    )
    ballast = x509.UnrecognizedExtension(UNKNOWN_EXTENSION, bytes(octets))
    return builder.add_extension(ballast, critical=False).sign(tsu.key, hashes.SHA256())


def signed_with(
    line: Line,
    document: bytes,
    signer: Entity,
    profile: Profile,
    *,
    counted: Counted | None = None,
    timestamps: TimestampSource | None = None,
    between: Callable[[], None] = lambda: None,
    clock: Clock = utc_now,
) -> bytes:
    """Prepare, sign and finish, the line's authority counted or another in its place; `between` as in `Line.sign`."""

    async def work(client: httpx.AsyncClient) -> bytes:
        engine = line.engine(client, clock)
        source: TimestampSource = timestamps or line.timestamps(client)
        if counted is not None:
            counted.source = source
            source = counted
        prepared = await prepare(
            PdfSource(io.BytesIO(document)), signer.certificate, signer.chain, profile, engine=engine, clock=clock
        )
        value = sign_value(signer, prepared)
        between()
        output = io.BytesIO()
        await finish(io.BytesIO(document), prepared, value, output, engine=engine, timestamps=source, clock=clock)
        return output.getvalue()

    return line.run(work)


def extended(
    line: Line,
    document: bytes,
    digest: DigestAlgorithm = DigestAlgorithm.SHA256,
    *,
    counted: Counted | None = None,
    timestamps: TimestampSource | None = None,
    output: io.BytesIO | None = None,
) -> tuple[bytes, Extended]:
    """A document with validation data for all of its signatures and an archive timestamp, and what was said of it."""
    output = io.BytesIO() if output is None else output

    async def work(client: httpx.AsyncClient) -> Extended:
        source: TimestampSource = timestamps or line.timestamps(client)
        if counted is not None:
            counted.source = source
            source = counted
        engine = line.engine(client)
        return await extend(io.BytesIO(document), output, digest, engine=engine, timestamps=source, clock=utc_now)

    result = line.run(work)
    return output.getvalue(), result
