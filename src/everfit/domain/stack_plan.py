"""What a change of a stack would do, and what it did, in words that need no knowledge of CloudFormation."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from everfit.domain.cost import Estimate


class ChangeKind(Enum):
    """What happens to a resource."""

    ADDED = "added"
    CHANGED = "changed"
    REPLACED = "replaced"
    MAYBE_REPLACED = "perhaps replaced"
    REMOVED = "removed"
    KEPT = "let go, but kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What happens to one resource.

    Args:
        resource: its name in the template.
        type: such as ``AWS::SQS::Queue``.
        name: its name on AWS; None when it has none yet.
        properties: that change.
        replaced_by: those of them that cannot change without a new resource.
    """

    kind: ChangeKind
    resource: str
    type: str
    name: str | None = None
    properties: tuple[str, ...] = ()
    replaced_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Drift:
    """What somebody has changed by hand.

    Args:
        differences: path of the property, what the template says, what is there.
    """

    resource: str
    type: str
    name: str | None
    is_deleted: bool
    differences: tuple[tuple[str, str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Right:
    """Who may do what to what, and why.

    Args:
        why: in words that go on "so that …".
        wide: why it is allowed on everything; None when it is not.
    """

    who: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    why: str
    wide: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedStack:
    """What happens to one stack.

    Args:
        status: as CloudFormation calls it; None when there is no such stack.
    """

    name: str
    status: str | None
    changes: tuple[Change, ...]
    drift: tuple[Drift, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StackPlan:
    """What ``everfit apply`` would do.

    Args:
        unprotected: what will not be protected, in sentences.
        notes: what else is worth knowing.
        cost: None without a price list.
    """

    model: str
    environment: str
    account: str
    region: str
    stacks: tuple[PlannedStack, ...]
    rights: tuple[Right, ...]
    unprotected: tuple[str, ...]
    cost: Estimate
    notes: tuple[str, ...] = ()

    @property
    def has_changes(self) -> bool:
        """Whether any stack changes."""
        return any(stack.changes for stack in self.stacks)


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What ``everfit apply`` has done.

    Args:
        changed: resources that were added, changed, replaced or removed.
        outputs: of the environment's stack.
    """

    stack: str
    changed: int
    outputs: Mapping[str, str] = field(default_factory=dict[str, str])
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """What ``everfit destroy`` removes, or has removed.

    Args:
        removed: in words, one thing each.
        kept: likewise, with how to be rid of it.
    """

    removed: tuple[str, ...]
    kept: tuple[str, ...]
