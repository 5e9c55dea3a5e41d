"""Removes an environment from AWS: what serves, its stack and, only when that is asked for, what it knows."""

from collections.abc import Iterator
from dataclasses import dataclass

from botocore.exceptions import ClientError

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import MISSING, code_of, explained
from everfit.adapters.aws.models import is_missing
from everfit.adapters.aws.project_bundle import key_of
from everfit.adapters.aws.s3_objects import S3Objects
from everfit.adapters.aws.stack.changing import Tell, remove, settled
from everfit.adapters.aws.stack.cloudformation import CloudFormation, StackState
from everfit.adapters.aws.stack.leftovers import (
    Serving,
    erase,
    is_bucket_empty,
    others,
    packages,
    running,
    serving,
)
from everfit.domain.aws import AwsPlace
from everfit.domain.errors import RefusedError
from everfit.domain.project import Environment, Hosting
from everfit.domain.stack_plan import Removal


@dataclass(frozen=True, slots=True, kw_only=True)
class Remains:
    """What there is of an environment.

    Args:
        stack: its own; None when there is none.
        base: the stack of the bucket; None when Everfit did not make the bucket.
        prefixes: of the installations in the bucket.
    """

    stack: StackState | None
    base: StackState | None
    has_bucket: bool
    prefixes: tuple[str, ...]


class Remover:
    """Removes one environment."""

    def __init__(
        self,
        clients: Clients,
        cloud: CloudFormation,
        place: AwsPlace,
        environment: Environment,
        account: str,
    ) -> None:
        self._clients, self._cloud, self._account = clients, cloud, account
        self._place, self._environment = place, environment

    def preview(self, remains: Remains, *, data: bool) -> Removal:
        """Return what would be removed and kept."""
        removed = [*self._served(serving(self._clients, self._place, self._environment))]
        if remains.stack is not None:
            removed.append(f"the stack {remains.stack.name}, with its functions, roles, rules, queues, logs and alarms")
        goes, kept = self._data(remains, data=data)
        return Removal(removed=(*removed, *goes), kept=tuple(kept))

    def remove(self, remains: Remains, tell: Tell, *, data: bool) -> Removal:
        """Remove it.

        Raises:
            RefusedError: a run is under way.
            BackendError: something could not be removed; the same again goes on from there.
        """
        busy = running(self._clients, self._place, self._account)
        if busy:
            raise RefusedError(
                f"A run is under way ({', '.join(busy[:3])}): wait for it, or end it with `everfit cancel`, and then "
                "destroy again."
            )
        done = self.preview(remains, data=data)
        # The stack first: nothing may deploy again what is deleted next.
        state = None if remains.stack is None else settled(self._cloud, remains.stack.name, tell)
        if state is not None:
            remove(self._cloud, state, tell)
        self._stop_serving(serving(self._clients, self._place, self._environment), tell)
        if remains.has_bucket:
            S3Objects(self._clients, self._place).delete(key_of(self._place))
        if data and remains.has_bucket and not others(self._clients, self._place):
            self._remove_data(remains, tell)
        return done

    def _served(self, found: Serving) -> Iterator[str]:
        kind = "function" if self._environment.hosting is Hosting.FUNCTION else "endpoint"
        if found.name is not None:
            yield f"the {kind} {found.name}: whoever calls it gets no answer any more"
        if found.configs or found.models:
            yield f"{len(found.configs)} configurations and {len(found.models)} models of {self._environment.endpoint}"
        if found.alarms:
            yield f"the alarms {', '.join(found.alarms)}"

    def _data(self, remains: Remains, *, data: bool) -> tuple[list[str], list[str]]:
        home, group = self._place.home, self._place.names.package_group
        if not remains.has_bucket:
            return [], []
        if not data:
            return [], [
                f"everything below {home}: state, snapshots and models; --data removes it",
                f"the model package group {group} with its versions; --data removes it",
            ]
        sharing = others(self._clients, self._place)
        if sharing:
            return [], [f"everything below {home}, as {', '.join(sharing)} live there too; destroy those first"]
        goes = [f"everything below {home}, in every version", f"the model package group {group} with its versions"]
        if remains.base is None:
            return goes, [f"the bucket {self._place.bucket}, which Everfit has not made"]
        return [*goes, f"the bucket {self._place.bucket}, unless something else lies in it"], []

    def _stop_serving(self, found: Serving, tell: Tell) -> None:
        if found.name is not None:
            tell(f"deleting {found.name}")
            if self._environment.hosting is Hosting.FUNCTION:
                self._delete("lambda", "delete_function", FunctionName=found.name)
            else:
                self._delete("sagemaker", "delete_endpoint", EndpointName=found.name)
        for name in found.configs:
            self._delete("sagemaker", "delete_endpoint_config", EndpointConfigName=name)
        for name in found.models:
            self._delete("sagemaker", "delete_model", ModelName=name)
        for start in range(0, len(found.alarms), 100):
            # 100 at once (API reference, DeleteAlarms).
            self._delete("cloudwatch", "delete_alarms", AlarmNames=list(found.alarms[start : start + 100]))

    def _remove_data(self, remains: Remains, tell: Tell) -> None:
        place = self._place
        for address in packages(self._clients, place.names.package_group):
            self._delete("sagemaker", "delete_model_package", ModelPackageName=address)
        self._delete("sagemaker", "delete_model_package_group", ModelPackageGroupName=place.names.package_group)
        count = erase(self._clients, place.bucket, f"{place.prefix}/")
        tell(f"{count} objects below {place.home} are deleted")
        if remains.base is None or set(remains.prefixes) - {place.prefix}:
            return
        if not is_bucket_empty(self._clients, place.bucket):
            tell(f"the bucket {place.bucket} is kept, as something else lies in it")
            return
        state = settled(self._cloud, remains.base.name, tell)
        if state is not None:
            remove(self._cloud, state, tell)
        self._delete("s3", "delete_bucket", Bucket=place.bucket)

    def _delete(self, service: str, operation: str, **what: object) -> None:
        """Delete something; one that is gone already is as good."""
        with explained(f"delete {', '.join(str(each) for each in what.values())}"):
            try:
                getattr(self._clients(service), operation)(**what)
            except ClientError as error:
                is_gone = code_of(error) in MISSING or code_of(error) == "NoSuchBucket" or is_missing(error)
                if not is_gone and "does not exist" not in str(error):
                    raise
