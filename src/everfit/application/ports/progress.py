"""Is told what happens."""

from typing import Protocol


class Progress(Protocol):
    """Is told what happens, as it happens; it decides nothing."""

    def step_started(self, name: str, attempt: int) -> None:
        """A step starts."""
        ...

    def step_ended(self, name: str, outcome: str, seconds: float) -> None:
        """A step is done, failed or waits."""
        ...

    def told(self, words: str) -> None:
        """Something was decided while a step is under way, in one line."""
        ...

    def printed(self, output: bytes) -> None:
        """The user's script has printed something."""
        ...
