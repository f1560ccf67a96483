"""The one thread of a process that touches PKCS#11, and the life of its modules.

`python-pkcs11` initialises a module as for a single-threaded program (`C_Initialize(NULL)`) and releases the
interpreter lock in its calls: two threads crash the process. Everything here that takes or returns PKCS#11
objects therefore runs in one worker thread, which all cards of the process share; `in_pkcs11_thread` is the
door to it. No session outlives the work it was opened for, so that a module can be finalised whenever its
state is in doubt: that closes the sessions and drops the login of the whole process (PKCS #11 v2.40, clause
5.4, C_Finalize), those included that the library lost (it forgets the session whose login failed).
"""

import asyncio
import logging
import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pkcs11
from pkcs11.exceptions import PKCS11Error

from signing.eid.pkcs11_errors import card_error, return_value
from signing.eid.ports import CardAbsentError, CardFailureError, ModuleUnavailableError

if TYPE_CHECKING:
    from pkcs11._pkcs11 import lib as Library  # noqa: N812

T = TypeVar("T")

_log = logging.getLogger(__name__)

_executors: dict[int, ThreadPoolExecutor] = {}
"""The worker of each process, by process id: a thread does not survive a fork."""

_modules: dict[Path, "Pkcs11Module"] = {}


async def in_pkcs11_thread(work: Callable[[], T]) -> T:
    """Run `work` in the process's PKCS#11 thread, after all work asked for before."""
    pid = os.getpid()
    executor = _executors.get(pid) or _executors.setdefault(
        pid, ThreadPoolExecutor(max_workers=1, thread_name_prefix="pkcs11")
    )
    return await asyncio.get_running_loop().run_in_executor(executor, work)


def module_at(path: Path) -> "Pkcs11Module":
    """Return the process's only `Pkcs11Module` for the file `path`, loaded or not."""
    file = path.resolve()
    return _modules.setdefault(file, Pkcs11Module(file))


class Pkcs11Module:
    """A PKCS#11 module of this process, initialised at its first use and finalised with its last user.

    Apart from the constructor, methods run in the PKCS#11 thread only. The module must not be used past this
    class by other code of the process.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._users: set[object] = set()
        self._library: Library | None = None
        self._pid: int | None = None
        self._in_doubt = False

    def add_user(self, user: object) -> None:
        """Keep the module initialised until `remove_user`; repeating it is harmless."""
        self._users.add(user)

    def remove_user(self, user: object) -> None:
        """Finalise the module if `user` was its last."""
        self._users.discard(user)
        if not self._users:
            self.discard()

    def tokens(self, label: str | None) -> list[pkcs11.Token]:
        """Return the tokens that are present, only those called `label` if one is given; never none.

        Raises:
            ModuleUnavailableError: the module cannot be used.
            CardAbsentError: no such token.
            CardFailureError: the module cannot list its slots.
        """
        try:
            slots = self._initialised().get_slots(token_present=True)
        except PKCS11Error as error:
            self.discard()
            name = return_value(error)
            raise CardFailureError(f"the card readers cannot be listed ({name})", return_value=name) from error
        present = [token for slot in slots if (token := _token_in(slot)) is not None]
        chosen = [token for token in present if label in (None, token.label)]
        if not chosen:
            wanted = "no card is present" if label is None else f"the card {label!r} is not present"
            raise CardAbsentError(wanted)
        return chosen

    @contextmanager
    def guarding(self, slot: pkcs11.Slot) -> Iterator[None]:
        """Turn PKCS#11 errors of work on `slot` into the card's errors, and throw all sessions away after one."""
        try:
            yield
        except PKCS11Error as error:
            self._in_doubt = True
            raise card_error(error, slot) from error
        finally:
            if self._in_doubt:
                self.discard()

    @contextmanager
    def closing(self, session: pkcs11.Session) -> Iterator[pkcs11.Session]:
        """Log out of and close `session` at the end; where that fails, `guarding` throws it away."""
        try:
            yield session
        finally:
            try:
                session.close()
            except PKCS11Error as error:
                _log.warning("a PKCS#11 session did not close (%s)", return_value(error))
                self._in_doubt = True

    def discard(self) -> None:
        """Finalise the module: no session and no login is left. The next use initialises it afresh."""
        self._in_doubt = False
        if self._library is not None and self._pid == os.getpid():
            library, self._library = self._library, None
            with suppress(PKCS11Error):
                library.finalize()

    def _initialised(self) -> "Library":
        if self._library is not None and self._pid == os.getpid():
            return self._library
        if self._library is not None:
            raise ModuleUnavailableError(
                f"the process that this one was forked from uses {self._path}, which PKCS#11 forbids to inherit; "
                "use the card in one of the two, or start this one as a program of its own"
            )
        if not self._path.is_file():
            raise ModuleUnavailableError(f"there is no PKCS#11 module {self._path}")
        try:
            self._library = pkcs11.lib(str(self._path))
        except PKCS11Error as error:
            raise ModuleUnavailableError(
                f"{self._path} cannot be used as a PKCS#11 module ({return_value(error)})"
            ) from error
        self._pid = os.getpid()
        return self._library


def _token_in(slot: pkcs11.Slot) -> pkcs11.Token | None:
    """Return the token in `slot`; None for one that is gone, unreadable or was never initialised."""
    try:
        token = slot.get_token()
    except PKCS11Error as error:
        _log.info("slot %d has no readable token (%s)", slot.slot_id, return_value(error))
        return None
    blank = not token.label and pkcs11.TokenFlag.TOKEN_INITIALIZED not in token.flags
    return None if blank else token
