"""A worker process: claims jobs, keeps their leases, runs their tasks, gives up what cannot be done."""

import asyncio
import logging
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Protocol, TypeVar

from fts.changes import step_news
from fts.errors import CODED_ERRORS, RefusalError, refusal_of
from fts.frames import Message
from fts.jobs.queue import Job, LeaseLostError, Queue, claim, complete, next_time, postpone, renew
from fts.process_pool import DocumentProcesses
from fts.services import Services
from fts.signings.store import StaleError

T = TypeVar("T")

_LOG: Final = logging.getLogger("fts.jobs")
_LOOK_SECONDS: Final = 5.0
"""After this time the table is looked at even if nobody rang."""
_SOON: Final = timedelta(milliseconds=20)
_CRASH_PAUSES: Final = tuple(timedelta(seconds=s) for s in (0.5, 2, 8))


class Run(Protocol):
    """Does a job, and completes it in the transaction of what it did."""

    def __call__(self, worker: "Worker", job: Job) -> Awaitable[None]: ...


class GiveUp(Protocol):
    """Completes a job that cannot be done, and writes down why."""

    def __call__(self, worker: "Worker", job: Job, refusal: RefusalError) -> Awaitable[None]: ...


@dataclass(frozen=True, slots=True)
class Task:
    """What a kind of job is."""

    run: Run
    give_up: GiveUp


class Worker:
    """The jobs of one process."""

    def __init__(self, services: Services, processes: DocumentProcesses, tasks: Mapping[str, Task]) -> None:
        self.services = services
        self._processes = processes
        self._tasks = tasks
        self._owner = f"{socket.gethostname()}:{os.getpid()}"
        self._lease = timedelta(seconds=services.limits.lease_seconds)
        self._wake: dict[Queue, asyncio.Event] = {}
        self._stopping = False

    async def run(self, slots: Mapping[Queue, int]) -> None:
        """Work until stopped or cancelled: `slots` says how many jobs of each queue at a time."""
        for queue in slots:
            self._wake[queue] = asyncio.Event()
        await self.services.bell.listen("worker", self._hear)
        async with asyncio.TaskGroup() as group:
            for queue, count in slots.items():
                group.create_task(self._serve(queue, count))

    def stop(self) -> None:
        """Claim nothing any more; `run` ends when the jobs under way are done."""
        self._stopping = True
        self._hear("")

    async def in_process(self, request: Message, signing_id: str | None = None) -> Message:
        """Have a document process do a step; its announcements reach the signing's page.

        Raises:
            RefusalError: it cannot be done.
        """

        def announce(step: str) -> None:
            if signing_id is not None:
                self.services.bell.ring("web", step_news(signing_id, step))

        async with self._processes.process() as process:
            try:
                return await process.call(request, announce)
            except CODED_ERRORS as error:
                raise refusal_of(error) from error

    async def in_thread(self, function: Callable[..., T], *arguments: object) -> T:
        """Run a blocking function beside the event loop."""
        return await asyncio.to_thread(function, *arguments)

    async def drop(self, job: Job) -> None:
        """Complete a job that has nothing to do any more."""
        async with self.services.database.write() as work:
            await complete(work, job)

    async def retry(self, job: Job, pause: timedelta) -> None:
        """Give the job back for another try."""
        async with self.services.database.write() as work:
            await postpone(work, job, pause)

    def _hear(self, subject: str) -> None:
        """Wake the queue that the news is about, or all of them."""
        for queue, event in self._wake.items():
            if subject in ("", queue):
                event.set()

    async def _serve(self, queue: Queue, count: int) -> None:
        """Claim the jobs of one queue, one claim at a time, and work on up to `count` of them."""
        database, wake, free = self.services.database, self._wake[queue], asyncio.Semaphore(count)
        async with asyncio.TaskGroup() as working:
            while not self._stopping:
                await free.acquire()
                wake.clear()
                job = await claim(database, queue, self._owner, self._lease)
                if job is not None:
                    task = working.create_task(self._work(job))
                    task.add_done_callback(lambda _task: free.release())
                    continue
                free.release()
                async with database.read() as connection:
                    due = await next_time(connection, queue)
                seconds = _LOOK_SECONDS
                if due is not None:
                    seconds = min(seconds, max((due - self.services.clock()).total_seconds(), 0.001))
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await wake.wait()

    async def _work(self, job: Job) -> None:
        """Do a job while its lease is kept; whatever goes wrong, the worker goes on."""
        task = self._tasks[job.kind]
        try:
            async with asyncio.TaskGroup() as group:
                keeping = group.create_task(self._keep(job))
                await self._attempt(task, job)
                keeping.cancel()
        except* LeaseLostError:
            _LOG.warning("job %s (%s) went to another worker", job.id, job.kind)
        except* Exception:  # noqa: BLE001 - the worker goes on
            _LOG.exception("job %s (%s) failed", job.id, job.kind)
            await self._crashed(job)

    async def _attempt(self, task: Task, job: Job) -> None:
        if job.crashes >= self.services.limits.crashes:
            refusal = RefusalError("INTERNAL_ERROR", "the work was interrupted again and again", "Report it.")
            await task.give_up(self, job, refusal)
            return
        try:
            await task.run(self, job)
        except StaleError:
            await self.retry(job, _SOON)
        except RefusalError as refusal:
            await task.give_up(self, job, refusal)

    async def _crashed(self, job: Job) -> None:
        pause = _CRASH_PAUSES[min(job.crashes, len(_CRASH_PAUSES) - 1)]
        try:
            async with self.services.database.write() as work:
                await postpone(work, job, pause, crashed=True)
        except LeaseLostError:
            _LOG.warning("job %s (%s) went to another worker", job.id, job.kind)
        except Exception:  # noqa: BLE001 - the worker goes on
            _LOG.exception("job %s (%s) waits for the end of its lease", job.id, job.kind)

    async def _keep(self, job: Job) -> None:
        while True:
            await asyncio.sleep(self._lease.total_seconds() / 3)
            await renew(self.services.database, job, self._lease)
