"""Shows on standard error what happens while a run is under way."""

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as RichBar
    from rich.progress import TaskID


class Silence:
    """Shows nothing."""

    def step_started(self, name: str, attempt: int) -> None:
        """Show nothing."""

    def step_ended(self, name: str, outcome: str, seconds: float) -> None:
        """Show nothing."""

    def printed(self, output: bytes) -> None:
        """Show nothing."""


class Lines:
    """One line for each step, for logs and pipes."""

    def __init__(self, *, with_output: bool) -> None:
        self._with_output = with_output

    def step_started(self, name: str, attempt: int) -> None:
        """Say so only when it is not the first try."""
        if attempt > 1:
            print(f"{name}: attempt {attempt}", file=sys.stderr, flush=True)

    def step_ended(self, name: str, outcome: str, seconds: float) -> None:
        """Print the step with its time."""
        print(f"{name:<10} {outcome:<15} {seconds:7.2f} s", file=sys.stderr, flush=True)

    def printed(self, output: bytes) -> None:
        """Pass on what the script printed."""
        if self._with_output:
            sys.stderr.write(output.decode(errors="replace"))
            sys.stderr.flush()


class Bar:
    """A live line with the step under way and its time, above it what is done."""

    def __init__(self, *, with_output: bool) -> None:
        from rich.console import Console  # noqa: PLC0415 - only a terminal pays for Rich
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        self._with_output = with_output
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._bar: RichBar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task: TaskID | None = None
        self._begun = time.monotonic()

    def __enter__(self) -> Self:
        """Start to draw."""
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop to draw."""
        self._bar.stop()

    def step_started(self, name: str, attempt: int) -> None:
        """Draw the step."""
        words = name if attempt == 1 else f"{name} (attempt {attempt})"
        self._clear()
        self._task = self._bar.add_task(words, total=None)

    def step_ended(self, name: str, outcome: str, seconds: float) -> None:
        """Leave a line behind."""
        self._clear()
        mark = {"done": "[green]✓[/]", "deployed": "[green]✓[/]", "waits": "[yellow]…[/]", "skipped": "[yellow]–[/]"}
        self._bar.console.print(f"{mark.get(outcome, '[red]✗[/]')} {name:<10} {outcome:<15} {seconds:7.2f} s")

    def printed(self, output: bytes) -> None:
        """Show what the script printed, above the live line."""
        if self._with_output:
            text = output.decode(errors="replace").rstrip("\n")
            self._bar.console.print(text, style="dim", markup=False, highlight=False)

    def _clear(self) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
