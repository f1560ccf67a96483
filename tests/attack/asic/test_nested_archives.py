"""Archives among the files of a container are files: signed as octets, never opened (F-1; ADR 10)."""

import ast
import io
import os
import time
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from signing.asic.reading import opened
from signing.ports import Level, Profile
from tests.attack.asic.building import FAN, MEBI, nested
from tests.oracles.oracle import Oracle
from tests.support.asic import extend_container, sign_container, verify_container
from tests.support.line import Line

ROOT = Path(__file__).parents[3]
PACKAGES = ("fts", "signing", "timestamping", "storage", "sealing")
WRITERS = {"signing/asic/writing.py": {"zipfile"}, "fts/export.py": {"tarfile"}}
"""Modules that write archives; nothing in the product reads one but `signing.asic.zip_directory`, octet by octet."""
LEVELS = 5
ALLOWANCE = 256 * 1024
"""Octets of memory that the bomb may cost more than as many octets of noise."""


@pytest.fixture(scope="module")
def bomb() -> bytes:
    """Archives of sixteen archives each, five deep: a tebibyte, were somebody to open all of them."""
    octets = nested(LEVELS)
    assert FAN**LEVELS * MEBI == 1 << 40
    with zipfile.ZipFile(io.BytesIO(octets)) as outermost:
        assert len(outermost.namelist()) == FAN
    return octets


def test_it_is_read_as_the_octets_that_it_is(line: Line, bomb: bytes) -> None:
    signed = sign_container(line, {"bomb.zip": bomb}, profile=Profile(Level.B)).data
    held = opened(io.BytesIO(signed))
    (file,) = held.files
    assert (file.name, file.stream.read()) == ("bomb.zip", bomb)
    assert len(signed) < len(bomb) + 20_000


def test_it_costs_what_as_many_octets_of_noise_cost(line: Line, bomb: bytes) -> None:
    """Signing and verifying, in memory and in time; opening the outermost archive alone would show in either."""
    costs = {}
    for name, content in (("noise", os.urandom(len(bomb))), ("bomb", bomb)):
        signed = sign_container(line, {"a.zip": content}, profile=Profile(Level.B)).data
        verify_container(line, signed)
        tracemalloc.start()
        begun = time.process_time()
        assert verify_container(line, signed).level is Level.B
        costs[name] = (tracemalloc.get_traced_memory()[1], time.process_time() - begun)
        tracemalloc.stop()
    assert costs["bomb"][0] < costs["noise"][0] + ALLOWANCE
    assert costs["bomb"][1] < 10 * costs["noise"][1] + 0.5


def test_dss_finds_it_signed_too(line: Line, oracle: Oracle, tmp_path: Path, bomb: bytes) -> None:
    path = tmp_path / "bomb.asice"
    path.write_bytes(sign_container(line, {"bomb.zip": bomb, "letter.txt": b"a letter"}).data)
    assert oracle.validate(path, [line.root_pem]).verdict("LTA", timestamps=2, form="XAdES") == []


@pytest.mark.parametrize("change", [lambda data: data, lambda data: data.replace(b"a letter", b"a latter")])
def test_signatures_in_a_container_within_are_not_reported(line: Line, change: object) -> None:
    """Neither a good one nor a broken one inside says anything about the outer signature, or is named as verified."""
    assert callable(change)
    inner = change(sign_container(line, {"letter.txt": b"a letter"}, profile=Profile(Level.T)).data)
    outer = sign_container(line, {"signed.asice": inner}, profile=Profile(Level.T)).data
    report = verify_container(line, outer)
    assert (report.valid, len(report.signatures), report.level) == (True, 1, Level.T)
    longer, _ = extend_container(line, outer)
    with zipfile.ZipFile(io.BytesIO(longer)) as archive:
        assert archive.read("signed.asice") == inner


def test_nothing_in_the_product_opens_an_archive() -> None:
    """The only readers of archives are those of the container's own directory and entries."""
    found: dict[str, set[str]] = {}
    for path in (path for package in PACKAGES for path in (ROOT / package).rglob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        if used := set(_archivers(tree)):
            found[path.relative_to(ROOT).as_posix()] = used
    assert found == WRITERS
    writing = (ROOT / "signing/asic/writing.py").read_text("utf-8")
    assert [mode for mode in ('"w"', '"r"', '"a"') if f"ZipFile(output, {mode}" in writing] == ['"w"']
    assert writing.count("ZipFile(") == 1


def _archivers(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names if each.name in {"zipfile", "tarfile", "zipimport", "py7zr"})
        elif isinstance(node, ast.ImportFrom) and node.module in {"zipfile", "tarfile", "zipimport", "py7zr"}:
            yield str(node.module)
        elif isinstance(node, ast.Attribute) and node.attr in {"unpack_archive", "make_archive"}:
            yield node.attr
