"""Signing XML and files with XAdES over a line, as tests do it."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import httpx

from deploy.demo_pki.pki import Entity
from signing.pades.report import DocumentReport
from signing.ports import Finished, Level, Profile
from signing.xades.extend import Extended, extend
from signing.xades.finish import finish
from signing.xades.ports import DataObject, Packaging, SignaturePolicy
from signing.xades.prepare import prepare
from signing.xades.state import Prepared
from signing.xades.verify import verify
from tests.support.line import Line, sign_value
from timestamping.algorithms import DigestAlgorithm
from timestamping.clock import Clock, utc_now

INVOICE = (
    b'<?xml version="1.0" encoding="UTF-8"?>\n'
    b'<Invoice xmlns="urn:example:invoice" xmlns:c="urn:example:common" xmlns:unused="urn:example:unused">\n'
    b"  <c:ID>2026-001</c:ID><!-- a comment -->\n"
    b'  <Note xml:lang="fr">caf\xc3\xa9 &amp; th\xc3\xa9</Note>\n'
    b"</Invoice>\n"
)


@dataclass(frozen=True)
class SignedXml:
    """A signed document or signature file, and what was kept on the way."""

    data: bytes
    prepared: Prepared
    finished: Finished


def sign_xml(
    line: Line,
    documents: Mapping[str, bytes],
    packaging: Packaging = Packaging.ENVELOPED,
    signer: Entity | str = "p384",
    profile: Profile = Profile(Level.LTA),
    *,
    policy: SignaturePolicy | None = None,
    mime_type: str = "application/xml",
    clock: Clock = utc_now,
    between: Callable[[], None] = lambda: None,
    changed: Mapping[str, bytes] | None = None,
) -> SignedXml:
    """Prepare, restore the state as after a restart, sign, finish.

    `between` runs before finishing; `changed` are the documents that finishing is given instead.
    """
    entity = line.pki.signers[signer] if isinstance(signer, str) else signer

    async def work(client: httpx.AsyncClient) -> SignedXml:
        engine = line.engine(client, clock)
        prepared = await prepare(
            objects(documents, mime_type),
            packaging,
            entity.certificate,
            entity.chain,
            profile,
            engine=engine,
            clock=clock,
            policy=policy,
        )
        prepared = Prepared.from_bytes(prepared.to_bytes())
        value = sign_value(entity, prepared)
        between()
        output = io.BytesIO()
        finished = await finish(
            objects(changed or documents, mime_type),
            prepared,
            value,
            output,
            engine=engine,
            timestamps=line.timestamps(client),
            clock=clock,
        )
        return SignedXml(output.getvalue(), prepared, finished)

    return line.run(work)


def objects(documents: Mapping[str, bytes], mime_type: str) -> Sequence[DataObject]:
    """Documents as the engine takes them."""
    return [DataObject(name, io.BytesIO(data), mime_type) for name, data in documents.items()]


def verify_xml(
    line: Line, data: bytes, files: Mapping[str, bytes] | None = None, *, clock: Clock = utc_now
) -> DocumentReport:
    """The engine's verification, with detached files."""
    given = {name: io.BytesIO(each) for name, each in (files or {}).items()}
    return verify(io.BytesIO(data), line.anchors, clock=clock, files=given)


def extend_xml(
    line: Line,
    data: bytes,
    files: Mapping[str, bytes] | None = None,
    digest: DigestAlgorithm = DigestAlgorithm.SHA256,
    *,
    clock: Clock = utc_now,
) -> tuple[bytes, Extended]:
    """A document whose signatures are brought to LTA or renewed, and what was said of it."""
    output = io.BytesIO()
    given = {name: io.BytesIO(each) for name, each in (files or {}).items()}

    async def work(client: httpx.AsyncClient) -> Extended:
        return await extend(
            io.BytesIO(data),
            output,
            digest,
            engine=line.engine(client, clock),
            timestamps=line.timestamps(client),
            clock=clock,
            files=given,
        )

    result = line.run(work)
    return output.getvalue(), result
