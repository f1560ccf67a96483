"""Making a file durable while the loop goes on: the kernel's asynchronous I/O, or `fdatasync` in line without it.

A thread in its place was measured and is slower: when it comes back it waits for the interpreter's lock (ADR 0008).
"""

import asyncio
import contextlib
import ctypes
import logging
import os
import platform
import struct
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

Done = Callable[[OSError | None], None]
"""Called on the loop once the sync has ended: with None where everything written before its start is durable."""

_log = logging.getLogger(__name__)


class FileSync(Protocol):
    """Syncs one file at a time, as `fdatasync` does."""

    def start(self, descriptor: int, done: Done) -> None:
        """Sync what was written to a file; for use on a running loop, and not again before `done` was called."""

    def wait(self) -> None:
        """Keep the loop until the sync that is under way has ended, and call its `done`."""

    def close(self) -> None:
        """Let go of what is held; no sync is under way."""


class InlineSync:
    """Keeps the loop for as long as the disk takes."""

    def start(self, descriptor: int, done: Done) -> None:
        """See `FileSync`."""
        done(_synced(descriptor))

    def wait(self) -> None:
        """Nothing is under way."""

    def close(self) -> None:
        """Nothing is held."""


class _Numbers(NamedTuple):
    """System calls of Linux."""

    setup: int
    destroy: int
    submit: int
    getevents: int


_NUMBERS: Final = {"x86_64": _Numbers(206, 207, 209, 208), "aarch64": _Numbers(0, 1, 2, 4)}
_FDSYNC: Final = 3
_NOTIFY: Final = 1
_REQUEST: Final = struct.Struct("=QIiHhIQQqQII")
"""struct iocb (linux/aio_abi.h) where octets are in little-endian order."""
_EVENT: Final = struct.Struct("=QQqq")
"""struct io_event: data, obj, res, res2."""


class KernelSync:
    """IOCB_CMD_FDSYNC of Linux (io_submit(2)): the kernel syncs beside the process and says so on an eventfd."""

    def __init__(self) -> None:
        """Set a context up.

        Raises:
            OSError: this kernel, or who confines the process, has no asynchronous I/O.
        """
        numbers = _NUMBERS.get(platform.machine())
        if platform.system() != "Linux" or numbers is None:
            raise OSError("asynchronous I/O is known for Linux on x86-64 and ARM64 only")
        self._numbers = numbers
        self._call = ctypes.CDLL(None, use_errno=True).syscall
        self._context = ctypes.c_ulong(0)
        self._checked(numbers.setup, 1, ctypes.byref(self._context))
        self._eventfd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._request = ctypes.create_string_buffer(_REQUEST.size)
        self._requests = (ctypes.c_void_p * 1)(ctypes.addressof(self._request))
        self._event = ctypes.create_string_buffer(_EVENT.size)
        self._done: Done | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def start(self, descriptor: int, done: Done) -> None:
        """See `FileSync`; where the kernel takes no request, or no loop runs, the sync is done in line."""
        _REQUEST.pack_into(self._request, 0, 0, 0, 0, _FDSYNC, 0, descriptor, 0, 0, 0, 0, _NOTIFY, self._eventfd)
        try:
            self._loop = asyncio.get_running_loop()
            self._checked(self._numbers.submit, self._context, 1, self._requests)
        except (RuntimeError, OSError) as error:
            _log.debug("a sync is done in line: %s", error)
            done(_synced(descriptor))
            return
        self._done = done
        self._loop.add_reader(self._eventfd, self._ended)

    def wait(self) -> None:
        """See `FileSync`."""
        if self._done is not None:
            self._ended()

    def close(self) -> None:
        """See `FileSync`."""
        if self._eventfd < 0:
            return
        self._checked(self._numbers.destroy, self._context)
        os.close(self._eventfd)
        self._eventfd = -1

    def _ended(self) -> None:
        done, self._done = self._done, None
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(self._eventfd)
        result = self._result()
        if done is not None:
            done(None if result == 0 else OSError(-result, os.strerror(-result)))

    def _result(self) -> int:
        """Return how the sync that is under way ended, 0 or a negative error number; wait for it where it has not."""
        while True:
            with contextlib.suppress(InterruptedError):
                self._checked(self._numbers.getevents, self._context, 1, 1, self._event, None)
                break
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._eventfd)
        _, _, result, _ = _EVENT.unpack(self._event)
        return int(result)

    def _checked(self, *arguments: object) -> None:
        if self._call(*arguments) < 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))


def file_sync() -> FileSync:
    """Return the kernel's sync where it is to be had."""
    try:
        return KernelSync()
    except OSError as error:
        _log.info("the kernel does not sync by itself: %s", error)
        return InlineSync()


def _synced(descriptor: int) -> OSError | None:
    try:
        os.fdatasync(descriptor)
    except OSError as error:
        return error
    return None
