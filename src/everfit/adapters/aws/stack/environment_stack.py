"""The infrastructure of one environment: its own stack, and the one of the bucket that it lives in."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final, cast

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.permissions import Role
from everfit.adapters.aws.project_bundle import write_bundle
from everfit.adapters.aws.s3_objects import S3Objects
from everfit.adapters.aws.stack.blueprint import Blueprint
from everfit.adapters.aws.stack.cargo import Cargo, ship
from everfit.adapters.aws.stack.changes import all_added, changes_of, drift_of, kept_resources
from everfit.adapters.aws.stack.changing import Wanted, change, is_made, settled
from everfit.adapters.aws.stack.cloudformation import CloudFormation, StackState
from everfit.adapters.aws.stack.disclosures import rights, unprotected
from everfit.adapters.aws.stack.functions import SIZES
from everfit.adapters.aws.stack.limits import check_data, check_names
from everfit.adapters.aws.stack.outside import BucketFacts, bucket_facts, outside, tells_of_objects
from everfit.adapters.aws.stack.pieces import Template
from everfit.adapters.aws.stack.price_list import own_prices
from everfit.adapters.aws.stack.removing import Remains, Remover
from everfit.adapters.aws.stack.sending import sendable
from everfit.adapters.aws.stack.storage import PREFIXES, base_stack_name, base_template
from everfit.adapters.aws.stack.template import environment_template
from everfit.application.ports.stack import Tell
from everfit.domain.aws import AwsPlace
from everfit.domain.cost import PriceList, Usage, estimate
from everfit.domain.errors import RequestError
from everfit.domain.project import Environment, Project
from everfit.domain.stack_plan import Applied, PlannedStack, Removal, StackPlan

_DRIFT_PATIENCE: Final = 60.0
"""Seconds."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Bucket:
    """The installation's bucket and the stack that may hold it.

    Args:
        facts: None when there is no bucket.
        stack: None when no stack of Everfit's holds it.
    """

    facts: BucketFacts | None
    stack: StackState | None
    prefixes: tuple[str, ...]

    @property
    def is_ours(self) -> bool:
        """Whether the base stack is to hold it."""
        return self.facts is None or (self.stack is not None and not self.stack.is_empty)


