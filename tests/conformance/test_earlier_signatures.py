"""Signing on top of signatures, others' and our own (FTS-SIG-5): they stay what they were; some forbid it."""

import io
import logging
from collections.abc import Iterator, Mapping
from types import MappingProxyType

import pytest
from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.validation import validate_pdf_signature
from pyhanko.sign.validation.status import PdfSignatureStatus
from pyhanko_certvalidator import ValidationContext

from signing.ports import DocumentCertifiedError, DocumentError, DocumentLockedError, Level, Profile
from tests.conformance.conftest import Judge
from tests.conformance.driving import extended
from tests.conformance.programs import OpenSsl, Qpdf
from tests.oracles.reports import Validation
from tests.samples.signed import SIGNED, sign
from tests.samples.sound import SOUND
from tests.support.line import Line
from timestamping.algorithms import DigestAlgorithm

EARLIER = (
    "signed_once",
    "signed_twice",
    "signed_visible",
    "signed_form",
    "signed_object_streams",
    "certified_2",
    "certified_3",
    "locked_fields",
    "with_document_timestamp",
    "only_document_timestamp",
    "broken_signature",
)
REFUSED: Mapping[str, type[DocumentError]] = MappingProxyType(
    {
        "certified_1": DocumentCertifiedError,
        "locked_all": DocumentLockedError,
        "locked_document": DocumentLockedError,
    }
)


def test_every_signed_sample_is_tried() -> None:
    assert {*EARLIER, *REFUSED} == set(SIGNED)


@pytest.mark.parametrize("name", EARLIER)
def test_our_signature_passes_and_the_earlier_keep_their_state(
    full_line: Line, judge: Judge, qpdf: Qpdf, name: str
) -> None:
    original = SIGNED[name]()
    signed = full_line.sign(original, "p384", Profile(Level.LTA)).data
    assert signed.startswith(original)
    assert qpdf.check(signed) == []
    before, after = judge(original), judge(signed)
    earlier, own = states(after, below=len(original)), states_behind(after, start=len(original))
    assert earlier == states(before, below=len(original))
    assert earlier != {}
    assert sorted(own.values()) == [
        ("DOCUMENT_TIMESTAMP", "PASSED", None),
        ("PAdES_BASELINE_LTA", "TOTAL_PASSED", None),
    ]
    changes = {(change.kind, change.detail) for each in after.signatures for change in each.modifications}
    assert {kind for kind, _ in changes} <= {"EXTENSION", "SIGNATURE_OR_FORM_FILL"}, changes
    signature_timestamps = [t for t in after.timestamps if not t.byte_range and "FTS demo" in str(t.signer)]
    assert [t.indication for t in signature_timestamps] == ["PASSED"]


@pytest.mark.parametrize("name", EARLIER)
def test_difference_analysis_finds_what_it_finds_after_any_signature(full_line: Line, name: str) -> None:
    """The control is a plain signature by pyHanko: it calls unchanged appearances of locked fields updated."""
    original = SIGNED[name]()
    before, control = statuses(original), statuses(sign(original, field_name="Control"))
    after = statuses(full_line.sign(original, "p384", Profile(Level.LTA)).data)
    assert len(after) == len(before) + 1
    for field, earlier in before.items():
        assert (after[field].intact, after[field].valid) == (earlier.intact, earlier.valid)
        assert after[field].docmdp_ok == control[field].docmdp_ok
        assert after[field].modification_level == control[field].modification_level
    (own,) = (status for field, status in after.items() if field not in before)
    assert own.docmdp_ok
    assert own.modification_level is ModificationLevel.LTA_UPDATES
    permitted = [s.modification_level for s in control.values() if s.modification_level is not None]
    assert name == "locked_fields" or max(permitted) <= ModificationLevel.FORM_FILLING


@pytest.mark.parametrize(("name", "error"), REFUSED.items(), ids=REFUSED)
def test_refused(full_line: Line, name: str, error: type[DocumentError]) -> None:
    with pytest.raises(error) as caught:
        full_line.sign(SIGNED[name](), "p384", Profile(Level.LTA))
    assert type(caught.value) is error


