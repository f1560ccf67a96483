"""What a document process does to extend signatures, in a PDF, in XML, in a signature file or in a container."""

import os
import tempfile
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from fts.composition import Composition
from fts.frames import Message
from fts.verify_json import document_json
from fts.xml_tasks import Beside, is_xml
from signing.asic import extend as asic
from signing.asic.reading import is_zip
from signing.asic.release import release_extended as release_container
from signing.pades import extend as pades
from signing.pades.release import release_extended as release_pdf
from signing.pades.report import DocumentReport
from signing.pades.stamp import stamp
from signing.pades.verify import verify as verify_pdf
from signing.ports import Level
from signing.xades import extend as xades
from signing.xades.release import release_extended as release_xml
from timestamping.algorithms import DigestAlgorithm

Result = tuple[DocumentReport, datetime]
"""The verification of what was made, and the time of the last archive timestamp."""


async def extend_document(composition: Composition, document: BinaryIO, output: BinaryIO, message: Message) -> Message:
    """Bring every valid signature of a document to LTA, or renew it, and check the result.

    Args:
        composition: anchors, services and clock.
        document: the document.
        output: where the result goes, empty.
        message: the request: `document`, the path, beside which detached files are looked for; `digest`.

    Raises:
        DocumentError, TimestampError, RevocationError, CertificateError, ReleaseError: as the engines' `extend` and
            `release_extended`.
    """
    digest = DigestAlgorithm(message["digest"])
    if is_zip(document):
        report, archived_at = await _container(composition, document, output, digest)
    elif is_xml(document):
        report, archived_at = await _xml(composition, document, output, digest, Path(message["document"]).parent)
    else:
        report, archived_at = await _pdf(composition, document, output, digest)
    os.fsync(output.fileno())
    return {"report": document_json(report), "archived_at": archived_at.isoformat()}


async def _container(composition: Composition, document: BinaryIO, output: BinaryIO, digest: DigestAlgorithm) -> Result:
    extended = await asic.extend(
        document,
        output,
        digest,
        engine=composition.engine,
        timestamps=composition.timestamps,
        clock=composition.clock,
    )
    output.flush()
    report = release_container(document, output, extended, composition.anchors, clock=composition.clock)
    return report, extended.archived_at


async def _xml(
    composition: Composition, document: BinaryIO, output: BinaryIO, digest: DigestAlgorithm, folder: Path
) -> Result:
    with ExitStack() as opened:
        files = Beside(folder, opened)
        extended = await xades.extend(
            document,
            output,
            digest,
            engine=composition.engine,
            timestamps=composition.timestamps,
            clock=composition.clock,
            files=files,
        )
        output.flush()
        report = release_xml(document, output, extended, composition.anchors, clock=composition.clock, files=files)
    return report, extended.archived_at


async def _pdf(composition: Composition, document: BinaryIO, output: BinaryIO, digest: DigestAlgorithm) -> Result:
    """Extend a PDF; a signature without any proven time first gets one by a document timestamp."""
    report = verify_pdf(document, composition.anchors, clock=composition.clock)
    with tempfile.TemporaryFile() as stamped:
        source = document
        if any(each.level is Level.B for each in report.signatures):
            await stamp(
                document,
                stamped,
                digest,
                engine=composition.engine,
                timestamps=composition.timestamps,
                clock=composition.clock,
            )
            source = stamped
        extended = await pades.extend(
            source,
            output,
            digest,
            engine=composition.engine,
            timestamps=composition.timestamps,
            clock=composition.clock,
        )
    output.flush()
    return release_pdf(document, output, extended, composition.anchors, clock=composition.clock), extended.archived_at
