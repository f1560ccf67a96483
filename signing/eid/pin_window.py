"""The desk of the loopback agent: a small window of its own, in which the signer types the PIN."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from signing.eid.card_core import PinRequest, PinTimeoutError

_DIGEST_DIGITS: Final = 8


@dataclass(frozen=True, slots=True)
class WindowLimits:
    """How long is waited for a person, in seconds."""

    opening: float = 10.0
    """For a window to open."""
    absence: float = 3.0
    """For a window that went away, before that counts as a cancellation."""
    answer: float = 120.0
    """For the PIN."""
    poll: float = 20.0
    """For news, in one request of the window."""


class PinWindow:
    """Asks for PINs in whichever window is open (`signing.eid.card_core.PinDesk`)."""

    def __init__(
        self, limits: WindowLimits = WindowLimits(), *, attempts: Callable[[], int | None] = lambda: None
    ) -> None:
        """Ask within `limits`; `attempts` tells how many the card has left, None where it does not say."""
        self._limits = limits
        self._attempts = attempts
        self._stopped = False
        self._version = 1
        self._changed = asyncio.Event()
        self._request: PinRequest | None = None
        self._request_id = ""
        self._answer: asyncio.Future[str | None] | None = None
        self._result: str | None = None
        self._polls = 0
        self._left_at = -float("inf")
        self._window = ""

    async def ask(self, request: PinRequest) -> str | None:
        """See `PinDesk.ask`."""
        if self._stopped:
            return None
        loop = asyncio.get_running_loop()
        self._request, self._request_id, self._result = request, secrets.token_hex(16), None
        answer: asyncio.Future[str | None] = loop.create_future()
        self._answer = answer
        self._change()
        began, seen = loop.time(), False
        try:
            while True:
                done, _ = await asyncio.wait([answer], timeout=0.1)
                if done:
                    return answer.result()
                now = loop.time()
                present = self._polls > 0 or now - self._left_at < self._limits.absence
                seen = seen or self._polls > 0 or self._left_at >= began
                if now - began > self._limits.answer or (not seen and now - began > self._limits.opening):
                    raise PinTimeoutError("nobody gave the PIN in time")
                if seen and not present:
                    return None
        finally:
            self._answer = self._request = None
            self._change()

    def tell(self, result: str) -> None:
        """See `PinDesk.tell`."""
        self._result = result
        self._change()

    async def next(self, known: int) -> dict[str, Any]:
        """Return what the window shows, as soon as it is another version than it knows, or after a while.

        A window that knows nothing (0) was opened just now: how the last request ended is no news for it.
        """
        self._polls += 1
        try:
            async with asyncio.timeout(self._limits.poll):
                while self._version == known and not self._stopped:
                    await self._changed.wait()
        except TimeoutError:
            pass
        finally:
            self._polls -= 1
            self._left_at = asyncio.get_running_loop().time()
        return self._shown() | ({"result": None} if known == 0 else {})

    def stop(self) -> None:
        """Cancel what is asked, and ask and wait no more: the agent is about to end."""
        self._stopped = True
        self.give(self._request_id, None)
        self._change()

    def give(self, request_id: str, pin: str | None) -> bool:
        """Answer the request that is open; tells whether that was it."""
        given, open_ = request_id.encode("utf-8", "replace"), self._request_id.encode()
        if self._answer is None or self._answer.done() or not secrets.compare_digest(given, open_):
            return False
        self._answer.set_result(pin)
        return True

    def load(self) -> str:
        """Name a window that is being loaded; it takes the place of the one before."""
        self._window = secrets.token_hex(16)
        return self._window

    def leave(self, window: str, request_id: str) -> bool:
        """Cancel the request that is open when its window goes away, and was not loaded anew; tells whether it did."""
        return window == self._window and self.give(request_id, None)

    def _shown(self) -> dict[str, Any]:
        request, known = self._request, {"version": self._version, "attempts": self._attempts()}
        if request is None:
            return known | {"request": None, "result": self._result}
        return known | {
            "request": self._request_id,
            "result": None,
            "origin": request.origin,
            "document": request.document,
            "digest": request.digest.hex()[:_DIGEST_DIGITS],
            "card": request.certificate.token_label,
        }

    def _change(self) -> None:
        self._version += 1
        self._changed.set()
        self._changed = asyncio.Event()
