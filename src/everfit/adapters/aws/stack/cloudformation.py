"""CloudFormation as the stacks need it: each call of its API once, with its answers typed."""

import json
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from botocore.exceptions import ClientError

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import explained, refusal
from everfit.adapters.aws.stack.changes import Json
from everfit.domain.errors import BackendError, BusyError

# A named role may be made only by whoever says that this is meant (API reference, CreateChangeSet, Capabilities).
_CAPABILITIES: Final = ["CAPABILITY_NAMED_IAM"]
_NOT_THERE: Final = "does not exist"
_NO_CHANGES: Final = ("didn't contain changes", "no updates are to be performed")
"""How CloudFormation says that nothing would change; it has no code for it (API reference, DescribeChangeSet)."""

WAITED: Final = ("CREATE_PENDING", "CREATE_IN_PROGRESS")


@dataclass(frozen=True, slots=True, kw_only=True)
class StackState:
    """How a stack stands.

    Args:
        status: as CloudFormation calls it, such as ``UPDATE_COMPLETE``.
        id: its ARN, by which it is found after it was deleted.
        change_set: ARN of the plan that it was last made or changed by.
    """

    name: str
    id: str
    status: str
    reason: str
    outputs: Mapping[str, str]
    change_set: str | None = None

    @property
    def is_moving(self) -> bool:
        """Whether somebody is changing it right now."""
        return self.status.endswith("_IN_PROGRESS") and self.status != "REVIEW_IN_PROGRESS"

    @property
    def is_empty(self) -> bool:
        """Whether it was never made: it only waits for its first change set."""
        return self.status == "REVIEW_IN_PROGRESS"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeSet:
    """A change that CloudFormation has worked out and not made.

    Args:
        id: its ARN.
    """

    stack: str
    name: str
    id: str
    changes: tuple[Json, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Body:
    """A template as it is sent.

    Args:
        text: of the template, or None when it lies at *url*.
    """

    text: str | None
    url: str | None = None

    @property
    def given(self) -> dict[str, str]:
        """The parameters of a call."""
        return {"TemplateURL": self.url} if self.url is not None else {"TemplateBody": self.text or ""}


class CloudFormation:
    """The stacks of a region.

    Args:
        pause: waits for so many seconds.
        interval: seconds between two looks.
    """

    def __init__(self, clients: Clients, *, pause: Callable[[float], None] = time.sleep, interval: float = 2.0) -> None:
        self._clients, self._pause, self.interval = clients, pause, interval

    @property
    def _client(self) -> Any:
        return self._clients("cloudformation")

    def wait(self) -> None:
        """Wait between two looks."""
        self._pause(self.interval)

    def state(self, name: str) -> StackState | None:
        """Return how the stack stands; None when there is none of that name or id."""
        with explained(f"look at the stack {name}"):
            try:
                found = self._client.describe_stacks(StackName=name)["Stacks"][0]
            except ClientError as error:
                # A stack that is not there is a ValidationError like others (API reference, DescribeStacks).
                if _NOT_THERE in refusal(error).said:
                    return None
                raise
        if found["StackStatus"] == "DELETE_COMPLETE":
            return None
        return StackState(
            name=found["StackName"],
            id=found["StackId"],
            status=found["StackStatus"],
            reason=str(found.get("StackStatusReason") or ""),
            outputs={each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", ())},
            change_set=found.get("ChangeSetId"),
        )

    def template(self, name: str) -> Mapping[str, object]:
        """Return the template that the stack was last made from."""
        with explained(f"read the template of the stack {name}"):
            body = self._client.get_template(StackName=name, TemplateStage="Original")["TemplateBody"]
        # boto3 has read it already when it is JSON.
        return cast("Mapping[str, object]", json.loads(body) if isinstance(body, str) else body)

    def resources(self, name: str) -> dict[str, str]:
        """Return the name on AWS of each resource in the stack."""
        with explained(f"list the resources of the stack {name}"):
            found = self._client.describe_stack_resources(StackName=name)["StackResources"]
        return {
            each["LogicalResourceId"]: str(each.get("PhysicalResourceId") or "")
            for each in found
            if not each["ResourceStatus"].startswith("DELETE_COMPLETE")
        }

    def planned(self, name: str, body: Body, tags: Mapping[str, str], *, is_new: bool) -> ChangeSet:
        """Have CloudFormation work out what would change.

        Raises:
            BusyError: somebody is changing the stack.
            BackendError: the template cannot be used.
        """
        label = f"everfit-{uuid.uuid4().hex[:12]}"
        with explained(f"plan the stack {name}"):
            try:
                self._client.create_change_set(
                    StackName=name,
                    ChangeSetName=label,
                    ChangeSetType="CREATE" if is_new else "UPDATE",
                    Capabilities=_CAPABILITIES,
                    Tags=[{"Key": key, "Value": value} for key, value in sorted(tags.items())],
                    Description="By Everfit.",
                    **body.given,
                )
            except ClientError as error:
                if "_IN_PROGRESS" in refusal(error).said:
                    raise _busy(name) from error
                raise
        return self._worked_out(name, label)

    def _worked_out(self, name: str, label: str) -> ChangeSet:
        while True:
            pages = list(self._pages(name, label))
            first = pages[0]
            if first["Status"] not in WAITED:
                break
            self.wait()
        changes = tuple(change for page in pages for change in page.get("Changes", ()))
        if first["Status"] == "FAILED":
            reason = str(first.get("StatusReason") or "")
            if not any(words in reason.lower() for words in _NO_CHANGES):
                self.discard(ChangeSet(stack=name, name=label, id=first["ChangeSetId"], changes=()))
                raise BackendError(f"CloudFormation cannot plan the stack {name}: {' '.join(reason.split())}")
            changes = ()
        return ChangeSet(stack=name, name=label, id=first["ChangeSetId"], changes=changes)

    def _pages(self, name: str, label: str) -> Iterator[Json]:
        more: dict[str, str] = {}
        while True:
            with explained(f"read the plan of the stack {name}"):
                try:
                    page = self._client.describe_change_set(StackName=name, ChangeSetName=label, **more)
                except ClientError as error:
                    if refusal(error).code == "ChangeSetNotFound":
                        # Carrying one plan out deletes the others (CloudFormation API reference, ExecuteChangeSet).
                        raise _busy(name) from error
                    raise
            yield page
            if not page.get("NextToken"):
                return
            more = {"NextToken": page["NextToken"]}

    def discard(self, planned: ChangeSet) -> None:
        """Throw a plan away."""
        with explained(f"throw away the plan of the stack {planned.stack}"):
            self._client.delete_change_set(StackName=planned.stack, ChangeSetName=planned.name)

    def execute(self, planned: ChangeSet) -> None:
        """Begin to change the stack as planned.

        Raises:
            BusyError: somebody else has changed it since.
        """
        with explained(f"change the stack {planned.stack}"):
            try:
                self._client.execute_change_set(
                    StackName=planned.stack, ChangeSetName=planned.name, ClientRequestToken=planned.name
                )
            except ClientError as error:
                if refusal(error).code not in ("InvalidChangeSetStatus", "ChangeSetNotFound"):
                    raise
                # An answer that was lost is asked for again, and then our own first call is in the way.
                state = self.state(planned.stack)
                if state is None or state.change_set != planned.id:
                    raise _busy(planned.stack) from error

    def events(self, stack: str) -> list[Json]:
        """Return the newest events of the stack, oldest first."""
        with explained(f"read the events of the stack {stack}"):
            found: list[Json] = self._client.describe_stack_events(StackName=stack)["StackEvents"]
        return found[::-1]

    def go_back(self, name: str) -> None:
        """Begin to undo a change whose undoing failed."""
        with explained(f"undo the failed change of the stack {name}"):
            self._client.continue_update_rollback(StackName=name)

    def delete(self, name: str) -> None:
        """Begin to delete the stack."""
        with explained(f"delete the stack {name}"):
            self._client.delete_stack(StackName=name)

    def drift(self, name: str, patience: float) -> list[Json] | None:
        """Return what differs from the template; None when CloudFormation does not know within *patience* seconds."""
        with explained(f"find out what was changed by hand in the stack {name}"):
            number = self._client.detect_stack_drift(StackName=name)["StackDriftDetectionId"]
            waited = 0.0
            while True:
                told = self._client.describe_stack_drift_detection_status(StackDriftDetectionId=number)
                if told["DetectionStatus"] != "DETECTION_IN_PROGRESS":
                    break
                if waited >= patience:
                    return None
                self.wait()
                waited += self.interval
            return list(self._drifted(name))

    def _drifted(self, name: str) -> Iterator[Json]:
        more: dict[str, str] = {}
        while True:
            page = self._client.describe_stack_resource_drifts(
                StackName=name, StackResourceDriftStatusFilters=["MODIFIED", "DELETED"], **more
            )
            yield from page["StackResourceDrifts"]
            if not page.get("NextToken"):
                return
            more = {"NextToken": page["NextToken"]}


def _busy(name: str) -> BusyError:
    return BusyError(f"Somebody else is changing the stack {name}. Run everfit apply again when that is over.")
