"""What there is to say about a notice, once it is to be told."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from everfit.domain.judging import Finding
from everfit.domain.notice import NoticeKind

CAUSES: Final = {
    "schedule": "Schedule",
    "data": "New Data",
    "push": "Push",
    "tag": "Version Tag",
    "drift": "Drift",
    "api": "Request",
    "event": "Event",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Story:
    """The facts that the words are made of.

    Args:
        id: of the notice.
        cause: kind of the trigger that started the run.
        release: what a tag calls the run.
        version: that it is about.
        before: the version that served before, or that it was compared with.
        serving: the version that served when it was noted.
        findings: what each rule of the gate said.
        asked: the gate's words about why a person is asked; None when nobody is.
        reason: in the words of whoever decided.
        part: what is in trouble.
        link: where to look.
        repeats: how many of the same cause were not told since *since*.
    """

    id: str
    kind: NoticeKind
    model: str
    environment: str | None
    at: datetime
    run: str | None = None
    cause: str | None = None
    release: str | None = None
    actor: str | None = None
    version: int | None = None
    before: int | None = None
    serving: int | None = None
    findings: tuple[Finding, ...] = ()
    asked: str | None = None
    reason: str | None = None
    part: str | None = None
    link: str | None = None
    repeats: int = 0
    since: datetime | None = None

    @property
    def place(self) -> str:
        """The model, and the environment when it is about one."""
        return self.model if self.environment is None else f"{self.model}/{self.environment}"

    @property
    def trigger(self) -> str | None:
        """Why the run was started, in words for people."""
        if self.cause is None:
            return None
        words = CAUSES.get(self.cause, self.cause)
        return words if self.release is None else f"{words} v{self.release}"