def test_two_at_t_extended_then_a_third_at_lta(full_line: Line, judge: Judge, qpdf: Qpdf, openssl: OpenSsl) -> None:
    first = full_line.sign(SOUND["form"](), "p384", Profile(Level.T)).data
    second = full_line.sign(first, "rsa3072", Profile(Level.T, rsa_pss=True)).data
    archived, result = extended(full_line, second)
    assert result.incomplete == ()
    assert result.size == len(archived)
    assert judge(archived).verdict("LTA", signatures=2, timestamps=3) == []
    third = full_line.sign(archived, "p256", Profile(Level.LTA)).data
    assert [len(each) for each in (first, second, archived)] == sorted(map(len, (first, second, archived)))
    assert third.startswith(archived)
    assert archived.startswith(second)
    assert second.startswith(first)
    assert judge(third).verdict("LTA", signatures=3, timestamps=5) == []
    assert openssl.document(third, "sha256", signatures=3) == []
    assert qpdf.check(third) == []
    assert_only_permitted_changes(third, signatures=3)


def test_three_at_lta(full_line: Line, judge: Judge, qpdf: Qpdf, openssl: OpenSsl) -> None:
    data = SOUND["one_page"]()
    for number, signer in enumerate(("p384", "rsa3072", "p256"), start=1):
        signed = full_line.sign(data, signer, Profile(Level.LTA)).data
        assert signed.startswith(data)
        assert judge(signed).verdict("LTA", signatures=number, timestamps=2 * number) == []
        data = signed
    assert openssl.document(data, "sha256", signatures=3) == []
    assert qpdf.check(data) == []
    assert_only_permitted_changes(data, signatures=3)


def test_renewed_three_times(full_line: Line, judge: Judge, qpdf: Qpdf) -> None:
    data = full_line.sign(SOUND["one_page"](), "p384", Profile(Level.LTA)).data
    for number, digest in enumerate(DigestAlgorithm, start=1):
        data, result = extended(full_line, data, digest)
        assert result.incomplete == ()
        validation = judge(data)
        assert validation.verdict("LTA", timestamps=2 + number) == []
    imprints = sorted(t.imprint_algorithm or "" for t in validation.timestamps)
    assert imprints == ["SHA256", "SHA256", "SHA256", "SHA384", "SHA512"]
    assert qpdf.check(data) == []


State = tuple[str, str, str | None]
"""Level or type, indication, sub-indication."""


def states(validation: Validation, *, below: int) -> dict[tuple[int, ...], tuple[str, str | None]]:
    """Indications of signatures and document timestamps that end at or before `below`, by their byte ranges.

    Their levels are left out: what follows may raise them.
    """
    return {where: state[1:] for where, state in _states(validation) if where[2] + where[3] <= below}


def states_behind(validation: Validation, *, start: int) -> dict[tuple[int, ...], State]:
    """Signatures and document timestamps by their byte ranges, of those that end behind `start`."""
    return {where: state for where, state in _states(validation) if where[2] + where[3] > start}


def _states(validation: Validation) -> Iterator[tuple[tuple[int, ...], State]]:
    for signature in validation.signatures:
        yield signature.byte_range, (signature.level, signature.indication, signature.sub_indication)
    for timestamp in validation.timestamps:
        if timestamp.byte_range:
            yield timestamp.byte_range, (timestamp.type, timestamp.indication, timestamp.sub_indication)


def statuses(data: bytes) -> dict[str, PdfSignatureStatus]:
    """pyHanko's judgement of every signature, by field name; trust is not the question."""
    context = ValidationContext(trust_roots=[], allow_fetching=False)
    logging.disable(logging.WARNING)
    try:
        return {
            each.field_name: validate_pdf_signature(each, context)
            for each in PdfFileReader(io.BytesIO(data)).embedded_regular_signatures
        }
    finally:
        logging.disable(logging.NOTSET)


def assert_only_permitted_changes(data: bytes, *, signatures: int) -> None:
    """Check that pyHanko finds every signature intact and nothing suspicious behind it."""
    found = statuses(data)
    assert len(found) == signatures
    assert all(each.intact and each.valid and each.docmdp_ok for each in found.values())
