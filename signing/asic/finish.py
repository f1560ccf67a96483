"""Second call of a signature in a container: the signature at its level, and the container written."""

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import BinaryIO

from signing.asic.manifest import make_manifest
from signing.asic.ports import MANIFEST, Container, ContainerError
from signing.asic.prepare import check_files
from signing.asic.reading import Opened
from signing.asic.signature_files import place_of, read_signatures, with_signature
from signing.asic.writing import write_entries
from signing.ports import DocumentChangedError, Finished
from signing.trust.validation_data import ValidationDataEngine
from signing.xades.finish import finish as finish_detached
from signing.xades.ports import DataObject
from signing.xades.state import Prepared
from timestamping.clock import Clock
from timestamping.ports import TimestampSource


async def finish(
    objects: Sequence[DataObject],
    prepared: Prepared,
    container: Container,
    signature: bytes,
    output: BinaryIO,
    *,
    engine: ValidationDataEngine,
    timestamps: TimestampSource,
    clock: Clock,
    earlier: Opened | None = None,
) -> Finished:
    """Bring a signature to the level of its profile and write the container with its files.

    Args:
        objects: the files that were prepared, in the same order.
        prepared: what `prepare` returned.
        container: the kind of container, as at `prepare`.
        signature: the value over `prepared.to_be_signed`; DER ECDSA-Sig-Value for elliptic keys.
        output: where the container is written, empty and seekable. On an error its content is void.
        engine: anchors, and the source of revocation data.
        timestamps: the authority.
        clock: what the authority's time is compared with.
        earlier: a container whose signatures are kept; `objects` are its files.

    Raises:
        SignatureValueError: the value does not fit.
        DocumentChangedError: a file is not the prepared one, or not that of the earlier container.
        TimestampError: no good timestamp could be had.
        CertificateError, RevocationError: the signer is revoked, or that cannot be told.
        ContainerError: the files cannot stand in a container.
    """
    check_files(objects, container)
    _check_earlier(objects, container, earlier)
    made = io.BytesIO()
    finished = await finish_detached(
        objects, prepared, signature, made, engine=engine, timestamps=timestamps, clock=clock
    )
    files = [
        DataObject(was.name, each.stream, was.mime_type) for each, was in zip(objects, prepared.objects, strict=True)
    ]
    entries = _entries(files, container, made.getvalue(), earlier)
    size = write_entries(container, entries, finished.signed_at or clock(), output)
    return replace(finished, size=size)


def _check_earlier(objects: Sequence[DataObject], container: Container, earlier: Opened | None) -> None:
    if earlier is None:
        return
    if earlier.container is not container:
        raise ContainerError(f"the container is {earlier.container}, not {container}")
    if [each.name for each in earlier.files] != [each.name for each in objects]:
        raise DocumentChangedError("the files are not those of the container")


def _entries(
    files: Sequence[DataObject], container: Container, signature: bytes, earlier: Opened | None
) -> list[tuple[str, bytes | BinaryIO]]:
    """Return what stands in the container behind `mimetype`, in order."""
    entries: list[tuple[str, bytes | BinaryIO]] = [(each.name, each.stream) for each in files]
    if container is Container.ASIC_E and (earlier is None or earlier.manifest is None):
        entries.append((MANIFEST, make_manifest(container, files)))
    if earlier is None:
        return [*entries, (place_of(container, ()), with_signature(signature))]
    entries += [(each.name, each.stream) for each in earlier.others]
    place = place_of(container, earlier.signatures)
    beside = earlier.signatures.get(place)
    for name, each in earlier.signatures.items():
        if each is not beside:
            entries.append((name, each.stream))
    return [*entries, (place, with_signature(signature, None if beside is None else read_signatures(beside)))]
