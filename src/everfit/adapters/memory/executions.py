"""Executions that a test goes on with by hand."""

from collections.abc import Mapping
from dataclasses import replace

from everfit.application.ports.clock import Clock
from everfit.application.ports.executions import Execution
from everfit.domain.run import RunId


class MemoryExecutions:
    """Implements ``Executions``; ``started`` and ``begun`` hold every one of them, in order."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._executions: dict[RunId, list[Execution]] = {}
        self.started: list[tuple[RunId, int]] = []
        self.begun: dict[str, Mapping[str, object]] = {}

    def newest(self, run: RunId) -> Execution | None:
        known = self._executions.get(run)
        return known[-1] if known else None

    def start(self, run: RunId, number: int = 1) -> bool:
        known = self._executions.setdefault(run, [])
        if any(execution.number == number for execution in known):
            return False
        known.append(Execution(number=number))
        self.started.append((run, number))
        return True

    def begin(self, name: str, given: Mapping[str, object]) -> bool:
        is_new = name not in self.begun
        self.begun.setdefault(name, given)
        return is_new

    def end(self, run: RunId, *, has_failed: bool = False) -> None:
        """End the newest execution of the run."""
        known = self._executions[run]
        known[-1] = replace(known[-1], ended=self._clock.now(), has_failed=has_failed)
