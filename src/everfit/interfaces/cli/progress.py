"""Shows on standard error what happens while a run is under way."""

import codecs
import sys
from collections.abc import Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from rich.progress import Progress as RichBar
    from rich.progress import TaskID


WAITING = "approve"
"""The step that is begun again when a person has decided, which is no second try."""

DRAWN = 60
"""So many letters of a script's own progress bar have room in the live line."""


class Whole:
    """Makes whole lines of what a script prints bit by bit."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._begun = ""

    def lines(self, output: bytes) -> Iterator[str]:
        """Yield each line that is whole by now; of a progress bar, that draws over itself, the last look."""
        *whole, self._begun = (self._begun + self._decoder.decode(output)).replace("\r\n", "\n").split("\n")
        for line in whole:
            yield line.rstrip("\r").rpartition("\r")[2]
        if "\r" in self._begun.rstrip("\r"):
            self._begun = self.under_way + "\r" * self._begun.endswith("\r")

    @property
    def under_way(self) -> str:
        """The line that is not ended yet, as a terminal would show it now."""
        return self._begun.rstrip("\r").rpartition("\r")[2]

    def rest(self) -> Iterator[str]:
        """Yield the line that was never ended, if there is one."""
        rest, self._begun = self.under_way, ""
        if rest:
            yield rest


class Silence:
    """Shows nothing."""

    def step_started(self, name: str, attempt: int) -> None:
        """Show nothing."""

    def step_ended(self, name: str, outcome: str, seconds: float) -> None:
        """Show nothing."""

    def told(self, words: str) -> None:
        """Show nothing."""

    def printed(self, output: bytes) -> None:
        """Show nothing."""


class Lines:
    """One line for each step, for logs and pipes."""

    def __init__(self, *, with_output: bool) -> None:
        self._with_output = with_output
        self._whole = Whole()

    def step_started(self, name: str, attempt: int) -> None:
        """Say so only when it is not the first try."""
        if attempt > 1 and name != WAITING:
            print(f"{name}: attempt {attempt}", file=sys.stderr, flush=True)

    def step_ended(self, name: str, outcome: str, seconds: float) -> None:
        """Print the step with its time."""
        self._print(self._whole.rest())
        print(f"{name:<10} {outcome:<15} {seconds:7.2f} s", file=sys.stderr, flush=True)

    def told(self, words: str) -> None:
        """Print the line."""
        print(f"  {words}", file=sys.stderr, flush=True)

    def printed(self, output: bytes) -> None:
        """Pass on what the script printed."""
        self._print(self._whole.lines(output))

    def _print(self, lines: Iterator[str]) -> None:
        for line in lines:
            if self._with_output:
                print(line, file=sys.stderr, flush=True)


class Bar:
    """A live line with the step under way and its time, above it what is done."""

    def __init__(self, *, with_output: bool) -> None:
        from rich.console import Console  # noqa: PLC0415 - only a terminal pays for Rich
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415

        self._with_output = with_output
        self._whole = Whole()
        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        self._bar: RichBar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task: TaskID | None = None
        self._name = ""

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
        words = name if attempt == 1 or name == WAITING else f"{name} (attempt {attempt})"
        self._clear()
        self._name = words
        self._task = self._bar.add_task(words, total=None)

    def step_ended(self, name: str, outcome: str, seconds: float) -> None:
        """Leave a line behind."""
        self._print(self._whole.rest())
        self._clear()
        mark = {"done": "[green]✓[/]", "deployed": "[green]✓[/]", "waits": "[yellow]…[/]", "skipped": "[yellow]–[/]"}
        words = f"{mark.get(outcome, '[red]✗[/]')} {name:<10} {outcome:<15} {seconds:7.2f} s"
        self._bar.console.print(words, highlight=False)

    def told(self, words: str) -> None:
        """Leave the line behind."""
        self._bar.console.print(f"  {words}", highlight=False, markup=False)

    def printed(self, output: bytes) -> None:
        """Show what the script printed above the live line, and what it draws over and over, in it."""
        self._print(self._whole.lines(output))
        if self._task is not None and self._with_output:
            self._bar.update(self._task, description=f"{self._name} {self._look()}")

    def _look(self) -> str:
        from rich.markup import escape  # noqa: PLC0415 - only a terminal pays for Rich
        from rich.text import Text  # noqa: PLC0415 - only a terminal pays for Rich

        return escape(Text.from_ansi(self._whole.under_way).plain[:DRAWN])

    def _print(self, lines: Iterator[str]) -> None:
        from rich.text import Text  # noqa: PLC0415 - only a terminal pays for Rich

        for line in lines:
            if self._with_output:
                # A style of the text's own: one given to print() would dim the live line as well.
                self._bar.console.print(Text.from_ansi(line, style="dim"), soft_wrap=True)

    def _clear(self) -> None:
        if self._task is not None:
            self._bar.remove_task(self._task)
            self._task = None
