"""A card for the demo: another card with a PIN counter of its own, which blocks it as a real one blocks."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from signing.eid.ports import (
    AttemptsLeft,
    Card,
    CardCertificate,
    CardError,
    DigestName,
    PinBlockedError,
    PinIncorrectError,
    PinPrompt,
    SignatureMechanism,
)

TRIES: Final = 3
"""Wrong PINs that block the card."""


class PinCounter:
    """Counts wrong PINs in a file; a try is counted before it is made, so that no crash gives one for free.

    Several processes may count in the same file: FILE.lock keeps them apart.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def left(self) -> int:
        """Tries that are left; a file that cannot be understood counts as blocked."""
        try:
            used = json.loads(self._path.read_text(encoding="ascii"))["used"]
        except FileNotFoundError:
            return TRIES
        except (OSError, ValueError, KeyError, TypeError):
            return 0
        return max(0, TRIES - used) if isinstance(used, int) and used >= 0 else 0

    def use(self) -> None:
        """Count a try, durably.

        Raises:
            PinBlockedError: none was left.
            OSError: it cannot be written down; the try must not be made.
        """
        with self._locked():
            left = self.left
            if left == 0:
                raise PinBlockedError("the demo card is blocked")
            self._write(TRIES - left + 1)

    def give_back(self) -> None:
        """Take back the last try: it was not about the PIN."""
        with self._locked():
            self._write(max(0, TRIES - self.left - 1))

    def reset(self) -> None:
        """Begin anew, after a right PIN or by the unblocking command."""
        with self._locked():
            self._write(0)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._path.with_name(f"{self._path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write(self, used: int) -> None:
        fresh = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        with fresh.open("w", encoding="ascii") as file:
            json.dump({"used": used}, file)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        directory = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


class DemoCard:
    """A `Card` that three wrong PINs block."""

    def __init__(self, card: Card, counter: PinCounter) -> None:
        self._card = card
        self._counter = counter

    async def certificates(self) -> list[CardCertificate]:
        """See `Card.certificates`."""
        return await self._card.certificates()

    async def sign_digest(
        self,
        certificate: CardCertificate,
        digest: bytes,
        digest_algorithm: DigestName,
        mechanism: SignatureMechanism,
        pin: PinPrompt,
    ) -> bytes:
        """See `Card.sign_digest`; the counter is looked at before the PIN is asked."""
        if self._counter.left == 0:
            raise PinBlockedError("the demo card is blocked")
        tried = False

        def counted(text: str) -> str | None:
            nonlocal tried
            given = pin(text)
            if given is not None:
                self._counter.use()
                tried = True
            return given

        try:
            value = await self._card.sign_digest(certificate, digest, digest_algorithm, mechanism, counted)
        except PinIncorrectError as error:
            raise self._refused() from error
        except CardError:
            if tried:
                self._counter.give_back()
            raise
        self._counter.reset()
        return value

    async def close(self) -> None:
        """See `Card.close`."""
        await self._card.close()

    def _refused(self) -> CardError:
        left = self._counter.left
        if left == 0:
            return PinBlockedError("the demo card is blocked after three wrong PINs")
        attempts: AttemptsLeft = "last" if left == 1 else "few"
        return PinIncorrectError("the PIN is wrong", attempts_left=attempts)
