"""Processes are killed with kill -9 at every state, or stopped past their lease: nothing is lost or done twice.

FTS-SIG-1, FTS-SIG-3, FTS-AUD-1, FTS-GDPR-1. `FTS_KILL_ROUNDS` and `FTS_KILL_SEED` make longer and other runs.
"""

import json
import os
import random
import signal
import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, nullcontext
from functools import cache
from typing import Final

import pytest

from deploy.demo_pki.faults import Fault
from tests.e2e.kills.effects import check_completed, check_still_there
from tests.e2e.kills.errand import Errand
from tests.e2e.kills.striking import (
    Aim,
    Striker,
    Victim,
    alive_of,
    at_step,
    children,
    has_stored,
    is_inspecting,
    is_preparing,
    leased,
    objects,
    rows,
    spool,
    taken,
)
from tests.samples.sound import SOUND
from tests.support.gateway import ENDED, Gateway, Process

AIMS: Final = (
    Aim("uploading", "web"),
    Aim("inspecting", "web", "many_pages", look=is_inspecting),
    Aim("inspecting", "worker", "many_pages", look=is_inspecting, job="inspect"),
    Aim("uploaded", "worker"),
    Aim("created", "web"),
    Aim("opened", "web"),
    Aim("preparing", "web", slow="/ocsp", look=is_preparing),
    Aim("preparing", "worker", slow="/ocsp", look=is_preparing, job="prepare"),
    Aim("prepared but not written down", "worker", look=has_stored("prepare"), job="prepare"),
    Aim("prepared", "web"),
    Aim("accepted", "web"),
    Aim("accepted", "worker"),
    Aim("timestamp", "worker", slow="/tsa", look=at_step("timestamp"), job="finish"),
    Aim("timestamp", "web", slow="/tsa", look=at_step("timestamp")),
    Aim("revocation", "worker", slow="/ocsp", look=at_step("revocation"), job="finish"),
    Aim("archive", "worker", slow="/tsa", look=at_step("archive"), job="finish"),
    Aim("check", "worker", "many_pages", look=at_step("check"), job="finish"),
    Aim("completed but not written down", "worker", look=has_stored("check"), job="finish"),
    Aim("ended", "worker"),
    Aim("ended", "web"),
)
ROUNDS: Final = max(int(os.environ.get("FTS_KILL_ROUNDS", "30")) - len(AIMS), 0)
SEED: Final = int(os.environ.get("FTS_KILL_SEED", "4711"))
VICTIMS: Final[tuple[tuple[Victim, ...], ...]] = (
    ("web",),
    ("worker",),
    ("web", "worker"),
    ("sequencer", "worker"),
    ("web", "worker", "sequencer"),
)
SLOW: Final = Fault("slow", delay=0.25)
SLOWER: Final = Fault("slow", delay=1.2)
FLOW_SECONDS: Final = 0.6
"""An errand that nobody disturbs takes about so long."""
LEASE_SECONDS: Final = 1.0

done: list[Errand] = []
"""The errands that came to their end; in the last tests they are all looked at again."""


@pytest.mark.parametrize("aim", AIMS, ids=str)
def test_killed_at(striker: Striker, aim: Aim) -> None:
    """Each moment between two durable states, and each durable state."""
    gateway = striker.gateway
    errand = Errand(gateway, document(aim.document), aim.halt(striker))
    with gateway.fault(aim.slow, SLOW) if aim.slow else nullcontext(), aim.watched(errand, striker):
        errand.run()
    done.append(errand)
    if aim.job is not None:
        assert taken(errand, aim.job) >= 2, f"the kill came before or after the moment ({aim.moment})"
    check_completed(errand)


