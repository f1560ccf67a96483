"""Signing files in ASiC containers over a line, as tests do it."""

import io
from collections.abc import Mapping
from dataclasses import dataclass

import httpx

from deploy.demo_pki.pki import Entity
from signing.asic.extend import extend
from signing.asic.finish import finish
from signing.asic.ports import Container
from signing.asic.prepare import prepare
from signing.asic.reading import opened
from signing.asic.release import release
from signing.asic.verify import verify
from signing.pades.report import DocumentReport
from signing.ports import Finished, Level, Profile
from signing.xades.extend import Extended
from signing.xades.ports import DataObject
from signing.xades.state import Prepared
from tests.support.line import Line, sign_value
from timestamping.algorithms import DigestAlgorithm
from timestamping.clock import Clock, utc_now

Files = Mapping[str, bytes]


@dataclass(frozen=True)
class SignedContainer:
    """A container, and what was kept on the way."""

    data: bytes
    prepared: Prepared
    finished: Finished


def sign_container(
    line: Line,
    files: Files,
    container: Container = Container.ASIC_E,
    signer: Entity | str = "p384",
    profile: Profile = Profile(Level.LTA),
    *,
    clock: Clock = utc_now,
    changed: Files | None = None,
) -> SignedContainer:
    """Prepare, restore the state as after a restart, sign, finish, release; `changed` is what finishing is given."""

    async def work(client: httpx.AsyncClient) -> SignedContainer:
        return await _signed(line, client, objects(files), objects(changed or files), container, signer, profile, clock)

    return line.run(work)


def sign_again(
    line: Line, data: bytes, signer: Entity | str = "rsa3072", profile: Profile = Profile(Level.LTA)
) -> SignedContainer:
    """A further signature in a container."""

    async def work(client: httpx.AsyncClient) -> SignedContainer:
        first = opened(io.BytesIO(data))
        return await _signed(
            line, client, first.files, first.files, first.container, signer, profile, utc_now, earlier=data
        )

    return line.run(work)


async def _signed(
    line: Line,
    client: httpx.AsyncClient,
    given: list[DataObject],
    finishing: list[DataObject],
    container: Container,
    signer: Entity | str,
    profile: Profile,
    clock: Clock,
    earlier: bytes | None = None,
) -> SignedContainer:
    entity = line.pki.signers[signer] if isinstance(signer, str) else signer
    engine = line.engine(client, clock)
    prepared = await prepare(given, container, entity.certificate, entity.chain, profile, engine=engine, clock=clock)
    prepared = Prepared.from_bytes(prepared.to_bytes())
    output = io.BytesIO()
    finished = await finish(
        finishing,
        prepared,
        container,
        sign_value(entity, prepared),
        output,
        engine=engine,
        timestamps=line.timestamps(client),
        clock=clock,
        earlier=None if earlier is None else opened(io.BytesIO(earlier)),
    )
    before = None if earlier is None else verify_container(line, earlier, clock=clock)
    release(prepared, container, output, line.anchors, clock=clock, before=before)
    return SignedContainer(output.getvalue(), prepared, finished)


def objects(files: Files) -> list[DataObject]:
    """Files as the engine takes them."""
    types = {"xml": "application/xml", "txt": "text/plain"}
    return [
        DataObject(name, io.BytesIO(data), types.get(name.rpartition(".")[2], "application/octet-stream"))
        for name, data in files.items()
    ]


def verify_container(line: Line, data: bytes, *, clock: Clock = utc_now) -> DocumentReport:
    """The engine's verification."""
    return verify(io.BytesIO(data), line.anchors, clock=clock)


def extend_container(
    line: Line, data: bytes, digest: DigestAlgorithm = DigestAlgorithm.SHA256, *, clock: Clock = utc_now
) -> tuple[bytes, Extended]:
    """A container whose signatures are brought to LTA or renewed, and what was said of it."""
    output = io.BytesIO()

    async def work(client: httpx.AsyncClient) -> Extended:
        return await extend(
            io.BytesIO(data),
            output,
            digest,
            engine=line.engine(client, clock),
            timestamps=line.timestamps(client),
            clock=clock,
        )

    result = line.run(work)
    return output.getvalue(), result
