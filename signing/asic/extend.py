"""Bringing every signature of a container to LTA, or renewing it, in a new container (EN 319 162-1, clause 4.4.3)."""

from typing import BinaryIO

from signing.asic.reading import opened
from signing.asic.signature_files import read_signatures
from signing.asic.writing import write_entries
from signing.ports import DocumentError
from signing.trust.validation_data import ValidationDataEngine
from signing.xades.extend import Extended, Progress, extend_document, judge
from signing.xades.references import References
from timestamping.algorithms import DigestAlgorithm, RunningHash
from timestamping.clock import Clock
from timestamping.ports import TimestampSource


async def extend(
    stream: BinaryIO,
    output: BinaryIO,
    digest: DigestAlgorithm,
    *,
    engine: ValidationDataEngine,
    timestamps: TimestampSource,
    clock: Clock,
) -> Extended:
    """Add to each valid signature what it lacks to LTA, and an archive timestamp over all of it.

    A signature that is broken, of an unknown authority, or not over every file is left as it is; the result says which
    and why. The files, the manifest, and files of signatures of which none was extended are copied octet for octet.

    Args:
        stream: the container, seekable.
        output: where the new container is written, empty and seekable. On an error its content is void.
        digest: imprint algorithm of the timestamps, whatever earlier ones used.
        engine: anchors, and the source of revocation data.
        timestamps: the authority.
        clock: what the authority's time is compared with.

    Raises:
        DocumentError: the container cannot be read, or no signature in it can be extended.
        TimestampError: no good timestamp could be had.
        RevocationError: the state of a certificate behind a valid signature could not be established.
        CertificateError: such a certificate is revoked, or an authority cannot be shown to be good.
    """
    held = opened(stream)
    files = held.resolvable()
    required = [each.name for each in held.files]
    hashes: dict[str, dict[DigestAlgorithm, RunningHash]] = {}
    progress = Progress()
    changed: dict[str, bytes] = {}
    for name, each in held.signatures.items():
        known = len(progress.archived)
        try:
            references = References(read_signatures(each), files, hashes)
            judged = judge(references, engine.anchors, clock(), required=required)
        except DocumentError as error:
            progress.incomplete.append(f"{name}: {error}")
            continue
        await extend_document(references, judged, digest, progress, engine=engine, timestamps=timestamps, clock=clock)
        if len(progress.archived) > known:
            changed[name] = references.document.to_bytes()
    archived_at = progress.check()
    entries: list[tuple[str, bytes | BinaryIO]] = [(each.name, each.stream) for each in (*held.files, *held.others)]
    entries += [(name, changed.get(name, each.stream)) for name, each in held.signatures.items()]
    size = write_entries(held.container, entries, archived_at, output)
    return Extended(size, tuple(progress.archived), archived_at, tuple(progress.incomplete))
