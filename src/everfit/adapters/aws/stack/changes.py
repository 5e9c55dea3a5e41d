"""From what CloudFormation says of a change set, of drift and of a failure, to what it means."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, cast

from everfit.adapters.aws.stack.pieces import Template
from everfit.domain.stack_plan import Change, ChangeKind, Drift

Json = Mapping[str, Any]

_FOLLOWING: Final = ("cancelled", "canceled")
"""How CloudFormation says that it gave a resource up because of another one."""


def changes_of(described: Iterable[Json], kept: frozenset[str]) -> tuple[Change, ...]:
    """Return the changes that a change set lists (API reference, DescribeChangeSet).

    Args:
        kept: logical ids of what stays there when the stack lets go of it.
    """
    found = (each["ResourceChange"] for each in described if each.get("Type") == "Resource")
    return tuple(
        sorted((_change(each, kept) for each in found), key=lambda change: (change.kind.value, change.resource))
    )


def _change(given: Json, kept: frozenset[str]) -> Change:
    details: Sequence[Json] = given.get("Details", ())
    targets = [detail.get("Target", {}) for detail in details]
    properties = dict.fromkeys(_named(target) for target in targets if target.get("Attribute"))
    lasting = dict.fromkeys(
        _named(each) for each in targets if each.get("RequiresRecreation") in ("Always", "Conditionally")
    )
    name = str(given["LogicalResourceId"])
    return Change(
        kind=_kind(given, is_kept=name in kept),
        resource=name,
        type=str(given["ResourceType"]),
        name=given.get("PhysicalResourceId"),
        properties=tuple(properties),
        replaced_by=tuple(lasting) if given.get("Replacement") in ("True", "Conditional") else (),
    )


def _named(target: Json) -> str:
    return str(target.get("Name") or target.get("Attribute"))


def _kind(given: Json, *, is_kept: bool) -> ChangeKind:
    match given["Action"]:
        case "Add" | "Import":
            return ChangeKind.ADDED
        case "Remove":
            return ChangeKind.KEPT if is_kept else ChangeKind.REMOVED
        case _ if given.get("Replacement") == "True":
            return ChangeKind.REPLACED
        case _ if given.get("Replacement") == "Conditional":
            return ChangeKind.MAYBE_REPLACED
        case _:
            return ChangeKind.CHANGED


def all_added(template: Template) -> tuple[Change, ...]:
    """Return what making the stack would do."""
    return tuple(
        Change(kind=ChangeKind.ADDED, resource=name, type=template.resources[name].type)
        for name in sorted(template.resources)
    )


def drift_of(described: Iterable[Json]) -> tuple[Drift, ...]:
    """Return what differs from the template (API reference, DescribeStackResourceDrifts)."""
    return tuple(
        Drift(
            resource=str(each["LogicalResourceId"]),
            type=str(each["ResourceType"]),
            name=each.get("PhysicalResourceId"),
            is_deleted=each["StackResourceDriftStatus"] == "DELETED",
            differences=tuple(_difference(found) for found in each.get("PropertyDifferences", ())),
        )
        for each in described
        if each.get("StackResourceDriftStatus") in ("MODIFIED", "DELETED")
    )


def _difference(found: Json) -> tuple[str, str, str]:
    path = str(found.get("PropertyPath", "")).strip("/").replace("/", ".")
    return path, str(found.get("ExpectedValue", "")), str(found.get("ActualValue", ""))


def first_cause(events: Iterable[Json]) -> str | None:
    """Return why a change failed: the first failure, not those that follow from it; None when none is told.

    Args:
        events: of this change, oldest first.
    """
    for event in events:
        reason = str(event.get("ResourceStatusReason") or "")
        is_own = event.get("PhysicalResourceId") == event.get("StackId")
        is_cause = not is_own and not any(word in reason.lower() for word in _FOLLOWING)
        if str(event.get("ResourceStatus", "")).endswith("_FAILED") and is_cause:
            what = f"{event.get('LogicalResourceId')} ({event.get('ResourceType')})"
            return f"{what}: {' '.join(reason.split()) or 'CloudFormation gives no reason'}{_advice(reason)}"
    return None


def _advice(reason: str) -> str:
    words = reason.lower()
    if "already exists" in words:
        return (
            " Something of that name was made by hand or by another stack: delete it, or choose another name under "
            "aws.names."
        )
    if "not authorized" in words or "accessdenied" in words.replace(" ", "") or "access denied" in words:
        return " `everfit doctor --aws` lists every permission that is missing."
    return ""


def kept_resources(template: Mapping[str, object]) -> frozenset[str]:
    """Return the logical ids of what stays there when a stack with this template lets go of it."""
    resources = cast("Mapping[str, Json]", template.get("Resources", {}))
    policies = {name: str(each.get("DeletionPolicy", "")) for name, each in resources.items()}
    return frozenset(name for name, policy in policies.items() if policy.startswith("Retain"))
