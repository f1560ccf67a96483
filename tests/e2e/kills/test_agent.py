"""The card agent is killed with kill -9 around a signature: the page goes on with a new one, no try is won or lost.

FTS-SIG-2, FTS-SIG-3, FTS-AUD-1.
"""

import hashlib
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx
import pytest

from signing.eid.demo_card import TRIES
from tests.e2e.kills.agent import RIGHT_PIN, WRONG_PIN, Agent
from tests.e2e.kills.effects import check_completed
from tests.e2e.kills.errand import Errand, no_halt
from tests.e2e.kills.striking import Striker
from tests.samples.sound import SOUND

DIGEST: Final = hashlib.sha256(b"any document").digest()


@pytest.fixture
def agent(striker: Striker, tmp_path: Path) -> Iterator[Agent]:
    """An agent whose card has all its tries."""
    with Agent(striker.gateway, tmp_path / "card") as running:
        yield running


def test_between_the_digest_and_the_signature(striker: Striker, agent: Agent) -> None:
    """What the gateway prepared is signed with the restarted agent."""

    def halt(_errand: Errand, point: str) -> None:
        if point == "prepared":
            agent.kill()

    check_completed(Errand(striker.gateway, SOUND["one_page"](), halt, agent.sign).run())
    assert agent.counter.left == TRIES


def test_while_the_pin_is_asked(striker: Striker, agent: Agent) -> None:
    """The page loses the answer; nothing was tried, and the next SIGN signs the same digest."""

    def card(digest: bytes) -> bytes:
        asked = agent.ask(digest)
        agent.shown()
        agent.kill()
        with pytest.raises(httpx.TransportError):
            asked.result()
        assert agent.counter.left == TRIES
        return agent.sign(digest)

    check_completed(Errand(striker.gateway, SOUND["one_page"](), no_halt, card).run())


@pytest.mark.parametrize("lost", [False, True], ids=["the answer arrived", "the answer was lost"])
def test_after_the_signature(striker: Striker, agent: Agent, lost: bool) -> None:
    """The value counts though its agent is gone; a second value over the same digest counts as well, but one only."""

    def card(digest: bytes) -> bytes:
        value = agent.sign(digest)
        agent.kill()
        return agent.sign(digest) if lost else value

    errand = Errand(striker.gateway, SOUND["one_page"](), no_halt, card).run()
    check_completed(errand)
    assert agent.counter.left == TRIES


def test_wrong_pins_are_remembered(agent: Agent) -> None:
    """Between two wrong PINs the agent dies; the card counts on, and the right PIN still counts."""
    assert agent.answer(DIGEST, WRONG_PIN)["result"] == "pin_2_attempts_left"
    agent.kill()
    assert agent.counter.left == TRIES - 1
    assert agent.answer(DIGEST, WRONG_PIN)["result"] == "pin_1_attempt_left"
    agent.kill()
    assert agent.answer(DIGEST, RIGHT_PIN)["result"] == "OK"
    assert agent.counter.left == TRIES


def test_a_blocked_card_stays_blocked(agent: Agent) -> None:
    """The third wrong PIN blocks the card, and a restart does not help."""
    results = [agent.answer(DIGEST, WRONG_PIN)["result"] for _ in range(TRIES)]
    assert results == ["pin_2_attempts_left", "pin_1_attempt_left", "card_blocked"]
    agent.kill()
    assert agent.ask(DIGEST).result()["result"] == "card_blocked"


def test_no_try_for_free(agent: Agent) -> None:
    """Whoever kills the agent at the moment of a wrong PIN gets no more tries than three."""
    chance = random.Random(4711)  # noqa: S311 - repeatable, not secret
    left, refused = agent.counter.left, 0
    for _ in range(TRIES + 2):
        asked = agent.ask(DIGEST)
        if left == 0:
            assert asked.result()["result"] == "card_blocked"
            break
        agent.type(WRONG_PIN)
        time.sleep(chance.uniform(0, 0.01))
        agent.kill()
        refused += asked.exception() is None
        assert agent.counter.left <= left, "a killed agent gave a try back"
        left = agent.counter.left
        assert refused <= TRIES - left, "a PIN was judged and not counted"
