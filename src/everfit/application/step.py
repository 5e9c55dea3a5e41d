"""What a step of the loop is given, and the five things it can answer.

A step is named, takes and gives plain JSON, and is safe to repeat: it looks at what is there before it acts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from everfit.application.facts import Facts
from everfit.application.ports import Claim, Ports
from everfit.application.workspace import Workspace
from everfit.domain.errors import BackendError
from everfit.domain.project import Environment, Project
from everfit.domain.run import Outcome, Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a step is given.

    Args:
        results: what the earlier steps of this run gave, by step name.
        sample: share of the rows, for a rehearsal; None takes all.
    """

    run: Run
    claim: Claim
    workspace: Workspace
    environment: Environment
    ports: Ports
    results: Mapping[str, Mapping[str, object]]
    sample: float | None = None

    @property
    def project(self) -> Project:
        """The project of this run."""
        return self.workspace.project

    def result(self, step: str) -> Facts:
        """Return what an earlier step gave."""
        if step not in self.results:
            raise BackendError(f"Run {self.run.id} has no result of its step {step!r}; the journal is incomplete.")
        return Facts(f"The result of {step}", self.results[step])


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The step is done; its result is kept."""

    result: Mapping[str, object] = field(default_factory=dict[str, object])


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitJob:
    """The step goes on when the job has ended."""

    job: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitEndpoint:
    """The step goes on when the change of the endpoint that it has begun is over.

    Args:
        again: when to look again, where evidence is what is waited for; None waits for the endpoint itself.
        words: what is waited for, for people.
        is_of_another: whether another run has to come to its end first, which needs the claim that this one holds.
    """

    endpoint: str
    again: timedelta | None = None
    words: str | None = None
    is_of_another: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AwaitApproval:
    """The step goes on when a person has decided."""

    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The run ends here."""

    outcome: Outcome
    reason: str
    result: Mapping[str, object] = field(default_factory=dict[str, object])


Answer = Done | AwaitJob | AwaitEndpoint | AwaitApproval | End
StepFunction = Callable[[Context], Answer]


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One entry of the loop.

    Args:
        attempts: how often it is tried when the outside fails in a way that trying again can mend.
        settles: whether it changes the endpoint, so that it is never broken off half-way on request.
    """

    name: str
    function: StepFunction
    attempts: int = 3
    settles: bool = False
