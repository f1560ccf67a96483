"""What a document process does with ASiC containers: prepare, finish, verify."""

import mimetypes
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from cryptography import x509

from fts.composition import Composition
from fts.finished_json import finished_json
from fts.frames import Message
from signing.asic.finish import finish
from signing.asic.ports import Container
from signing.asic.prepare import prepare
from signing.asic.reading import Opened, is_container, opened_as
from signing.asic.release import release
from signing.asic.verify import verify
from signing.pades.report import DocumentReport
from signing.ports import Profile
from signing.xades.ports import DataObject
from signing.xades.state import Prepared

_TYPES = mimetypes.MimeTypes()
"""Media types by the endings of names, as Python knows them: the machine's own tables differ from place to place."""


@dataclass(slots=True)
class PendingContainer:
    """A prepared signature in a container that waits for its value."""

    objects: list[DataObject]
    container: Container
    prepared: Prepared
    earlier: Opened | None
    """The container that gets another signature."""
    before: DocumentReport | None
    """The verification of that container."""
    files: ExitStack = field(default_factory=ExitStack)
    """Holds the files open."""


async def prepare_container(
    composition: Composition, documents: Sequence[tuple[str, BinaryIO]], message: Message, profile: Profile
) -> PendingContainer:
    """Prepare a signature over files, or a further one in a container (errors as `signing.asic.prepare.prepare`).

    Args:
        composition: anchors, services and clock.
        documents: names and open files; a single one that is a container gets another signature.
        message: the request.
        profile: level and algorithms.
    """
    certificate, *chain = (x509.load_der_x509_certificate(bytes.fromhex(c)) for c in message["certificates"])
    container = Container(message["container"])
    objects = [DataObject(name, stream, media_type(name)) for name, stream in documents]
    earlier, before = None, None
    if len(documents) == 1 and is_container(documents[0][1]):
        stream = documents[0][1]
        earlier = opened_as(stream, container)
        before = verify(stream, composition.anchors, clock=composition.clock)
        objects = earlier.files
    prepared = await prepare(
        objects, container, certificate, chain, profile, engine=composition.engine, clock=composition.clock
    )
    return PendingContainer(objects, container, prepared, earlier, before)


async def finish_container(
    composition: Composition, pending: PendingContainer, signature: bytes, output: BinaryIO
) -> Message:
    """Finish a signature in a container and check it (errors as `signing.asic.finish.finish` and `release`)."""
    finished = await finish(
        pending.objects,
        pending.prepared,
        pending.container,
        signature,
        output,
        engine=composition.engine,
        timestamps=composition.timestamps,
        clock=composition.clock,
        earlier=pending.earlier,
    )
    output.flush()
    composition.announce("check")
    report = release(
        pending.prepared,
        pending.container,
        output,
        composition.anchors,
        clock=composition.clock,
        before=pending.before,
    )
    return finished_json(finished, report)


def verify_container(composition: Composition, document: BinaryIO) -> DocumentReport:
    """Verify a container."""
    return verify(document, composition.anchors, clock=composition.clock)


def media_type(name: str) -> str:
    """Return the media type that the ending of a file's name stands for."""
    found, encoding = _TYPES.guess_type(Path(name).name)
    return found if found is not None and encoding is None else "application/octet-stream"
