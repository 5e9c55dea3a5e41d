"""Apply changes to a stack: resource by resource, with events, and with a way back when one fails."""

from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.aws.bench.call import Document
from tests.aws.bench.stacks.changes import Change, changes
from tests.aws.bench.stacks.kinds import KINDS, Place, is_gone
from tests.aws.bench.stacks.templates import Scope, in_order
from tests.aws.bench.strict import InvalidRequestError
from tests.aws.bench.world import World, now

CUSTOM_NAMED = "CloudFormation cannot update a stack when a custom-named resource requires replacing."
FAILURES = (ClientError, BotoCoreError, InvalidRequestError, LookupError, TypeError, ValueError)


class ResourceError(Exception):
    """A resource could not be made, changed or removed."""


@dataclass(slots=True, kw_only=True)
class Work:
    """The work on one stack.

    Args:
        stack: the stack as it is kept; its ``_resources`` change as the work goes on.
        role: who makes the calls.
        done: what was done so far, for the way back.
    """

    world: World
    region: str
    stack: Document
    role: str | None
    done: list[tuple[Change, Document | None]] = field(default_factory=list[tuple[Change, Document | None]])
    leftovers: list[tuple[str, Document]] = field(default_factory=list[tuple[str, Document]])

    @property
    def resources(self) -> dict[str, Document]:
        found: dict[str, Document] = self.stack["_resources"]
        return found

    def place(self, logical: str) -> Place:
        return Place(
            world=self.world,
            region=self.region,
            role=self.role,
            stack=self.stack["StackName"],
            logical=logical,
            tags=self.stack.get("Tags", []),
        )

    def tell(self, logical: str, kind: str, status: str, physical: str = "", reason: str = "") -> None:
        """Add an event of the stack (API reference, StackEvent)."""
        event: Document = {
            "StackId": self.stack["StackId"],
            "StackName": self.stack["StackName"],
            "EventId": f"{logical}-{status}-{len(self.stack['_events'])}",
            "LogicalResourceId": logical,
            "PhysicalResourceId": physical,
            "ResourceType": kind,
            "Timestamp": now(),
            "ResourceStatus": status,
        }
        self.stack["_events"].append(event | ({"ResourceStatusReason": reason} if reason else {}))

    def status(self, status: str, reason: str = "") -> None:
        """Bring the stack into a status and tell it."""
        self.stack["StackStatus"] = status
        self.stack.pop("StackStatusReason", None)
        if reason:
            self.stack["StackStatusReason"] = reason
        name = self.stack["StackName"]
        self.tell(name, "AWS::CloudFormation::Stack", status, self.stack["StackId"], reason)

    def apply(self, scope: Scope) -> None:
        """Make every change in order, or raise ``ResourceError`` at the first that fails."""
        order = in_order(scope.template)
        for change in changes(self.resources, scope, order):
            self._take(change, scope)

    def _take(self, change: Change, scope: Scope) -> None:
        if change.action == "Remove":
            self.leftovers.append((change.logical, self.resources[change.logical]))
            self.done.append((change, self.resources.pop(change.logical)))
            return
        declared = scope.template["Resources"][change.logical]
        properties = scope.value(declared.get("Properties", {}))
        before = self.resources.get(change.logical)
        if change.action == "Modify" and before is not None and before["properties"] == properties:
            return
        is_new = change.action == "Add" or change.is_replaced
        self.done.append((change, before))
        if is_new and before is not None:
            self.leftovers.append((change.logical, before))
        made = self._make(change, before if not is_new else None, properties)
        resource = {"kind": change.kind, "properties": properties, **made}
        resource |= {name: declared[name] for name in ("DeletionPolicy", "UpdateReplacePolicy") if name in declared}
        self.resources[change.logical] = resource
        scope.references[change.logical] = made["physical"]
        scope.attributes[change.logical] = made["attributes"]

    def _make(self, change: Change, before: Document | None, properties: Document) -> Document:
        """Create or update one resource; return its name and its attributes."""
        verb = "CREATE" if before is None else "UPDATE"
        physical = "" if before is None else str(before["physical"])
        self.tell(change.logical, change.kind, f"{verb}_IN_PROGRESS", physical)
        kind = KINDS.get(change.kind)
        try:
            if self.world.settings.stack_failure in {change.logical, change.kind}:
                raise ValueError("The bench was told that this resource fails.")
            if kind is None:
                raise ValueError(f"The bench cannot make resources of type {change.kind}.")
            if change.is_replaced and self._is_custom_named(change):
                raise ValueError(
                    "CloudFormation cannot update a stack when a custom-named resource requires replacing."
                )
            place = self.place(change.logical)
            if before is None:
                name, attributes = kind.create(place, properties)
            else:
                name, attributes = kind.update(place, physical, before["properties"], properties)
        except FAILURES as error:
            self.tell(change.logical, change.kind, f"{verb}_FAILED", physical, str(error))
            raise ResourceError(f"The following resource(s) failed to {verb.lower()}: [{change.logical}]. ") from error
        self.tell(change.logical, change.kind, f"{verb}_COMPLETE", name)
        return {"physical": name, "attributes": attributes, "moment": now()}

    def _is_custom_named(self, change: Change) -> bool:
        """Return whether the new resource would have the name of the old one."""
        before, after = change.before or {}, change.after or {}
        names = [name for name in before if name.endswith("Name") and before[name] == after.get(name)]
        return any(before[name] == change.physical for name in names)

    def clean_up(self) -> None:
        """Remove what is not needed any more, unless its policy keeps it; failures are told and left."""
        for logical, resource in self.leftovers:
            policy = "DeletionPolicy" if logical not in self.resources else "UpdateReplacePolicy"
            if not self.remove(logical, resource, policy):
                self.world.note("left-behind", stack=self.stack["StackName"], resource=resource["physical"])
        self.leftovers.clear()

    def remove(self, logical: str, resource: Document, policy: str = "DeletionPolicy") -> bool:
        """Remove one resource; return whether it is gone or kept on purpose."""
        kind, physical = resource["kind"], resource["physical"]
        if resource.get(policy, "Delete").startswith("Retain"):
            self.tell(logical, kind, "DELETE_SKIPPED", physical)
            return True
        self.tell(logical, kind, "DELETE_IN_PROGRESS", physical)
        try:
            KINDS[kind].delete(self.place(logical), physical, resource["properties"])
        except FAILURES as error:
            if not (isinstance(error, ClientError) and is_gone(error)):
                self.tell(logical, kind, "DELETE_FAILED", physical, str(error))
                return False
        self.tell(logical, kind, "DELETE_COMPLETE", physical)
        return True

    def go_back(self, skipped: Any = ()) -> bool:
        """Undo what was done, last first; return whether all of it could be undone."""
        self.leftovers.clear()
        is_whole = True
        for change, before in reversed(self.done):
            now_kept = self.resources.get(change.logical)
            if change.logical in skipped:
                continue
            if before is None:
                if now_kept is not None:
                    is_whole &= self.remove(change.logical, now_kept)
                    self.resources.pop(change.logical)
                continue
            is_new = now_kept is not None and now_kept["physical"] != before["physical"]
            if is_new and now_kept is not None:
                is_whole &= self.remove(change.logical, now_kept)
            elif change.action == "Modify":
                is_whole &= self._restore(change, before, now_kept or before)
            self.resources[change.logical] = before
        return is_whole

    def _restore(self, change: Change, before: Document, current: Document) -> bool:
        physical = before["physical"]
        self.tell(change.logical, change.kind, "UPDATE_IN_PROGRESS", physical)
        try:
            place = self.place(change.logical)
            KINDS[change.kind].update(place, physical, current["properties"], before["properties"])
        except FAILURES as error:
            self.tell(change.logical, change.kind, "UPDATE_FAILED", physical, str(error))
            return False
        self.tell(change.logical, change.kind, "UPDATE_COMPLETE", physical)
        return True
