"""Our engine signing with PAdES, as a peer: `python -m tests.bench.engine {sign,admit,release}`."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fts.outbound import Target, outbound_client
from signing.pades.admit import admit
from signing.pades.finish import finish
from signing.pades.prepare import prepare
from signing.pades.release import release
from signing.pades.source import PdfSource
from signing.ports import Level, Profile
from signing.trust.path import TrustAnchors
from signing.trust.sources import RevocationSource
from signing.trust.validation_data import ValidationDataEngine
from tests.bench.scene import Scene, signature_value
from tests.bench.worker import Operation, Peer, serve
from timestamping.client.http import HttpTimestampSource
from timestamping.clock import utc_now

PROFILE = Profile(Level.LTA)


@asynccontextmanager
async def signing(scene: Scene) -> AsyncIterator[Operation]:
    """Sign from file to file: prepare, sign with a key in memory, finish; without admission and release check."""
    certificate, *chain = scene.read_chain()
    key = scene.read_key()
    async with outbound_client(allowed=[Target.of(scene.base_url)]) as client:
        engine = ValidationDataEngine(_anchors(scene), RevocationSource(client, utc_now))
        timestamps = HttpTimestampSource(client, scene.tsa_url)

        async def sign(document: Path, signed: Path) -> None:
            with document.open("rb") as source, signed.open("w+b") as output:
                prepared = await prepare(PdfSource(source), certificate, chain, PROFILE, engine=engine, clock=utc_now)
                signature = signature_value(key, prepared.to_be_signed, PROFILE.digest)
                await finish(source, prepared, signature, output, engine=engine, timestamps=timestamps, clock=utc_now)

        yield sign


@asynccontextmanager
async def admission(_scene: Scene) -> AsyncIterator[Operation]:
    """Admit a document, as before it is shown to its signer."""

    async def check(document: Path, _signed: Path) -> None:
        with document.open("rb") as source:
            assert admit(source, allow_rewrite=False).repaired is None

    yield check


@asynccontextmanager
async def release_check(scene: Scene) -> AsyncIterator[Operation]:
    """Check a signed document before it leaves."""
    anchors = _anchors(scene)

    async def check(document: Path, signed: Path) -> None:
        with document.open("rb") as source, signed.open("rb") as result:
            release(source, result, PROFILE.level, anchors, clock=utc_now)

    yield check


def _anchors(scene: Scene) -> TrustAnchors:
    return TrustAnchors(scene.read_chain()[-1:])


_PEERS: dict[str, Peer] = {"sign": signing, "admit": admission, "release": release_check}

if __name__ == "__main__":
    serve(_PEERS[sys.argv[1]])
