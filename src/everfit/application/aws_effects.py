"""What can come of an event of AWS, and whom it is for."""

from dataclasses import dataclass
from enum import Enum

from everfit.application.ports import Ports
from everfit.application.serverless import AskedBack
from everfit.application.workspace import Workspace
from everfit.domain.notice import Notice, NoticeKind
from everfit.domain.project import Environment
from everfit.domain.run import RunId


class EffectKind(Enum):
    """What is to be done after an event."""

    NOTHING = "nothing"
    WAKE = "wake"
    """Go on with the run."""
    START = "start"
    """Look whether a run may start: something was put into the inbox."""
    ROLL_BACK = "roll back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What came of an event, and what is left to do.

    Args:
        words: why, for the log.
        run: to go on with.
        accepted: how many trigger events were written down now.
        back: the way back that is asked for.
        name: of the way back; the same whenever the same is asked for again.
    """

    kind: EffectKind
    words: str
    run: RunId | None = None
    accepted: int = 0
    back: AskedBack | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Whom an event is for.

    Args:
        account: whose events are taken.
    """

    workspace: Workspace
    environment: Environment
    account: str

    @property
    def model(self) -> str:
        """The model."""
        return self.workspace.model

    @property
    def words(self) -> str:
        """Model and environment."""
        return f"{self.model} in {self.environment.name}"


def nothing(words: str) -> Effect:
    """Return that there is nothing to do, with the reason."""
    return Effect(kind=EffectKind.NOTHING, words=words)


def note(name: str, part: str, words: str, place: Place, ports: Ports) -> None:
    """Tell people, once for each *name*."""
    notice = Notice(
        id=name,
        kind=NoticeKind.TROUBLE,
        model=place.model,
        environment=place.environment.name,
        run=None,
        cause=name,
        at=ports.clock.now(),
        facts={"part": part, "reason": words},
    )
    ports.outbox.note(notice)
