"""Containers that must be refused, or not: a folder names the answer, a new case is a new file (F-1, F-2).

`why` says what the case is, `says` is part of what the refusal must say: a case that is refused for another reason than
its own shows nothing.
"""

import io
import time
import tomllib
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from signing.asic.ports import ContainerError, ContainerTooLargeError
from signing.asic.reading import is_container, opened
from signing.asic.timestamp_container import opened_container
from signing.asic.verify import verify
from signing.limits import LIMITS
from signing.trust.path import TrustAnchors
from tests.attack.asic.building import build
from timestamping.clock import utc_now

HERE = Path(__file__).parent
REFUSED = sorted(HERE.glob("refused/*/*.toml"))
ACCEPTED = sorted(HERE.glob("accepted/*.toml"))
SECONDS = 1.0
MEMORY = 4 * 1024 * 1024
CHUNK = 64 * 1024


def spec(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8"))


def read_through(container: io.BytesIO) -> int:
    """Open a container and read all that signatures can refer to; return the number of octets."""
    octets = 0
    for stream in opened(container).resolvable().values():
        while chunk := stream.read(CHUNK):
            octets += len(chunk)
    return octets


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_refused(path: Path) -> None:
    case = spec(path)
    container = io.BytesIO(build(case))
    begun = time.monotonic()
    tracemalloc.start()
    with pytest.raises(ContainerError) as refusal:
        read_through(container)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (refusal.value.code, bool(refusal.value.remedy)) == (path.parent.name, True)
    assert case["says"] in str(refusal.value)
    assert (peak < MEMORY, time.monotonic() - begun < SECONDS) == (True, True)


@pytest.mark.parametrize("path", REFUSED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_other_error_leaves_the_readers(path: Path) -> None:
    container = io.BytesIO(build(spec(path)))
    report = verify(container, TrustAnchors([]), clock=utc_now)
    assert (report.valid, bool(report.problems)) == (False, True)
    with pytest.raises(ContainerError), opened_container(container) as (_, file, _token):
        file.read()


@pytest.mark.parametrize("path", ACCEPTED, ids=lambda path: path.stem)
def test_accepted(path: Path) -> None:
    container = io.BytesIO(build(spec(path)))
    assert is_container(container)
    tracemalloc.start()
    octets = read_through(container)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert octets >= len("a letter")
    assert peak < MEMORY


def test_the_folders_are_seen() -> None:
    assert {path.parent.name for path in REFUSED} == {ContainerError.code, ContainerTooLargeError.code}
    assert len(REFUSED) > 100
    assert len(ACCEPTED) > 10


@pytest.mark.parametrize(
    ("limit", "value"),
    [
        ("container_bytes", 100),
        ("container_entries", 1),
        ("container_directory_bytes", 60),
        ("container_work_bytes", 35),
    ],
)
def test_each_limit_is_kept(limit: str, value: int, monkeypatch: pytest.MonkeyPatch) -> None:
    container = io.BytesIO(build({}))
    assert read_through(container) == len("a letter")
    for module in ("signing.asic.zip_directory", "signing.asic.reading"):
        monkeypatch.setattr(f"{module}.LIMITS", replace(LIMITS, **{limit: value}))
    with pytest.raises(ContainerTooLargeError):
        read_through(container)


def test_xml_in_a_container_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    case = {"entry": [{"name": f"META-INF/signatures{n}.xml", "content": "x" * 100} for n in range(3)]}
    assert len(opened(io.BytesIO(build(case))).signatures) == 3
    monkeypatch.setattr("signing.asic.reading.LIMITS", replace(LIMITS, container_xml_bytes=250))
    with pytest.raises(ContainerTooLargeError):
        opened(io.BytesIO(build(case)))
