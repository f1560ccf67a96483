"""An archive that was bent says where, to us and to its script with openssl (FTS-AUD-2)."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.unit.trail.archives import START, archived, days, judged, lasting_unit, lines, packed, walked
from tests.unit.trail.trails import Trail

DAYS = ("2026-11-24", "2026-11-25", "2026-11-26")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Trail]:
    """Three days of two checkpoints over three events each, never touched."""
    place = tmp_path_factory.mktemp("archive")
    trail = days(Trail(f"sqlite+aiosqlite:///{place / 'trail.sqlite3'}", lasting_unit("A"), START), 3)
    archived(trail, place / "archive")
    return place / "archive", trail


@pytest.fixture
def folder(whole: tuple[Path, Trail], tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole[0], tmp_path / "archive"))


def file(folder: Path, day: int) -> Path:
    return folder / "trail" / f"{DAYS[day]}.jsonl"


def edited(folder: Path, day: int, line: int, change: Callable[[dict], None]) -> None:  # type: ignore[type-arg]
    found = lines(file(folder, day))
    record = json.loads(found[line])
    change(record)
    found[line] = packed(record)
    file(folder, day).write_bytes(b"".join(found))


def swap(one: Path, other: Path) -> None:
    octets = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(octets)


# a file: 0 its begin, 1-3 links, 4 checkpoint, 5-7 links, 8 checkpoint, 9 its end


def edit_header(folder: Path) -> None:
    edited(folder, 1, 2, lambda record: record["header"].update(kind="other"))


def edit_hash(folder: Path) -> None:
    edited(folder, 1, 2, lambda record: record.update(hash="00" * 32))


def edit_checkpoint(folder: Path) -> None:
    edited(folder, 1, 4, lambda record: record["checkpoint"].update(at=record["checkpoint"]["at"] + 1))


def drop_token(folder: Path) -> None:
    edited(folder, 1, 4, lambda record: record.update(tokens=[]))


def edit_end(folder: Path) -> None:
    edited(folder, 1, 9, lambda record: record["end"].update(links=5))


def edit_begin(folder: Path) -> None:
    edited(folder, 1, 0, lambda record: record["after"].update(seq=3))


def wrong_previous(folder: Path) -> None:
    edited(folder, 1, 0, lambda record: record.update(previous="00" * 64))


def other_number(folder: Path) -> None:
    edited(folder, 1, 0, lambda record: record.update(number=3))


def spaces(folder: Path) -> None:
    octets = file(folder, 1).read_bytes()
    file(folder, 1).write_bytes(octets.replace(b'{"checkpoint":', b'{"checkpoint": ', 1))


def other_token(folder: Path) -> None:
    other = json.loads(lines(file(folder, 1))[8])["tokens"]
    edited(folder, 1, 4, lambda record: record.update(tokens=other))


def token_twice(folder: Path) -> None:
    edited(folder, 1, 4, lambda record: record.update(tokens=record["tokens"] * 2))


def rearranged(*order: int) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        found = lines(file(folder, 1))
        file(folder, 1).write_bytes(b"".join(found[n] for n in order))

    change.__name__ = "lines " + "".join(str(n) for n in order)
    return change


def truncated(folder: Path) -> None:
    octets = file(folder, 1).read_bytes()
    file(folder, 1).write_bytes(octets[:-40])


def emptied(folder: Path) -> None:
    file(folder, 1).write_bytes(b"")


def two_days_swapped(folder: Path) -> None:
    swap(file(folder, 1), file(folder, 2))


def first_removed(folder: Path) -> None:
    file(folder, 0).unlink()


def middle_removed(folder: Path) -> None:
    file(folder, 1).unlink()


def foreign_file(folder: Path) -> None:
    (folder / "trail" / "2026-11-25.txt").write_text("x")


def foreign_day(folder: Path) -> None:
    shutil.copy(file(folder, 1), folder / "trail" / "2026-11-27.jsonl")


def other_personal(folder: Path) -> None:
    swap(folder / "personal" / f"{DAYS[1]}.jsonl", folder / "personal" / f"{DAYS[2]}.jsonl")


def other_root(folder: Path) -> None:
    (folder / "roots.pem").write_bytes(lasting_unit("B").ca.certificate.public_bytes(Encoding.PEM))


CHANGES = [
    (edit_header, DAYS[1], 8),
    (edit_hash, DAYS[1], 8),
    (edit_checkpoint, DAYS[1], None),
    (drop_token, DAYS[1], None),
    (edit_end, DAYS[1], None),
    (edit_begin, DAYS[1], None),
    (wrong_previous, DAYS[1], None),
    (other_number, DAYS[1], None),
    (spaces, DAYS[1], None),
    (other_token, DAYS[1], None),
    (token_twice, DAYS[1], None),
    (rearranged(0, 1, 3, 4, 5, 6, 7, 8, 9), DAYS[1], 8),
    (rearranged(0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9), DAYS[1], 9),
    (rearranged(0, 2, 1, 3, 4, 5, 6, 7, 8, 9), DAYS[1], 7),
    (rearranged(0, 1, 2, 3, 5, 6, 7, 8, 9), DAYS[1], None),
    (rearranged(0, 1, 2, 3, 4, 5, 6, 7, 9), DAYS[1], None),
    (rearranged(0, 1, 2, 3, 4, 9), DAYS[1], None),
    (rearranged(0, 1, 2, 3, 4, 5, 6, 7, 8), DAYS[1], None),
    (rearranged(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 9), DAYS[1], None),
    (rearranged(1, 2, 3, 4, 5, 6, 7, 8, 9), DAYS[1], None),
    (truncated, DAYS[1], None),
    (emptied, DAYS[1], None),
    (two_days_swapped, DAYS[1], None),
    (first_removed, DAYS[1], None),
    (middle_removed, DAYS[2], None),
    (foreign_file, "2026-11-25.txt", None),
    (foreign_day, "2026-11-27", None),
    (other_personal, DAYS[1], None),
]


@pytest.mark.parametrize(("change", "where", "seq"), CHANGES, ids=[change.__name__ for change, _, _ in CHANGES])
def test_the_first_bad_record_is_named(
    whole: tuple[Path, Trail], folder: Path, change: Callable[[Path], None], where: str, seq: int | None
) -> None:
    assert walked(folder, whole[1].unit.ca.certificate).ok
    change(folder)
    bad = walked(folder, whole[1].unit.ca.certificate).first_bad
    assert bad is not None
    assert where in bad.file, bad
    assert seq in (None, bad.seq), bad
    status, said = judged(folder)
    assert status == 1, said
    assert f"{where}" in said.splitlines()[-2], said


def test_an_authority_that_nobody_trusts(folder: Path) -> None:
    assert walked(folder, lasting_unit("B").ca.certificate).first_bad is not None
    other_root(folder)
    assert judged(folder)[0] == 1


def test_a_last_file_that_is_gone_is_missed_beside_its_hash(whole: tuple[Path, Trail], folder: Path) -> None:
    root = whole[1].unit.ca.certificate
    last = walked(folder, root).last_sha512
    assert walked(folder, root, last=last).ok
    file(folder, 2).unlink()
    (folder / "personal" / f"{DAYS[2]}.jsonl").unlink()
    assert walked(folder, root).ok, "nothing inside shows it"
    assert walked(folder, root, last=last).first_bad is not None
    assert last is not None
    assert last.hex() not in judged(folder)[1]


def test_a_part_of_an_archive_stands_beside_the_hash_before_it(whole: tuple[Path, Trail], folder: Path) -> None:
    root, hashes = whole[1].unit.ca.certificate, []
    walked(folder, root, told=lambda found: hashes.append(found.sha512))
    file(folder, 0).unlink()
    (folder / "personal" / f"{DAYS[0]}.jsonl").unlink()
    assert walked(folder, root).first_bad is not None
    assert walked(folder, root, after=hashes[1]).first_bad is not None
    assert walked(folder, root, after=hashes[0]).ok


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_octet_can_be_changed(whole: tuple[Path, Trail], folder: Path, data: st.DataObject) -> None:
    """Any octet of any file but the last; of the last one, beside its hash."""
    root = whole[1].unit.ca.certificate
    last = walked(whole[0], root).last_sha512
    path = file(folder, data.draw(st.integers(0, 2)))
    octets = bytearray(path.read_bytes())
    place = data.draw(st.integers(0, len(octets) - 1))
    octets[place] ^= data.draw(st.integers(1, 255))
    kept = path.read_bytes()
    path.write_bytes(octets)
    try:
        assert walked(folder, root, last=last).first_bad is not None
    finally:
        path.write_bytes(kept)
