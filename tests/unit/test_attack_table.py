"""The table of attacks names tests that are there, and has a row for each case of door, stores and trail."""

import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
TABLE = (ROOT / "docs" / "attacks.md").read_text()
CASES = [
    *(f"A-{n}" for n in range(1, 9)),
    *("F-3", "F-5", "F-6", "S-1", "S-4", "S-5"),
    *(f"L-{n}" for n in range(1, 7)),
]
ROW = re.compile(r"^\| ([A-Z]-\d+) \| (.+) \| (.+) \|$", re.MULTILINE)
TEST = re.compile(r"`([\w/]+\.py)::(\w+)`")


@cache
def source(path: str) -> str:
    return (ROOT / path).read_text()


def test_every_case_has_a_row() -> None:
    assert [case for case, _, _ in ROW.findall(TABLE)] == CASES


def test_every_test_is_there() -> None:
    for case, where, _ in ROW.findall(TABLE):
        named = TEST.findall(where)
        assert ", ".join(f"`{path}::{name}`" for path, name in named) == where, case
        for path, name in named:
            assert re.search(rf"^\s*def {name}\(", source(path), re.MULTILINE), f"{case}: {path}::{name}"
