"""A peer in a process of its own: JSON lines on standard input and output, one operation at a time.

The first line tells the scene, each further one the document and the signed file of one operation; the answer is its
cost. Everything that a peer keeps between operations is made before the first one. The process ends with its input.
"""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict
from pathlib import Path

from tests.bench.measure import Stopwatch, peak_bytes
from tests.bench.scene import Scene

Operation = Callable[[Path, Path], Awaitable[None]]
"""Works on a document and the signed file that is made of it, or was."""
Peer = Callable[[Scene], AbstractAsyncContextManager[Operation]]
"""Sets up what lives as long as the process."""


def serve(peer: Peer) -> None:
    """Serve one peer until standard input ends. What an operation raises ends the process."""
    asyncio.run(_serve(peer))


async def _serve(peer: Peer) -> None:
    # requests are read in a thread, so that the loop sees it when a server closes an idle connection
    async with peer(Scene.from_json(await asyncio.to_thread(sys.stdin.readline))) as operation:
        while line := await asyncio.to_thread(sys.stdin.readline):
            document, signed = (Path(path) for path in json.loads(line))
            stopwatch = Stopwatch(os.getpid())
            await operation(document, signed)
            sample = stopwatch.stop()
            print(json.dumps({**asdict(sample), "peak": peak_bytes(os.getpid())}), flush=True)
