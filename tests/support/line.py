"""The signing line over the demo PKI, as tests drive it: anchors, engine, authority, and one call that signs."""

import asyncio
import io
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from deploy.demo_pki.asgi import ASGIApp, Receive, Scope, Send, read_body, respond
from deploy.demo_pki.pki import DemoPki, Entity, choose_base_url
from deploy.demo_pki.server import DemoPkiApp, DemoServer
from fts.outbound import OutboundLimits, Target, outbound_client
from signing.pades.admit import Admission, admit
from signing.pades.finish import finish
from signing.pades.prepare import prepare
from signing.pades.release import release
from signing.pades.report import DocumentReport
from signing.pades.source import PdfSource
from signing.pades.state import Prepared
from signing.pades.verify import verify
from signing.ports import Finished, Level, Profile
from signing.trust.path import TrustAnchors
from signing.trust.sources import RevocationSource
from signing.trust.validation_data import ValidationDataEngine
from timestamping import der
from timestamping.algorithms import DigestAlgorithm
from timestamping.authority.app import MAX_QUERY_BYTES, TimestampingApp
from timestamping.authority.authority import Authority
from timestamping.authority.factory import SoftwareTsuKey, TokenFactory
from timestamping.authority.policies import Policies
from timestamping.authority.unit import TimestampingUnit
from timestamping.client.http import HttpTimestampSource
from timestamping.clock import Clock, utc_now
from timestamping.request import parse_request

POLICY = "2.25.329800735698586629295641978511506172918"
T = TypeVar("T")


class MovableClock:
    """The system's time, shifted at will."""

    def __init__(self) -> None:
        self.offset_seconds = 0.0

    def __call__(self) -> datetime:
        return utc_now() + timedelta(seconds=self.offset_seconds)


@dataclass
class Signed:
    """A signed document and what was kept on the way."""

    data: bytes
    prepared: Prepared
    finished: Finished
    admission: Admission
    report: DocumentReport | None


@dataclass
class Line:
    """Everything between a document and its signature, in one place."""

    pki: DemoPki
    app: DemoPkiApp
    directory: Path
    server_clock: MovableClock
    limits: OutboundLimits = field(default_factory=OutboundLimits)

    @property
    def anchors(self) -> TrustAnchors:
        return TrustAnchors([self.pki.root.certificate])

    def pem(self, name: str, *certificates: x509.Certificate) -> Path:
        """Write certificates to a PEM file and return its path."""
        path = self.directory / f"{name}.pem"
        path.write_bytes(b"".join(c.public_bytes(Encoding.PEM) for c in certificates))
        return path

    @property
    def root_pem(self) -> Path:
        return self.pem("root", self.pki.root.certificate)

    def run(self, work: Callable[[httpx.AsyncClient], Coroutine[Any, Any, T]]) -> T:
        """Run async work with a fresh guarded client."""

        async def inside() -> T:
            async with outbound_client(allowed=[Target.of(self.pki.base_url)], limits=self.limits) as client:
                return await work(client)

        return asyncio.run(inside())

    def engine(self, client: httpx.AsyncClient, clock: Clock = utc_now) -> ValidationDataEngine:
        return ValidationDataEngine(self.anchors, RevocationSource(client, clock))

    def timestamps(self, client: httpx.AsyncClient) -> HttpTimestampSource:
        return HttpTimestampSource(client, f"{self.pki.base_url}/tsa")

    def sign(
        self,
        document: bytes,
        signer: Entity | str = "p384",
        profile: Profile = Profile(Level.LTA),
        *,
        clock: Clock = utc_now,
        between: Callable[[Prepared], None] = lambda _: None,
        release_check: bool = True,
        allow_rewrite: bool = True,
    ) -> Signed:
        """Admit, prepare, sign with the signer's key in memory, finish and check.

        `between` runs after the signature value was made and before finishing: the place to revoke or break things.
        """
        entity = self.pki.signers[signer] if isinstance(signer, str) else signer

        async def work(client: httpx.AsyncClient) -> Signed:
            engine = self.engine(client, clock)
            admission = admit(io.BytesIO(document), allow_rewrite=allow_rewrite)
            prepared = await prepare(
                PdfSource(admission.stream), entity.certificate, entity.chain, profile, engine=engine, clock=clock
            )
            prepared = Prepared.from_bytes(prepared.to_bytes())
            value = sign_value(entity, prepared)
            between(prepared)
            output = io.BytesIO()
            finished = await finish(
                admission.stream,
                prepared,
                value,
                output,
                engine=engine,
                timestamps=self.timestamps(client),
                clock=clock,
            )
            report = None
            if release_check:
                report = release(
                    admission.stream, output, profile.level, self.anchors, clock=clock, before=admission.view
                )
            return Signed(output.getvalue(), prepared, finished, admission, report)

        return self.run(work)

    def verify(self, data: bytes, clock: Clock = utc_now) -> DocumentReport:
        return verify(io.BytesIO(data), self.anchors, clock=clock)


def sign_value(entity: Entity, prepared: Prepared) -> bytes:
    """What a card does: sign the prepared octets."""
    primitive = prepared.profile.digest.primitive
    if isinstance(entity.key, rsa.RSAPrivateKey):
        scheme = (
            padding.PSS(mgf=padding.MGF1(primitive), salt_length=prepared.profile.digest.size)
            if prepared.profile.rsa_pss
            else padding.PKCS1v15()
        )
        return entity.key.sign(prepared.to_be_signed, scheme, primitive)
    return entity.key.sign(prepared.to_be_signed, ec.ECDSA(primitive))


def timestamping_app(tsu: Entity, clock: Clock) -> TimestampingApp:
    """An authority whose unit is `tsu`."""
    unit = TimestampingUnit(SoftwareTsuKey(tsu.key), tsu.certificate, tsu.chain[:1])
    return TimestampingApp(Authority(unit, clock, policies=Policies(POLICY)))


def unchecked_app(tsu: Entity, clock: Clock) -> ASGIApp:
    """An authority that no check keeps from stamping with an unfit unit."""
    factory = TokenFactory(SoftwareTsuKey(tsu.key), tsu.certificate, tsu.chain[:1], policy=POLICY)

    async def stamp(_scope: Scope, receive: Receive, send: Send) -> None:
        request = parse_request(await read_body(receive, MAX_QUERY_BYTES))
        token = factory.token(request, DigestAlgorithm.from_oid(request.algorithm_oid), clock())
        reply = der.sequence(der.sequence(der.integer(0)), token)
        await respond(send, 200, reply, "application/timestamp-reply")

    return stamp


class Lines:
    """Starts a line of its own for whoever asks, and stops them all at the end."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._servers: list[DemoServer] = []

    def start(self) -> Line:
        """Make a PKI and serve it with an authority on a free loopback port."""
        directory = self._directory / str(len(self._servers))
        directory.mkdir(parents=True)
        clock = MovableClock()
        base_url = choose_base_url()
        pki = DemoPki.create(directory / "pki", base_url=base_url, clock=clock)
        app = DemoPkiApp(pki, timestamping=timestamping_app(pki.tsu, clock))
        server = DemoServer(app, port=int(base_url.rpartition(":")[2]))
        server.__enter__()
        self._servers.append(server)
        return Line(pki, app, directory, clock)

    def stop(self) -> None:
        for server in self._servers:
            server.__exit__(None, None, None)
