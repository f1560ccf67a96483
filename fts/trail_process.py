"""The sequencer's process: chains the trail and has its checkpoints timestamped."""

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fts.audit.checkpoints import Timestamp
from fts.audit.sequencer import sequence_forever
from fts.configuration import Configuration
from fts.outbound import Target, outbound_client
from fts.services import wired
from timestamping.algorithms import DigestAlgorithm
from timestamping.client.failover import FailoverTimestampSource
from timestamping.clock import utc_now


@asynccontextmanager
async def authority(configuration: Configuration) -> AsyncIterator[Timestamp]:
    """Give what asks the configured timestamping authority."""
    settings = configuration.engine_settings()
    allowed = [Target.of(url) for url in (*(tsa.url for tsa in settings.tsas), *settings.allowed_urls)]
    async with outbound_client(allowed=allowed) as http:
        source = FailoverTimestampSource(http, settings.tsas, anchors=settings.anchors, clock=utc_now)

        async def timestamp(imprint: bytes, algorithm: DigestAlgorithm) -> bytes:
            return (await source.timestamp(imprint, algorithm)).der

        yield timestamp


async def chain(configuration: Configuration) -> None:
    """Chain the trail's records until SIGTERM or SIGINT."""
    stop, wake = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with wired(configuration, "sequencer") as services, authority(configuration) as timestamp:
        await services.bell.listen("sequencer", lambda _subject: wake.set())
        working: asyncio.Task[object] = asyncio.create_task(
            sequence_forever(services.database, timestamp, services.clock, wake)
        )
        print("sequencer ready", flush=True)  # noqa: T201 - what a supervisor waits for
        stopping: asyncio.Task[object] = asyncio.create_task(stop.wait())
        done, _ = await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)
        for task in done - {stopping}:
            task.result()
