"""What a new template changes: which resources are added, modified, replaced and removed, and by which properties."""

import json
from dataclasses import dataclass
from typing import Any

from tests.aws.bench.call import Document
from tests.aws.bench.stacks.schemas import replacing
from tests.aws.bench.stacks.templates import Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One resource that changes.

    Args:
        action: ``Add``, ``Modify`` or ``Remove``.
        names: the properties that differ.
        is_replaced: whether the change makes a new resource.
    """

    action: str
    logical: str
    kind: str
    physical: str | None
    names: tuple[str, ...] = ()
    is_replaced: bool = False
    before: Document | None = None
    after: Document | None = None

    def shown(self, region: str, *, with_values: bool) -> Document:
        """Return it as DescribeChangeSet shows it (API reference, ResourceChange)."""
        change: Document = {
            "Action": self.action,
            "LogicalResourceId": self.logical,
            "ResourceType": self.kind,
            "Scope": ["Properties"] if self.action == "Modify" else [],
            "Details": [],
        }
        if self.physical is not None:
            change["PhysicalResourceId"] = self.physical
        if self.action == "Modify":
            change["Replacement"] = "True" if self.is_replaced else "False"
            change["Details"] = [self._detail(region, name, with_values=with_values) for name in self.names]
        if with_values:
            for name, value in (("BeforeContext", self.before), ("AfterContext", self.after)):
                if value is not None:
                    change[name] = json.dumps({"Properties": value})
        return {"Type": "Resource", "ResourceChange": change}

    def _detail(self, region: str, name: str, *, with_values: bool) -> Document:
        recreation = "Always" if name in replacing(region, self.kind) else "Never"
        target: Document = {"Attribute": "Properties", "Name": name, "RequiresRecreation": recreation}
        if with_values:
            before, after = (self.before or {}).get(name), (self.after or {}).get(name)
            kind = "Remove" if after is None else "Add" if before is None else "Modify"
            target |= {"Path": f"/Properties/{name}", "AttributeChangeType": kind}
            target |= {"BeforeValue": written(before)} if before is not None else {}
            target |= {"AfterValue": written(after)} if after is not None else {}
        return {"Target": target, "Evaluation": "Static", "ChangeSource": "DirectModification"}


def written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def changes(resources: dict[str, Document], scope: Scope, order: list[str]) -> list[Change]:
    """Return what must be done to come from *resources* to the template of *scope*, in the order of the work.

    A resource that depends on one that is replaced is compared with the value still unknown, and so is modified.
    """
    found: list[Change] = []
    for logical in order:
        declared = scope.template["Resources"][logical]
        if not scope.has(declared):
            continue
        kept = resources.get(logical)
        if kept is None or kept["kind"] != declared["Type"]:
            after = scope.value(declared.get("Properties", {}))
            found.append(Change(action="Add", logical=logical, kind=declared["Type"], physical=None, after=after))
            continue
        change = compared(logical, kept, scope)
        if change is not None:
            found.append(change)
        if change is not None and change.is_replaced:
            scope.references.pop(logical, None)
            scope.attributes.pop(logical, None)
    wanted = {name for name in order if scope.has(scope.template["Resources"][name])}
    for logical in reversed(list(resources)):
        if logical not in wanted or resources[logical]["kind"] != scope.template["Resources"][logical]["Type"]:
            kept = resources[logical]
            found.append(
                Change(
                    action="Remove",
                    logical=logical,
                    kind=kept["kind"],
                    physical=kept["physical"],
                    before=kept["properties"],
                )
            )
    return found


def compared(logical: str, kept: Document, scope: Scope) -> Change | None:
    before, after = kept["properties"], scope.value(scope.template["Resources"][logical].get("Properties", {}))
    names = tuple(sorted(name for name in {*before, *after} if before.get(name) != after.get(name)))
    if not names:
        return None
    return Change(
        action="Modify",
        logical=logical,
        kind=kept["kind"],
        physical=kept["physical"],
        names=names,
        is_replaced=bool(set(names) & replacing(scope.region, kept["kind"])),
        before=before,
        after=after,
    )
