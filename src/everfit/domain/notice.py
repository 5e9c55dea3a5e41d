"""Notices: what people are to be told. One is written in the transaction of what it tells of."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from types import MappingProxyType

from everfit.domain.run import Outcome


class NoticeKind(Enum):
    """What is told."""

    DEPLOYED = "deployed"
    APPROVED = "approved"
    REJECTED = "rejected"
    NEEDS_APPROVAL = "needs approval"
    FAILED = "failed"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled back"
    PAUSED = "paused"
    RESUMED = "resumed"
    NO_SUCCESS = "no success"
    RECOVERED = "recovered"
    TROUBLE = "trouble"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing to tell.

    Args:
        id: the same whenever the same thing is told again, so that it is told once.
        environment: None when it is about the whole model.
        cause: alike for notices that repeat each other; a storm of them is told once for each window.
        facts: JSON that the words are made of, besides what the store knows of the run.
    """

    id: str
    kind: NoticeKind
    model: str
    environment: str | None
    run: str | None
    cause: str
    at: datetime
    facts: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


TOLD = {
    Outcome.DEPLOYED: NoticeKind.DEPLOYED,
    Outcome.APPROVED: NoticeKind.APPROVED,
    Outcome.REJECTED: NoticeKind.REJECTED,
    Outcome.NEEDS_APPROVAL: NoticeKind.NEEDS_APPROVAL,
    Outcome.FAILED: NoticeKind.FAILED,
    Outcome.CANCELLED: NoticeKind.CANCELLED,
}
"""A run that is skipped is told to nobody: nothing changed, and nothing is to be done."""
