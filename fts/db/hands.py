"""A thread that does one job after the other for an event loop.

`ThreadPoolExecutor` does the same with two locks and a second future for each job, which costs more than the job.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")
_Task = tuple[asyncio.Future[Any], Callable[[], Any]]


class Hands:
    """The thread; a job that was handed over is done, even where its caller does not wait any more."""

    def __init__(self, name: str) -> None:
        """Start it."""
        self._tasks: SimpleQueue[_Task | None] = SimpleQueue()
        self._thread = Thread(target=_work, args=(self._tasks,), name=name, daemon=True)
        self._thread.start()

    async def do(self, job: Callable[[], T]) -> T:
        """Have a job done, and return or raise what it does."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._tasks.put((future, job))
        return await future

    def end(self) -> None:
        """End the thread after what was handed over."""
        self._tasks.put(None)
        self._thread.join()


def _work(tasks: "SimpleQueue[_Task | None]") -> None:
    while (task := tasks.get()) is not None:
        future, job = task
        result, error = None, None
        try:
            result = job()
        except BaseException as raised:  # noqa: BLE001 - raised where the job came from
            error = raised
        with suppress(RuntimeError):  # the loop is closed, nobody waits
            future.get_loop().call_soon_threadsafe(_settle, future, result, error)
        del task, future, job, result, error


def _settle(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
