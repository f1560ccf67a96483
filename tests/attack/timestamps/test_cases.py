"""Timestamps that somebody has bent (T-1 to T-6, T-10, T-12 to T-14; FTS-TS-5): one folder each.

`case.toml` says what is made, with the words of `tests.conformance.timestamps` (`cases`, `units` and `defects`);
`expected.json` what the strict verifier finds, all of it, and whether our client takes the reply. A new case is a new
folder.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.timestamps.cases import Case, Made, make
from timestamping.findings import Code
from timestamping.ports import TimestampError
from timestamping.token import parse_reply

FOLDERS = sorted(path.parent for path in Path(__file__).parent.glob("*/case.toml"))


def test_every_attack_has_its_cases() -> None:
    found = {folder.name.split("_")[0] for folder in FOLDERS}
    assert found == {"T-1", "T-2", "T-3", "T-4", "T-5", "T-6", "T-10", "T-12", "T-13", "T-14"}
    assert all((folder / "expected.json").exists() for folder in FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_case(folder: Path) -> None:
    expected: dict[str, Any] = json.loads((folder / "expected.json").read_text())
    made = make(Case.from_toml(folder / "case.toml"))
    report = made.judged()
    assert {
        "valid": report.valid,
        "conformant": report.conformant,
        "findings": sorted(report.codes - {Code.REVOCATION_NOT_CHECKED}),
        "client": _client(made),
    } == expected, [(finding.code, finding.message) for finding in report.findings]


def _client(made: Made) -> str:
    try:
        parse_reply(made.reply, made.request, party="the authority")
    except TimestampError:
        return "refuses"
    return "takes"
