"""What a web process hears from the workers, and waiting for it."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

T = TypeVar("T")

_LOOK_SECONDS: Final = 5.0
"""After this time the table is looked at even if no news came."""
_MOST_STEPS: Final = 10_000
_STEP: Final = "step:"


def step_news(signing_id: str, step: str) -> str:
    """Return the subject that tells which step of a signing is under way."""
    return f"{_STEP}{signing_id}:{step}"


class Changes:
    """Wakes who waits for a subject, and remembers the last step of signings."""

    def __init__(self) -> None:
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._steps: OrderedDict[str, str] = OrderedDict()

    def hear(self, subject: str) -> None:
        """Take in a piece of news."""
        if subject.startswith(_STEP):
            signing_id, _, step = subject.removeprefix(_STEP).partition(":")
            self._steps[signing_id] = step
            self._steps.move_to_end(signing_id)
            while len(self._steps) > _MOST_STEPS:
                self._steps.popitem(last=False)
            subject = signing_id
        for event in self._waiting.get(subject, ()):
            event.set()

    def step(self, signing_id: str) -> str | None:
        """Return the step that was last heard of."""
        return self._steps.get(signing_id)

    async def until(self, subject: str, look: Callable[[], Awaitable[T | None]], seconds: float) -> T | None:
        """Return what `look` finds, now or after news about the subject; None when the time is over."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + seconds
        with self._watching(subject) as event:
            while True:
                event.clear()
                found = await look()
                left = deadline - loop.time()
                if found is not None or left <= 0:
                    return found
                try:
                    async with asyncio.timeout(min(left, _LOOK_SECONDS)):
                        await event.wait()
                except TimeoutError:
                    continue

    @contextmanager
    def _watching(self, subject: str) -> Iterator[asyncio.Event]:
        event = asyncio.Event()
        waiting = self._waiting.setdefault(subject, set())
        waiting.add(event)
        try:
            yield event
        finally:
            waiting.discard(event)
            if not waiting:
                self._waiting.pop(subject, None)