@pytest.mark.parametrize("number", range(ROUNDS))
def test_killed_at_a_random_moment(striker: Striker, number: int) -> None:
    """Two errands at a time; one process or both are killed."""
    chance = random.Random(f"{SEED}:{number}")  # noqa: S311 - repeatable, not secret
    names = chance.choices(("one_page", "fifty_kb", "many_pages"), k=2)
    errands = [Errand(striker.gateway, document(name)) for name in names]
    with ThreadPoolExecutor(len(errands)) as parties:
        running = [parties.submit(errand.run) for errand in errands]
        time.sleep(chance.uniform(0, FLOW_SECONDS))
        striker.strike(*chance.choice(VICTIMS))
        done.extend(one.result() for one in running)
    for errand in errands:
        check_completed(errand)


def test_killed_again_and_again(striker: Striker) -> None:
    """Work that kills its worker every time is given up with one code, and ends nowhere else."""
    gateway = striker.gateway
    errand = Errand(gateway, document("fifty_kb"))
    errand.upload()
    errand.order()
    browser = errand.open()
    errand.prepare()
    with gateway.fault("/tsa", SLOW):
        errand.give_value()
        struck = 0
        while (state := browser.state())["state"] == "finishing":
            if taken(errand, "finish") > struck:
                struck += 1
                time.sleep(SLOW.delay / 2)
                if leased(errand, "finish"):
                    striker.strike("worker")
            assert struck < 10, "the work is not given up"
    assert (state["state"], state["problem"]["code"]) == ("failed", "INTERNAL_ERROR")
    kinds = [event.kind for event in gateway.trail(errand.id)]
    assert [kind for kind in kinds if kind.removeprefix("signing.") in ENDED] == ["signing.failed"]
    assert kinds.count("signing.value_accepted") == 1
    [row] = rows(gateway, "SELECT result_object, ended_at FROM signing WHERE id = ?", errand.id)
    assert row["result_object"] is None
    assert browser.post("signature", {"digest": "", "signature": ""}).json()["code"] == "SIGNING_ENDED"
    browser.http.close()


@pytest.fixture
def stand_in(striker: Striker) -> Iterator[Process]:
    """A second worker, which is stopped at first."""
    gateway = striker.gateway
    second = Process(gateway.worker.arguments, gateway.worker.ready, gateway.directory / "stand-in.log")
    second.start()
    striker.families |= children(second)
    freeze(gateway, second)
    yield second
    thaw(gateway.worker)
    thaw(second)
    second.stop()


@pytest.mark.parametrize(("kind", "service"), [("prepare", "/ocsp"), ("finish", "/tsa")])
def test_back_while_another_has_the_job(striker: Striker, stand_in: Process, kind: str, service: str) -> None:
    """A worker that was stopped past its lease has the result first; it changes nothing all the same."""
    gateway, first = striker.gateway, striker.gateway.worker
    with gateway.fault(service, SLOWER), taken_from(striker, stand_in, kind) as errand:
        before = state_of(errand)
        refused = at_the_log(first, "went to another worker")
        thaw(first)
        until(refused)
        assert state_of(errand) == before, "a worker without the lease changed something"
    done.append(errand)
    check_completed(errand)
    assert taken(errand, kind) == 2


def test_back_after_the_end(striker: Striker, stand_in: Process) -> None:
    """A worker that slept through the end of the signing changes nothing when it is back."""
    gateway, first = striker.gateway, striker.gateway.worker
    with gateway.fault("/tsa", SLOWER), taken_from(striker, stand_in, "finish") as errand:
        pass
    done.append(errand)
    check_completed(errand)
    before = state_of(errand)
    refused = at_the_log(first, "went to another worker")
    thaw(first)
    until(refused)
    time.sleep(LEASE_SECONDS)
    assert state_of(errand) == before, "a worker without the lease changed something"


