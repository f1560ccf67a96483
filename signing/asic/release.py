"""The check before a container leaves: opened as a stranger would, verified offline, the right files in it."""

from typing import BinaryIO

from signing.asic.ports import Container
from signing.asic.reading import Opened
from signing.asic.verify import verify_opened
from signing.extension import check_extended
from signing.pades.report import DocumentReport
from signing.ports import ReleaseError
from signing.trust.path import TrustAnchors
from signing.xades.extend import Extended
from signing.xades.prepare import sha256
from signing.xades.release import check_report
from signing.xades.state import Prepared
from timestamping.clock import Clock


def release(
    prepared: Prepared,
    container: Container,
    signed: BinaryIO,
    anchors: TrustAnchors,
    *,
    clock: Clock,
    before: DocumentReport | None = None,
) -> DocumentReport:
    """Check a container that was just made.

    Args:
        prepared: what was finished.
        container: the kind that was asked for.
        signed: the container.
        anchors: who is trusted.
        clock: the time of judgement.
        before: the verification of the container as it was before, where it carried signatures.

    Returns:
        The verification report. Earlier signatures are reported as they are; they are no obstacle, and no worse.

    Raises:
        ReleaseError: it is not sound, holds something else than was prepared, the new signature is not valid at the
            level, or an earlier one is worse than it was.
    """
    report, held = verify_opened(signed, anchors, clock=clock)
    check_report(report, prepared, before)
    wanted = [(each.name, each.sha256) for each in prepared.objects]
    if held is None or held.container is not container or [(f.name, sha256(f)) for f in held.files] != wanted:
        raise ReleaseError("the container holds other files than were prepared")
    return report


def release_extended(
    stream: BinaryIO, longer: BinaryIO, extended: Extended, anchors: TrustAnchors, *, clock: Clock
) -> DocumentReport:
    """Check a container whose signatures were just extended.

    Args:
        stream: the container as it was.
        longer: the result.
        extended: what extending it said.
        anchors: who is trusted.
        clock: the time of judgement.

    Returns:
        The verification report.

    Raises:
        ReleaseError: it holds other files than before, or a signature is worse than before.
        NotExtendedError: a valid signature is not at LTA.
    """
    before, was = verify_opened(stream, anchors, clock=clock)
    report, held = verify_opened(longer, anchors, clock=clock)
    check_extended(before, report, extended.incomplete)
    if was is None or held is None or _contents(held) != _contents(was):
        raise ReleaseError("the container would hold other files than before")
    return report


def _contents(held: Opened) -> tuple[Container, list[tuple[str, bytes]]]:
    return held.container, [(each.name, sha256(each)) for each in (*held.files, *held.others)]
