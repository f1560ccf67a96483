"""What is handed over verifies without us, ten years later too (FTS-AUD-1, FTS-AUD-2; cases L-3, L-4, L-6)."""

import asyncio
import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fts.audit.chain import sequence
from fts.audit.checkpoints import renew
from fts.audit.export import bundle
from fts.audit.merkle import inclusion_proof, is_included, root_of
from fts.audit.search import Query, erase, search
from fts.audit.service import Actor
from fts.db.database import Database
from fts.errors import RefusalError
from tests.unit.trail.trails import KEYRING, NUMBER, Trail, new_unit

OPERATOR = Actor("operator", name="test")
EVIL = "a\nb\x1b[31m\"},{'x': \u2028 \u202e}\0"


@pytest.fixture
def trail(tmp_path: Path) -> Trail:
    made = Trail(f"sqlite+aiosqlite:///{tmp_path / 'trail.sqlite3'}")
    made.write(7)
    made.checkpoint()
    made.write(4)
    made.checkpoint("sha384")
    return made


def exported(trail: Trail, folder: Path, *more: Any) -> Path:
    trust = [trail.unit.ca.certificate, *more]
    trail.run(lambda database: bundle(database, KEYRING, trust, OPERATOR, folder, signing_id="s1"))
    return folder


def judged(folder: Path) -> tuple[int, str]:
    """Verify a bundle far from here: a plain Python and openssl, nothing of ours on the path."""
    script = shutil.copy(folder / "verify_bundle.py", folder.parent / "judge.py")
    command = [sys.executable, "-I", "-S", str(script), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
    return done.returncode, done.stdout + done.stderr


def test_a_bundle_verifies_with_its_script_and_openssl(trail: Trail, tmp_path: Path) -> None:
    status, said = judged(exported(trail, tmp_path / "bundle"))
    assert status == 0, said
    assert said.count(": PASS") == 11 + 2
    assert said.splitlines()[-1] == "PASS"


def change_event(folder: Path) -> None:
    records = json.loads((folder / "events.json").read_text())
    records[3]["header"]["kind"] = "signing.other"
    (folder / "events.json").write_text(json.dumps(records))


def change_person(folder: Path) -> None:
    records = json.loads((folder / "events.json").read_text())
    next(r for r in records if r["personal"])["personal"]["content"]["address"] = "192.0.2.8"
    (folder / "events.json").write_text(json.dumps(records))


def change_proof(folder: Path) -> None:
    records = json.loads((folder / "events.json").read_text())
    records[0]["proof"][0] = "00" * 32
    (folder / "events.json").write_text(json.dumps(records))


def drop_proof(folder: Path) -> None:
    records = json.loads((folder / "events.json").read_text())
    records[0]["proof"].pop()
    (folder / "events.json").write_text(json.dumps(records))


def change_root(folder: Path) -> None:
    points = json.loads((folder / "checkpoints.json").read_text())
    points[0]["root"] = "00" * 32
    (folder / "checkpoints.json").write_text(json.dumps(points))


def change_time(folder: Path) -> None:
    points = json.loads((folder / "checkpoints.json").read_text())
    points[0]["at"] += 1
    (folder / "checkpoints.json").write_text(json.dumps(points))


def swap_tokens(folder: Path) -> None:
    one, two = folder / "tokens" / "1-1.tst", folder / "tokens" / "2-1.tst"
    octets = one.read_bytes()
    one.write_bytes(two.read_bytes())
    two.write_bytes(octets)


def no_token(folder: Path) -> None:
    points = json.loads((folder / "checkpoints.json").read_text())
    points[0]["tokens"] = []
    (folder / "checkpoints.json").write_text(json.dumps(points))


def other_anchor(folder: Path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding  # noqa: PLC0415

    (folder / "anchors.pem").write_bytes(new_unit("other").ca.certificate.public_bytes(Encoding.PEM))


@pytest.mark.parametrize(
    "change",
    [
        change_event,
        change_person,
        change_proof,
        drop_proof,
        change_root,
        change_time,
        swap_tokens,
        no_token,
        other_anchor,
    ],
)
def test_a_bundle_that_was_changed_fails(trail: Trail, tmp_path: Path, change: Callable[[Path], None]) -> None:
    folder = exported(trail, tmp_path / "bundle")
    change(folder)
    status, said = judged(folder)
    assert status == 1, said
    assert "FAIL" in said


def test_keys_and_algorithms_are_changed_over_the_years(trail: Trail, tmp_path: Path) -> None:
    """Case L-3: the authority's key and the algorithm change; the old part verifies offline with archived roots."""
    old_roots = []
    for algorithm in ("sha384", "sha512"):
        old_roots.append(trail.unit.ca.certificate)
        trail.unit = new_unit(algorithm)
        trail.now += timedelta(minutes=10)

        async def work(database: Database, algorithm: str = algorithm) -> int:
            return await renew(database, trail.timestamp, algorithm, trail.now)

        assert trail.run(work) == 2
    verdict = trail.verify(trust=[trail.unit.ca.certificate, *old_roots])
    assert verdict.ok, verdict
    assert verdict.anchored_until == trail.now
    status, said = judged(exported(trail, tmp_path / "bundle", *old_roots))
    assert status == 0, said
    assert said.count(", then ") == 4, "three timestamps on each of two checkpoints"
    bad = trail.verify(trust=[trail.unit.ca.certificate]).first_bad
    assert bad is not None, "the archived roots are needed"


def test_what_is_not_anchored_yet_cannot_be_handed_over(trail: Trail, tmp_path: Path) -> None:
    trail.write(1)
    for step in (lambda: None, trail.chain):
        step()
        with pytest.raises(RefusalError) as refused:
            exported(trail, tmp_path / "bundle")
        assert refused.value.code == "BUNDLE_NOT_READY"
    trail.checkpoint()
    exported(trail, tmp_path / "bundle")
    with pytest.raises(RefusalError) as refused:
        exported(trail, tmp_path / "bundle")
    assert refused.value.code in {"FILE_EXISTS", "BUNDLE_NOT_READY"}


def test_characters_that_break_records(tmp_path: Path) -> None:
    """Case L-4: one record, encoded, whatever stands in it."""
    trail = Trail(f"sqlite+aiosqlite:///{tmp_path / 'trail.sqlite3'}")
    trail.write(3, text=EVIL, document_id="d1\n2")
    trail.checkpoint()
    assert trail.verify().ok
    found = trail.run(lambda database: search(database, KEYRING, Query(signing_id="s1"), OPERATOR))
    assert [event.data["text"] for event in found if event.actor != "operator"] == [EVIL] * 3
    folder = exported(trail, tmp_path / "bundle")
    assert "\x1b" not in (folder / "events.json").read_text()
    status, said = judged(folder)
    assert (status, "\x1b" in said) == (0, False), said


def test_a_person_is_found_by_number_and_forgotten_when_the_time_is_over(trail: Trail) -> None:
    """Case L-6: the number stands nowhere in the clear; without the personal parts the chain is still whole."""
    assert NUMBER.encode() not in trail.path.read_bytes()
    found = trail.run(lambda database: search(database, KEYRING, Query(signer_number=NUMBER), OPERATOR))
    assert len([event for event in found if event.kind != "trail.read"]) == 11, "and who looked for the person"
    assert {event.personal["signer"] for event in found if event.personal and "signer" in event.personal} == {NUMBER}
    nobody = trail.run(lambda database: search(database, KEYRING, Query(signer_number="1"), OPERATOR))
    assert {event.kind for event in nobody} == {"trail.read"}
    later = trail.now + timedelta(seconds=1)
    erased = trail.run(lambda database: erase(database, later, "ten years are over", OPERATOR))
    assert erased > 0
    trail.checkpoint()
    verdict = trail.verify()
    assert verdict.ok, verdict
    assert verdict.removed_personal_parts >= 11 - 2
    found = trail.run(lambda database: search(database, KEYRING, Query(signing_id="s1"), OPERATOR))
    assert all(event.personal is None for event in found if event.kind.startswith("signing."))
    assert NUMBER.encode() not in trail.path.read_bytes()


def test_reading_the_trail_is_recorded(trail: Trail) -> None:
    trail.run(lambda database: search(database, KEYRING, Query(client_id="town"), OPERATOR))
    found = trail.run(lambda database: search(database, KEYRING, Query(kind="trail.read"), OPERATOR))
    assert [(event.actor, event.client_id, (event.personal or {})["name"]) for event in found] == [
        ("operator", "town", "test"),
        ("operator", None, "test"),
    ]


def test_two_sequencers_make_one_chain(tmp_path: Path) -> None:
    """Case L-2: whoever comes second finds nothing to do."""
    trail = Trail(f"sqlite+aiosqlite:///{tmp_path / 'trail.sqlite3'}")
    trail.write(40)

    async def both(database: Database) -> int:
        second = Database(trail.url, lambda: trail.now, KEYRING)
        try:
            return sum(await asyncio.gather(*(sequence(d, 7) for d in (database, second) * 6)))
        finally:
            await second.close()

    assert trail.run(both) == 40
    trail.checkpoint()
    assert trail.verify().events == 40


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 13, 100])
def test_proofs_are_good_for_their_entry_only(size: int) -> None:
    entries = [bytes([n]) * 32 for n in range(size)]
    root = root_of(entries)
    for index in range(size):
        proof = inclusion_proof(entries, index)
        assert is_included(entries[index], index, size, proof, root)
        assert not is_included(b"x", index, size, proof, root)
        assert not is_included(entries[index], index, size, [*proof, root], root)
        if size > 1:
            assert not is_included(entries[index], (index + 1) % size, size, proof, root)


def test_the_tree_is_that_of_certificate_transparency() -> None:
    """The published vectors of RFC 6962's reference implementation."""
    entries = [bytes.fromhex(h) for h in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )]  # fmt: skip
    roots = {
        1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    }
    assert {size: root_of(entries[:size]).hex() for size in roots} == roots


@pytest.mark.parametrize("evil", ["\ud800", "a\udfffb"])
def test_what_cannot_be_hashed_is_not_recorded(tmp_path: Path, evil: str) -> None:
    """Case L-4: a record that the sequencer could not read would stop the chain for good."""
    trail = Trail(f"sqlite+aiosqlite:///{tmp_path / 'trail.sqlite3'}")
    with pytest.raises(ValueError, match="surrogates"):
        trail.write(1, text=evil)
    trail.write(1)
    trail.checkpoint()
    assert trail.verify().ok
