"""The catalogue of errors: complete, documented, and one place for status and remedy."""

from pathlib import Path

from fts.errors import DocumentTooComplexError
from fts.problems import CATALOGUE, catalogue_markdown
from signing import ports as signing
from timestamping import ports as timestamping

REPOSITORY = Path(__file__).resolve().parents[3]


def all_kinds(kind: type) -> set[type]:
    return {kind}.union(*(all_kinds(sub) for sub in kind.__subclasses__()))


def test_every_error_of_the_engines_is_in_the_catalogue() -> None:
    kinds = all_kinds(signing.SigningError) | all_kinds(timestamping.TimestampError) | {DocumentTooComplexError}
    assert {kind.code for kind in kinds} <= set(CATALOGUE)  # type: ignore[attr-defined]


def test_each_problem_says_what_and_what_to_do() -> None:
    for problem in CATALOGUE.values():
        assert problem.code.isupper()
        assert problem.title
        assert problem.remedy.endswith(".")
        assert 400 <= problem.status < 600


def test_who_is_at_fault_shows_in_the_status() -> None:
    assert CATALOGUE["DOCUMENT_DAMAGED"].status == 422
    assert CATALOGUE["CERTIFICATE_REVOKED"].status == 422
    assert CATALOGUE["TIMESTAMP_UNAVAILABLE"].status == 504
    assert CATALOGUE["REVOCATION_INVALID"].status == 502


def test_the_documentation_has_every_code() -> None:
    """`fts errors > docs/errors.md` after a change."""
    assert (REPOSITORY / "docs" / "errors.md").read_text() == catalogue_markdown()
