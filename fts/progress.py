"""The progress of one signature on the terminal."""

from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from fts.signing_job import STEPS


class SigningProgress:
    """A line that names the step under way; nothing where the console is no terminal."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            SpinnerColumn(),
            BarColumn(bar_width=20),
            TextColumn("{task.completed}/{task.total}"),
            TextColumn("{task.description}"),
            TimeElapsedColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._progress.add_task("Reading the card", total=len(STEPS))

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(
        self,
        exception_type: type[BaseException] | None,
        exception: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._progress.stop()

    def step(self, name: str) -> None:
        """Show that a step of `STEPS` is under way."""
        self._progress.update(self._task, completed=list(STEPS).index(name), description=STEPS[name])

    def pause(self) -> None:
        """Leave the terminal to somebody else."""
        self._progress.stop()

    def resume(self) -> None:
        """Take the terminal back."""
        self._progress.start()
