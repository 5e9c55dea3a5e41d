"""The errors that Everfit means to raise.

EverfitError
├── RequestError              the request cannot be served; the caller can mend it
│   ├── ProjectError          everfit.yaml or the project folder is wrong, with every problem found
│   ├── RuleError             a gate rule or data check cannot be read
│   ├── NotFoundError         no such run, version, endpoint …
│   ├── IllegalMoveError      a move that the table of legal moves does not hold
│   ├── RefusedError          a promise forbids it: no passing verdict, nothing to go back to …
│   └── BusyError             somebody else holds what this needs
├── RunFailedError            a step of a run failed for good
└── BackendError              the outside failed; ``retryable`` tells whether trying again can help
    ├── FencedError           another worker has taken over; nothing more may be done by this one
    └── StateError            the state folder cannot be used: newer, damaged, read-only, full
"""

from collections.abc import Sequence
from dataclasses import dataclass


class EverfitError(Exception):
    """Catch this to catch every error that Everfit means to raise."""


class RequestError(EverfitError):
    """The request cannot be served as it was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong with a project, where it stands and what to do.

    Args:
        file: as the user knows it, such as ``everfit.yaml``.
        line: counted from 1; None when the problem has no line.
        found: what was there, in the user's own words.
        expected: what may stand there.
        nearest: the nearest right word, if one is near.
    """

    message: str
    file: str = "everfit.yaml"
    line: int | None = None
    found: str | None = None
    expected: str | None = None
    nearest: str | None = None

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        text = f"{place}: {self.message}"
        if self.found is not None:
            text += f"; found {self.found}"
        if self.expected is not None:
            text += f"; expected {self.expected}"
        if self.nearest is not None:
            text += f"; did you mean {self.nearest}?"
        return text


class ProjectError(RequestError):
    """The project cannot be used; all problems that were found are listed."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = tuple(problems)


class RuleError(RequestError):
    """A rule cannot be read.

    Args:
        expected: what may stand there.
        nearest: the nearest right word, if one is near.
    """

    def __init__(self, message: str, *, expected: str | None = None, nearest: str | None = None) -> None:
        super().__init__(message)
        self.expected = expected
        self.nearest = nearest


class NotFoundError(RequestError):
    """There is no such thing."""


class IllegalMoveError(RequestError):
    """The table of legal moves does not hold this move."""


class RefusedError(RequestError):
    """A promise of Everfit's forbids it."""


class BusyError(RequestError):
    """Somebody else holds what this needs."""


class RunFailedError(EverfitError):
    """A step of a run failed for good."""


class BackendError(EverfitError):
    """The outside failed.

    Args:
        retryable: whether the same call can succeed later.
    """

    def __init__(self, message: str, *, retryable: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable


class FencedError(BackendError):
    """Another worker has taken the work over."""


class StateError(BackendError):
    """The state folder cannot be used."""
