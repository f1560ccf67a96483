"""The worker process: jobs and upkeep."""

import asyncio
import logging
import signal
from collections.abc import Mapping
from typing import Final

from fts.configuration import Configuration
from fts.documents import tasks as documents
from fts.incidents import tasks as incidents
from fts.jobs.queue import Queue
from fts.jobs.runner import Task, Worker
from fts.process_pool import DocumentProcesses
from fts.services import probe_buckets, wired
from fts.signings import tasks as signings
from fts.timestamps import tasks as timestamps
from fts.upkeep import keep_up
from fts.webhooks import tasks as webhooks

TASKS: Final[Mapping[str, Task]] = {
    "inspect": Task(documents.inspect, documents.give_up_inspection),
    "preview": Task(documents.preview, documents.give_up_preview),
    "prepare": Task(signings.prepare, signings.give_up_preparing),
    "finish": Task(signings.finish, signings.give_up_finishing),
    "stamp": Task(timestamps.stamp, timestamps.give_up),
    "report": Task(incidents.report, incidents.give_up),
    "webhook": Task(webhooks.deliver, webhooks.give_up),
}
"""What each kind of job does."""

_DELIVERIES: Final = 4
"""Messages that are delivered at a time."""


async def work(configuration: Configuration) -> None:
    """Work until SIGTERM or SIGINT; jobs under way are finished as far as the time allows."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    size = configuration.document_processes
    slots: dict[Queue, int] = {"citizen": size, "intake": size, "outbound": _DELIVERIES}
    processes_of_all = DocumentProcesses(configuration.engine_settings(), 2 * size)
    async with wired(configuration, "worker") as services, processes_of_all as processes:
        await probe_buckets(services)
        worker = Worker(services, processes, TASKS)
        running = [asyncio.create_task(worker.run(slots)), asyncio.create_task(keep_up(services))]
        print("worker ready", flush=True)  # noqa: T201 - what a supervisor waits for
        stopping = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([*running, stopping], return_when=asyncio.FIRST_COMPLETED)
        if stopping in done:
            worker.stop()
            await asyncio.wait([running[0]], timeout=configuration.limits.stop_seconds)
        for task in (*running, stopping):
            task.cancel()
        await asyncio.gather(*running, stopping, return_exceptions=True)
        for task in done - {stopping}:
            task.result()
    logging.getLogger("fts.jobs").info("the worker has stopped")
