"""What goes to the terminal, and the PIN that comes from it."""

import os
import select
import sys
import termios
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from fts.errors import RefusalError

_TERMINAL: Final = Path("/dev/tty")
_LONGEST_PIN: Final = 255
_CANCEL_POLL_SECONDS: Final = 0.2
_ATTRIBUTES: Final = {
    "2.5.4.4": "surname",
    "2.5.4.5": "serialNumber",
    "2.5.4.42": "givenName",
    "2.5.4.97": "organizationIdentifier",
}


def printable(text: str) -> str:
    """Return foreign text (file names, subjects, messages) without characters that would steer a terminal."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def readable_name(subject: str | None) -> str:
    """Return a subject with the short names of its attributes, where RFC 4514 has only their identifiers."""
    text = printable(subject or "unknown")
    for identifier, name in _ATTRIBUTES.items():
        text = text.replace(f"{identifier}=", f"{name}=")
    return text


def check_terminal() -> None:
    """Check that a person can be asked for the PIN.

    Raises:
        RefusalError: PIN_INPUT, standard input is no terminal, or there is none to ask on.
    """
    try:
        os.close(os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC))
        asked = sys.stdin.isatty()
    except OSError:
        asked = False
    if not asked:
        message = "standard input is no terminal, so nobody can be asked for the PIN"
        raise RefusalError(
            "PIN_INPUT", message, "Run this on a terminal, or give the PIN on standard input with --pin-stdin."
        )


def pin_from_standard_input() -> str:
    """Read the PIN: the first line of standard input.

    Raises:
        RefusalError: PIN_INPUT, there is none.
    """
    line = sys.stdin.readline(_LONGEST_PIN + 1).rstrip("\r\n")
    if not line:
        raise RefusalError(
            "PIN_INPUT", "standard input holds no PIN", "Give the PIN on the first line of standard input."
        )
    return line


class TerminalPin:
    """Asks for the PIN on the controlling terminal, without echo."""

    def __init__(self, before: Callable[[], None], after: Callable[[], None]) -> None:
        """Take what to call around the question, such as to pause a progress display."""
        self._before = before
        self._after = after
        self._cancelled = threading.Event()

    def cancel(self) -> None:
        """End a question under way, from another thread; it then answers None."""
        self._cancelled.set()

    def __call__(self, question: str) -> str | None:
        """Ask (see `signing.eid.ports.PinPrompt`); end of input cancels."""
        self._before()
        try:
            descriptor = os.open(_TERMINAL, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
            try:
                return self._ask(descriptor, question)
            finally:
                os.close(descriptor)
        finally:
            self._after()

    def _ask(self, terminal: int, question: str) -> str | None:
        kept = termios.tcgetattr(terminal)
        silent = termios.tcgetattr(terminal)
        silent[3] &= ~termios.ECHO
        termios.tcsetattr(terminal, termios.TCSAFLUSH, silent)
        try:
            os.write(terminal, f"{printable(question)}: ".encode())
            while not self._cancelled.is_set():
                if select.select([terminal], [], [], _CANCEL_POLL_SECONDS)[0]:
                    line = os.read(terminal, 4 * _LONGEST_PIN)
                    return line.decode("utf-8", "replace").rstrip("\r\n") if line else None
            return None
        finally:
            termios.tcsetattr(terminal, termios.TCSAFLUSH, kept)
            os.write(terminal, b"\n")