class EnvironmentStack:
    """Implements ``Stack`` with CloudFormation.

    Args:
        account: of the credentials, which has been checked.
        cargo: makes what the functions run and read.
        exclusions: what of a deployment will not be protected, in sentences.
    """

    def __init__(  # noqa: PLR0913 - each comes from another side
        self,
        clients: Clients,
        project: Project,
        environment: Environment,
        account: str,
        cargo: Callable[[], Cargo],
        *,
        cloud: CloudFormation,
        exclusions: Callable[[], tuple[str, ...]] = tuple,
    ) -> None:
        self._clients, self._cloud, self._account = clients, cloud, account
        self._project, self._environment = project, environment
        self._make_cargo, self._exclusions = cargo, exclusions

    @cached_property
    def _cargo(self) -> Cargo:
        return self._make_cargo()

    @cached_property
    def _blueprint(self) -> Blueprint:
        return Blueprint(
            project=self._project,
            environment=self._environment,
            package=self._cargo.package.key,
            handlers=self._cargo.handlers,
        )

    @property
    def _place(self) -> AwsPlace:
        if self._environment.aws is None:
            raise RequestError(f"The environment {self._environment.name} is not on AWS.")
        return self._environment.aws

    @cached_property
    def _objects(self) -> S3Objects:
        return S3Objects(self._clients, self._place)

    def template(self) -> str:
        self._check()
        return environment_template(self._blueprint).shown()

    def plan(self, prices: PriceList | None, usage: Usage, tell: Tell) -> StackPlan:
        self._check()
        bucket = self._bucket()
        state = self._cloud.state(self._place.names.stack)
        template = environment_template(self._known(state))
        stacks = [self._planned(self._place.names.stack, state, template, tell, has_bucket=bucket.facts is not None)]
        if bucket.is_ours:
            name, base = base_stack_name(self._place), base_template(self._place, bucket.prefixes)
            stacks.insert(0, self._planned(name, bucket.stack, base, tell, has_bucket=bucket.facts is not None))
        alarms = sum(each.type == "AWS::CloudWatch::Alarm" for each in template.resources.values())
        return StackPlan(
            model=self._place.model,
            environment=self._place.environment,
            account=self._account,
            region=self._place.region,
            stacks=tuple(stacks),
            rights=rights(self._blueprint, self._account),
            unprotected=(*self._exclusions(), *self._unprotected(bucket)),
            cost=estimate(
                self._project,
                self._environment,
                prices or own_prices(),
                usage,
                alarms=alarms,
                memory=SIZES[Role.TICK].memory,
            ),
            notes=tuple(_notes(stacks)),
        )

    def apply(self, tell: Tell) -> Applied:
        self._check()
        changed = self._apply_base(tell)
        if ship(self._objects, self._cargo.package):
            tell(f"uploaded {self._cargo.package.key}")
        bundle = self._cargo.bundle()
        name = self._place.names.stack
        state = settled(self._cloud, name, tell)
        is_new = state is None or state.is_empty
        if is_new:
            # The first look comes within a minute of the stack, and finds the project then.
            write_bundle(self._objects, self._place, bundle)
        changed += self._changed(name, environment_template(self._known(state)), self._place.all_tags, state, tell)
        # Only now: while the stack cannot be changed, what was applied before stays in force as a whole.
        write_bundle(self._objects, self._place, bundle)
        after = self._cloud.state(name)
        return Applied(stack=name, changed=changed, outputs={} if after is None else after.outputs)

    def removal(self, *, data: bool) -> Removal:
        return self._remover.preview(self._remains(), data=data)

    def destroy(self, tell: Tell, *, data: bool) -> Removal:
        return self._remover.remove(self._remains(), tell, data=data)

    def _check(self) -> None:
        check_names(self._blueprint, environment_template(self._blueprint))
        check_data(self._blueprint)

    @cached_property
    def _remover(self) -> Remover:
        return Remover(self._clients, self._cloud, self._place, self._environment, self._account)

    def _remains(self) -> Remains:
        bucket = self._bucket()
        return Remains(
            stack=self._cloud.state(self._place.names.stack),
            base=bucket.stack,
            has_bucket=bucket.facts is not None,
            prefixes=bucket.prefixes,
        )

    def _bucket(self) -> _Bucket:
        place = self._place
        facts = bucket_facts(self._clients, place.bucket, place.region)
        stack = self._cloud.state(base_stack_name(place))
        prefixes: tuple[str, ...] = ()
        if stack is not None and not stack.is_empty:
            prefixes = _prefixes(self._cloud.template(stack.name))
        return _Bucket(facts=facts, stack=stack, prefixes=prefixes)

    def _apply_base(self, tell: Tell) -> int:
        bucket = self._bucket()
        if not bucket.is_ours:
            tell(f"the bucket {self._place.bucket} is used as it is")
            return 0
        name = base_stack_name(self._place)
        state = settled(self._cloud, name, tell)
        return self._changed(name, base_template(self._place, bucket.prefixes), self._place.tags, state, tell)

    def _changed(
        self, name: str, template: Template, tags: Mapping[str, str], state: StackState | None, tell: Tell
    ) -> int:
        with sendable(template, self._objects, self._place) as body:
            changes = change(self._cloud, Wanted(name=name, body=body, tags=tags), state, tell)
        tell(f"{name} is as it should be" if not changes else f"{name} is changed: {len(changes)} resources")
        return len(changes)

    def _known(self, state: StackState | None) -> Blueprint:
        """Return the blueprint with what is there already outside of the stack."""
        owned = {} if state is None or state.is_empty else self._cloud.resources(state.name)
        return replace(self._blueprint, outside=outside(self._clients, self._blueprint, self._account, owned))

    def _planned(
        self, name: str, state: StackState | None, template: Template, tell: Tell, *, has_bucket: bool
    ) -> PlannedStack:
        status = None if state is None else state.status
        if state is None or not is_made(state) or not has_bucket:
            # There is nothing that CloudFormation could compare with; apply makes it, or mends it first.
            changes = () if state is not None and state.is_moving else all_added(template)
            return PlannedStack(name=name, status=status, changes=changes)
        tell(f"asking CloudFormation what would change in {name}")
        with sendable(template, self._objects, self._place) as body:
            planned = self._cloud.planned(name, body, template.tags, is_new=False)
            self._cloud.discard(planned)
        kept = kept_resources(self._cloud.template(name))
        drift = self._cloud.drift(name, _DRIFT_PATIENCE)
        return PlannedStack(
            name=name,
            status=status,
            changes=changes_of(planned.changes, kept),
            drift=() if drift is None else drift_of(drift),
        )

    def _unprotected(self, bucket: _Bucket) -> tuple[str, ...]:
        own = None if bucket.is_ours else bucket.facts
        watched, tells = self._blueprint.watched, own is None or own.tells
        if watched is not None and watched[0] != self._place.bucket:
            return tuple(unprotected(self._blueprint, own, tells=tells_of_objects(self._clients, watched[0])))
        return tuple(unprotected(self._blueprint, own, tells=tells))


def _prefixes(template: Mapping[str, object]) -> tuple[str, ...]:
    """Return what the base stack's own template notes of the installations in the bucket."""
    noted = cast("Mapping[str, object]", template.get("Metadata", {})).get(PREFIXES)
    return tuple(str(each) for each in cast("list[object]", noted)) if isinstance(noted, list) else ()


def _notes(stacks: list[PlannedStack]) -> list[str]:
    words = {
        "REVIEW_IN_PROGRESS": "was begun and never made; apply makes it",
        "ROLLBACK_COMPLETE": "could not be made the last time; apply deletes what is left of it and makes it anew",
        "ROLLBACK_FAILED": "could not be made the last time; apply deletes what is left of it and makes it anew",
        "CREATE_FAILED": "could not be made the last time; apply deletes what is left of it and makes it anew",
        "DELETE_FAILED": "could not be deleted as a whole; apply deletes the rest and makes it anew",
        "UPDATE_ROLLBACK_FAILED": "was undone only in part the last time; apply undoes the rest first",
    }
    found = [f"The stack {each.name} {words[each.status]}." for each in stacks if each.status in words]
    moving = [
        each for each in stacks if each.status and each.status.endswith("_IN_PROGRESS") and each.status not in words
    ]
    return found + [
        f"The stack {each.name} is being changed right now ({each.status}); plan again later." for each in moving
    ]
