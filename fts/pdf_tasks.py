"""What a document process does at the end of a signature in PDF."""

from typing import BinaryIO

from fts.composition import Composition
from fts.finished_json import finished_json
from fts.frames import Message
from signing.pades.finish import finish
from signing.pades.release import release
from signing.pades.second_reader import View
from signing.pades.state import Prepared


async def finish_pdf(
    composition: Composition,
    document: BinaryIO,
    prepared: Prepared,
    signature: bytes,
    output: BinaryIO,
    before: View | None = None,
) -> Message:
    """Finish a signature and check it (errors as `signing.pades.finish.finish` and `release`).

    `before` is the second reader's view of the document before it, where it is known.
    """
    finished = await finish(
        document,
        prepared,
        signature,
        output,
        engine=composition.engine,
        timestamps=composition.timestamps,
        clock=composition.clock,
    )
    output.flush()
    composition.announce("check")
    level = prepared.profile.level
    report = release(document, output, level, composition.anchors, clock=composition.clock, before=before)
    return finished_json(finished, report)
