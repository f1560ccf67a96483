"""Our engine signing with XAdES, as a peer: `python -m tests.bench.xades_engine {sign,release} PACKAGING`."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from fts.outbound import Target, outbound_client
from signing.ports import Level, Profile
from signing.trust.path import TrustAnchors
from signing.trust.sources import RevocationSource
from signing.trust.validation_data import ValidationDataEngine
from signing.xades.finish import finish
from signing.xades.ports import DataObject, Packaging
from signing.xades.prepare import prepare
from signing.xades.release import release
from signing.xades.state import Prepared
from tests.bench.scene import Scene, signature_value
from tests.bench.worker import Operation, Peer, serve
from timestamping.client.http import HttpTimestampSource
from timestamping.clock import utc_now

PROFILE = Profile(Level.LTA)


@asynccontextmanager
async def signing(packaging: Packaging, scene: Scene) -> AsyncIterator[Operation]:
    """Sign from file to file: prepare, sign with a key in memory, finish; without release check.

    What is kept between the two calls is written beside the result, as the release check needs it.
    """
    certificate, *chain = scene.read_chain()
    mime_type = "application/octet-stream" if packaging.is_detached else "application/xml"
    key = scene.read_key()
    async with outbound_client(allowed=[Target.of(scene.base_url)]) as client:
        engine = ValidationDataEngine(_anchors(scene), RevocationSource(client, utc_now))
        timestamps = HttpTimestampSource(client, scene.tsa_url)

        async def sign(document: Path, signed: Path) -> None:
            with document.open("rb") as source, signed.open("w+b") as output:
                objects = [DataObject(document.name, source, mime_type)]
                prepared = await prepare(objects, packaging, certificate, chain, PROFILE, engine=engine, clock=utc_now)
                state = prepared.to_bytes()
                value = signature_value(key, prepared.to_be_signed, PROFILE.digest)
                await finish(objects, prepared, value, output, engine=engine, timestamps=timestamps, clock=utc_now)
                _state(signed).write_bytes(state)

        yield sign


@asynccontextmanager
async def release_check(_packaging: Packaging, scene: Scene) -> AsyncIterator[Operation]:
    """Check a signed document, or a signature file with its document, before it leaves."""
    anchors = _anchors(scene)

    async def check(document: Path, signed: Path) -> None:
        prepared = Prepared.from_bytes(_state(signed).read_bytes())
        with document.open("rb") as source, signed.open("rb") as result:
            files = {document.name: source} if prepared.packaging.is_detached else None
            release(prepared, result, anchors, clock=utc_now, files=files)

    yield check


def _state(signed: Path) -> Path:
    return signed.with_suffix(".state")


def _anchors(scene: Scene) -> TrustAnchors:
    return TrustAnchors(scene.read_chain()[-1:])


if __name__ == "__main__":
    _peers: dict[str, Peer] = {
        "sign": partial(signing, Packaging(sys.argv[2])),
        "release": partial(release_check, Packaging(sys.argv[2])),
    }
    serve(_peers[sys.argv[1]])
