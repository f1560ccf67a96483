"""What the commands of the command line do, once their arguments are understood."""

import asyncio
import signal
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console

from fts.card import CardSigner, Choice, candidates
from fts.errors import CODED_ERRORS, refusal_of
from fts.process_pool import DocumentProcess, DocumentProcesses
from fts.progress import SigningProgress
from fts.settings import Settings
from fts.signing_job import Signed, SigningOrder, sign_file
from fts.terminal import TerminalPin, pin_from_standard_input
from fts.verify_json import Json, unread_json
from signing.eid.pkcs11 import Pkcs11Card
from signing.eid.ports import CardCertificate
from timestamping.clock import Clock, utc_now

T = TypeVar("T")


class ChoiceNeededError(Exception):
    """Not exactly one certificate of the card fits what was asked for."""

    def __init__(self, message: str, choices: list[Choice]) -> None:
        super().__init__(message)
        self.choices = choices
        """What there is to choose from."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a command to its end; an interrupt or SIGTERM lets it clean up first.

    Raises:
        KeyboardInterrupt: it was interrupted.
    """
    try:
        return asyncio.run(_terminable(work))
    except asyncio.CancelledError:
        raise KeyboardInterrupt from None


async def sign(
    order: SigningOrder, settings: Settings, card: Pkcs11Card, certificate: str | None, *, pin_stdin: bool
) -> Signed:
    """Sign one file with a card, showing the progress.

    Raises:
        ChoiceNeededError: `certificate` does not name exactly one.
        One of `fts.errors.CODED_ERRORS`: no signature could be made.
    """
    async with DocumentProcesses(settings) as processes:
        with SigningProgress(Console(stderr=True)) as progress:
            terminal = TerminalPin(progress.pause, progress.resume)
            pin = (lambda _question: pin_from_standard_input()) if pin_stdin else terminal
            try:
                entry = _chosen(await card.certificates(), certificate)
                async with processes.process() as process:
                    return await sign_file(
                        order, process, CardSigner(card, entry, pin, order.profile.rsa_pss), progress.step
                    )
            finally:
                terminal.cancel()
                await card.close()


async def certificates(card: Pkcs11Card) -> list[Choice]:
    """Return the certificates of a card."""
    try:
        return [Choice(entry) for entry in await card.certificates()]
    finally:
        await card.close()


async def verify(
    files: Iterable[Path], settings: Settings, show: Callable[[Json], None], *, clock: Clock = utc_now
) -> bool:
    """Verify files, show each result (`fts.verify_json`) as it comes, and tell whether all are valid."""
    everything_valid = True
    async with DocumentProcesses(settings) as processes:
        for file in files:
            async with processes.process() as process:
                result = {"file": str(file), **await verify_file(file, process, clock=clock)}
            show(result)
            everything_valid = everything_valid and result["valid"]
    return everything_valid


async def verify_file(file: Path, process: DocumentProcess, *, clock: Clock) -> Json:
    """Return the verification of one file, without `file`; what is wrong with it stands in the result."""
    try:
        return await process.call({"task": "verify", "document": str(file)}, lambda _step: None)
    except CODED_ERRORS as error:
        return unread_json(refusal_of(error), clock())


def _chosen(entries: list[CardCertificate], wanted: str | None) -> CardCertificate:
    fitting = candidates(entries, wanted)
    if len(fitting) == 1:
        return fitting[0].entry
    if wanted is None:
        message = "several certificates can sign" if fitting else "no certificate on the card is for signatures"
    else:
        message = f"{wanted!r} names several certificates" if fitting else f"no certificate is named {wanted!r}"
    raise ChoiceNeededError(message, fitting or [Choice(entry) for entry in entries])


async def _terminable(work: Coroutine[Any, Any, T]) -> T:
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await work
