"""Chrony's tracking as a source, where chrony keeps the clock (`chronyc tracking`)."""

import asyncio
import csv
from contextlib import suppress
from pathlib import Path
from typing import Final

from timestamping.authority.clock.ports import Leap, Sample, TimeSourceError

_COMMAND: Final = ("chronyc", "-c", "-n", "tracking")
_OFFSET, _ROOT_DELAY, _ROOT_DISPERSION, _LEAP = 4, 10, 11, 13
_LEAPS: Final = {"Normal": Leap.NONE, "Insert second": Leap.INSERT, "Delete second": Leap.DELETE}


class ChronySource:
    """The chrony daemon of this machine."""

    name = "chrony"

    def __init__(self, *, seconds: float = 2.0, command: Path | None = None) -> None:
        """Keep how to ask; `seconds` is the time that it has to answer, `command` another program than chronyc."""
        self._seconds = seconds
        self._command = (str(command), *_COMMAND[1:]) if command else _COMMAND

    async def sample(self) -> Sample:
        """Ask once (see `TimeSource`)."""
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.DEVNULL,
            )
        except OSError as error:
            raise TimeSourceError(f"chronyc cannot be run: {error}") from error
        try:
            async with asyncio.timeout(self._seconds):
                output, _ = await process.communicate()
        except TimeoutError as error:
            raise TimeSourceError(f"chronyc did not answer within {self._seconds:g} s") from error
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()
        if process.returncode != 0:
            raise TimeSourceError("chronyc cannot reach chronyd")
        return tracked(output)


def tracked(output: bytes) -> Sample:
    """Read what `chronyc -c tracking` prints. Its third column of times is how much the system clock is behind.

    Raises:
        TimeSourceError: chrony is not synchronised, or the text is another.
    """
    try:
        (fields,) = csv.reader(output.decode("ascii").split("\n")[:1])
        leap = _LEAPS[fields[_LEAP]]
        delay, dispersion = float(fields[_ROOT_DELAY]), float(fields[_ROOT_DISPERSION])
        return Sample(-float(fields[_OFFSET]), delay / 2 + dispersion, leap)
    except KeyError as error:
        raise TimeSourceError("chrony is not synchronised") from error
    except (ValueError, IndexError) as error:
        raise TimeSourceError("chronyc printed something unknown") from error