def test_nothing_is_left(striker: Striker) -> None:
    """After a sweep: no job, no temporary file, no object without a row, no row without its object."""
    gateway = striker.gateway
    for errand in done:
        check_still_there(errand)
    until(lambda: not any(spool(gateway).iterdir()))
    assert not rows(gateway, "SELECT * FROM job WHERE state <> 'done'")
    gateway.worker.stop()
    gateway.web.stop()
    gateway.config.write_text(gateway.config.read_text().replace('"PT1H"', '"PT0S"'))
    gateway.worker.start()
    named = named_objects(gateway)
    until(lambda: objects(gateway) <= named)
    assert objects(gateway) == named
    assert len(rows(gateway, "SELECT id FROM signing")) == len(rows(gateway, "SELECT id FROM document"))
    striker.families |= children(gateway.worker)
    gateway.worker.stop()
    assert not any(spool(gateway).iterdir())
    until(lambda: not alive_of(striker.families))
    with closing(sqlite3.connect(gateway.directory / "data" / "fts.sqlite3")) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []


def test_the_trail_is_whole(striker: Striker) -> None:
    """After all kills: every record is chained, and the walk finds no fault (FTS-AUD-2; case L-2)."""
    gateway = striker.gateway
    whole = len(done) >= len(AIMS) + 2 * ROUNDS
    assert striker.kills >= (len(AIMS) + ROUNDS if whole else len(done) // 2), "each round kills"
    until(lambda: rows(gateway, "SELECT id FROM event WHERE id NOT IN (SELECT event_id FROM chain)") == [])
    gateway.sequencer.stop()
    gateway.sequencer.start()
    until(lambda: rows(gateway, "SELECT number FROM checkpoint_token") != [])
    found = json.loads(gateway.command("audit", "verify", "--json"))
    assert found["ok"], found
    assert found["events"] > len(done) * 6
    print(f"{len(done)} signings, {striker.kills} kills")


@cache
def document(name: str) -> bytes:
    """Return a sample."""
    return SOUND[name]()


@contextmanager
def taken_from(striker: Striker, stand_in: Process, kind: str) -> Iterator[Errand]:
    """Bring an errand to where the first worker lost a job to the stand-in; then bring it to its end."""
    gateway, first = striker.gateway, striker.gateway.worker
    errand = Errand(gateway, document("fifty_kb"))
    with ThreadPoolExecutor(1) as party:
        running = party.submit(errand.run)
        try:
            until(lambda: bool(errand.signing) and leased(errand, kind))
            freeze(gateway, first)
            thaw(stand_in)
            until(lambda: taken(errand, kind) == 2)
            yield errand
        finally:
            thaw(stand_in)
            running.result()


def named_objects(gateway: Gateway) -> set[str]:
    """Return the objects that a row names."""
    columns = {
        "document": ("object", "effective_object"),
        "preview": ("image_object", "text_object"),
        "signing": ("prepared_object", "result_object"),
    }
    return {
        name
        for table, names in columns.items()
        for row in rows(gateway, f"SELECT {', '.join(names)} FROM {table}")  # noqa: S608 - constants
        for name in row.values()
        if name is not None
    }


def state_of(errand: Errand) -> object:
    """Return everything that is written down about an errand but for the job that is under way."""
    gateway = errand.gateway
    return (
        rows(gateway, "SELECT * FROM signing WHERE id = ?", errand.id),
        rows(gateway, "SELECT * FROM document WHERE id = ?", errand.document_id),
        gateway.trail(errand.id),
    )


def freeze(gateway: Gateway, process: Process) -> None:
    """Stop a process, as a machine does that is suspended; not while it keeps others from writing."""
    assert process.running is not None
    while True:
        process.running.send_signal(signal.SIGSTOP)
        with closing(sqlite3.connect(gateway.directory / "data" / "fts.sqlite3", timeout=0.2)) as database:
            try:
                database.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError:
                thaw(process)
                time.sleep(0.01)
            else:
                return


def thaw(process: Process) -> None:
    """Let a stopped process go on."""
    assert process.running is not None
    process.running.send_signal(signal.SIGCONT)


def at_the_log(process: Process, words: str) -> Callable[[], bool]:
    """Return what tells whether a process has logged some words since now."""
    seen = process.log.stat().st_size
    return lambda: words.encode() in process.log.read_bytes()[seen:]


def until(reached: Callable[[], bool], seconds: float = 15.0) -> None:
    """Wait for something."""
    deadline = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
