"""Damaged but readable PDFs: signed, signed after a rewrite that is said, or refused with the reason (FTS-SIG-5)."""

import hashlib
import io
import subprocess
import sys
import time
from pathlib import Path

import pypdfium2
import pytest

from signing.pades.admit import admit
from signing.pades.second_reader import loses_nothing
from signing.ports import (
    DocumentDamagedError,
    DocumentEncryptedError,
    DocumentError,
    DocumentPermissionError,
    DocumentTooLargeError,
    NotAPdfError,
)
from tests.oracles.oracle import Oracle
from tests.samples.admitted import OTHERWISE, expectation
from tests.samples.damaged import BOMBS, DAMAGED
from tests.support.line import Line

REASONS: dict[str | None, tuple[type[DocumentError], ...]] = {
    None: (DocumentDamagedError, NotAPdfError, DocumentEncryptedError),
    "not_a_pdf": (NotAPdfError, DocumentDamagedError),
    "empty": (NotAPdfError,),
    "encrypted": (DocumentEncryptedError,),
    "permission_denied": (DocumentPermissionError,),
    "damaged": (DocumentDamagedError,),
    "signed_and_damaged": (DocumentDamagedError,),
    "too_complex": (DocumentTooLargeError, DocumentDamagedError),
}
ACCEPTED = [name for name, damage in DAMAGED.items() if expectation(name, damage) != "refused"]
REFUSED = [name for name, damage in DAMAGED.items() if expectation(name, damage) == "refused"]
SECONDS = 20.0
DSS_OVERFLOWS = {"type3_loop"}
"""Fonts that draw with each other: EU DSS, comparing pages, runs out of stack; pdfium bounds the depth."""


@pytest.mark.parametrize("names", [ACCEPTED[i::8] for i in range(8)], ids=range(8))
def test_accepted_files_come_out_at_lta(names: list[str], line: Line, oracle: Oracle, tmp_path: Path) -> None:
    complaints: list[str] = []
    for name in names:
        original = DAMAGED[name].make()
        signed = line.sign(original)
        answer = "rewritten" if signed.admission.repaired else "signed"
        if answer != expectation(name, DAMAGED[name]):
            complaints.append(f"{name}: {answer}")
        path = tmp_path / f"{name}.pdf"
        path.write_bytes(signed.data)
        if name not in DSS_OVERFLOWS:
            complaints += [f"{name}: DSS: {c}" for c in ours(oracle, path, line, signed.prepared.revision.base)]
        if not loses_nothing(original, signed.data):
            complaints.append(f"{name}: pdfium sees other pages than before")
    assert complaints == []


def ours(oracle: Oracle, path: Path, line: Line, base: int) -> list[str]:
    """What EU DSS says against the signature that we added, and against any timestamp."""
    validation = oracle.validate(path, [line.root_pem])
    new = [s for s in validation.signatures if s.byte_range is not None and s.byte_range[1] >= base]
    said = [] if len(new) == 1 else [f"{len(new)} new signatures"]
    said += [
        f"{s.indication} {s.level}" for s in new if (s.indication, s.level) != ("TOTAL_PASSED", "PAdES_BASELINE_LTA")
    ]
    stamps = [t for t in validation.timestamps if t.indication == "PASSED"]
    return said + ([] if len(stamps) >= 2 else [f"{len(stamps)} timestamps passed"])


@pytest.mark.parametrize("name", REFUSED)
def test_refused_files_name_the_reason(name: str) -> None:
    reason = None if name in OTHERWISE else DAMAGED[name].reason
    with pytest.raises(REASONS[reason]) as caught:
        admit(io.BytesIO(DAMAGED[name].make()))
    assert caught.value.code
    assert str(caught.value)
    assert caught.value.remedy


def test_a_rewrite_is_said_and_can_be_forbidden() -> None:
    original = (
        DAMAGED["startxref_missing"].make() if "startxref_missing" in DAMAGED else DAMAGED["size_too_small"].make()
    )
    admission = admit(io.BytesIO(original))
    assert admission.repaired is not None
    assert admission.repaired.original_sha256 == hashlib.sha256(original).digest()
    rewritten = admission.stream.read() if not admission.stream.seek(0) else b""
    assert admission.repaired.rewritten_sha256 == hashlib.sha256(rewritten).digest()
    assert admission.repaired.findings
    with pytest.raises(DocumentDamagedError):
        admit(io.BytesIO(original), allow_rewrite=False)


def test_a_rewrite_looks_as_pdfium_showed_the_original() -> None:
    for name in ACCEPTED:
        original = DAMAGED[name].make()
        admission = admit(io.BytesIO(original))
        if admission.repaired is None:
            continue
        try:
            before = pypdfium2.PdfDocument(original)
        except pypdfium2.PdfiumError:
            continue
        after = pypdfium2.PdfDocument(admission.stream)
        for index in range(min(len(before), len(after))):
            try:
                picture = bytes(before[index].render(scale=1).buffer)
            except pypdfium2.PdfiumError:
                continue
            assert bytes(after[index].render(scale=1).buffer) == picture, name


BOUNDED = """
import io, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (1536 << 20, 1536 << 20))
from signing.pades.admit import admit
from signing.ports import DocumentError
from tests.samples.damaged import DAMAGED
try:
    admit(io.BytesIO(DAMAGED[sys.argv[1]].make()))
    print("admitted")
except DocumentError as error:
    print(error.code)
"""


@pytest.mark.parametrize("name", sorted(BOMBS))
def test_hostile_files_cost_little(name: str) -> None:
    started = time.monotonic()
    result = subprocess.run(
        [sys.executable, "-c", BOUNDED, name], capture_output=True, text=True, timeout=SECONDS * 3, check=False
    )
    assert result.returncode == 0, result.stderr[-500:]
    assert time.monotonic() - started < SECONDS
