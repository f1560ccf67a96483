"""The check before an extended document leaves (FTS-SIG-8)."""

import pytest

from signing.extension import check_extended
from signing.pades.report import DocumentReport, Finding, SignatureReport, TimestampReport
from signing.ports import Level, NotExtendedError, ReleaseError

BROKEN = Finding("SIGNATURE_INVALID", "the value is wrong")


def report(
    *signatures: tuple[str, Level | None], stamps: int = 0, bad_stamps: int = 0, problems: tuple[Finding, ...] = ()
) -> DocumentReport:
    """A verification; a signature without a level is broken."""
    parts = [SignatureReport(name, level=level, problems=[] if level else [BROKEN]) for name, level in signatures]
    archived = [TimestampReport(f"ts-{number}") for number in range(stamps)]
    archived += [TimestampReport(f"bad-{number}", problems=[BROKEN]) for number in range(bad_stamps)]
    return DocumentReport(1, signatures=parts, archive_timestamps=archived, problems=list(problems))


BEFORE = report(("a", Level.B), ("b", None))


def test_a_broken_signature_is_no_obstacle_beside_a_good_one() -> None:
    check_extended(BEFORE, report(("a", Level.LTA), ("b", None), stamps=1), ["b: broken"])
    check_extended(report(("a", Level.LTA), stamps=1), report(("a", Level.LTA), stamps=2), [])


def test_known_problems_of_the_document_stay() -> None:
    known = Finding("MANIFEST_MISMATCH", "known")
    check_extended(report(("a", Level.B), problems=(known,)), report(("a", Level.LTA), stamps=1, problems=(known,)), [])


def test_a_signature_of_no_baseline_level_is_no_obstacle() -> None:
    before, after = report(("a", Level.B), ("b", None)), report(("a", Level.LTA), ("b", None), stamps=1)
    before.signatures[1].problems = []
    after.signatures[1].problems = []
    check_extended(before, after, [])


@pytest.mark.parametrize(
    ("after", "text"),
    [
        (report(("a", Level.LTA), stamps=1), "other signatures"),
        (report(("b", None), ("a", Level.LTA), stamps=1), "other signatures"),
        (report(("a", None), ("b", Level.LTA), stamps=1), "a would no longer be valid"),
        (report(("a", Level.LTA), ("b", None), stamps=1, problems=(BROKEN,)), "the value is wrong"),
        (report(("a", Level.LTA), ("b", None)), "no good new archive timestamp"),
        (report(("a", Level.LTA), ("b", None), bad_stamps=1), "no good new archive timestamp"),
    ],
)
def test_what_is_worse_does_not_leave(after: DocumentReport, text: str) -> None:
    with pytest.raises(ReleaseError, match=text):
        check_extended(BEFORE, after, [])


def test_a_valid_signature_below_lta_is_named_with_the_reason() -> None:
    after = report(("a", Level.T), ("b", None), stamps=1)
    after.signatures[0].notes.append(Finding("NO_VALIDATION_DATA", "no revocation data"))
    with pytest.raises(NotExtendedError, match="a would be at level T: no revocation data; http://ocsp: no answer"):
        check_extended(BEFORE, after, ["http://ocsp: no answer"])


def test_nothing_valid_is_not_extended() -> None:
    before = report(("b", None))
    with pytest.raises(NotExtendedError, match="b: broken"):
        check_extended(before, report(("b", None), stamps=1), ["b: broken"])
    with pytest.raises(NotExtendedError):
        check_extended(report(), report(stamps=1), [])
