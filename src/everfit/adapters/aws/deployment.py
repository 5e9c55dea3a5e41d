"""Brings a configuration into service on an endpoint of SageMaker, step by step, and finds its own work again."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, assert_never

from botocore.exceptions import BotoCoreError, ClientError

from everfit.adapters.aws.alarms import Alarms, Watched, drift_alarms, rollout_alarms, standing_alarms
from everfit.adapters.aws.autoscaling import Autoscaling, declared
from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.documents import first
from everfit.adapters.aws.endpoint_config import USUAL_VARIANT, Hosting
from everfit.adapters.aws.endpoint_names import parsed, tag_list
from everfit.adapters.aws.errors import code_of, explained, is_ambiguous, refusal
from everfit.adapters.aws.intent import Change, Intent, Intents
from everfit.adapters.aws.models import INVALID, StagedModels, once_it_is_seen
from everfit.adapters.aws.observing import Observer
from everfit.adapters.aws.ownership import Ownership
from everfit.adapters.aws.pace import USUAL_PACE, Pace
from everfit.adapters.aws.rollout import FAILED, WAIT, Move, Next, Observed, is_behind, next_move
from everfit.domain.errors import RunFailedError
from everfit.domain.rollout_plan import AT_ONCE, Rollout, deployment_config
from everfit.domain.version import Release

Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What shall serve.

    Args:
        identity: of the deployment; the same one is made once.
        rollout: how the traffic moves.
        alarms: whether alarms may take it back; the way back itself is never held up by them.
    """

    config: str
    version: int
    identity: str
    release: Release | None
    rollout: Rollout = AT_ONCE
    alarms: bool = True

    def owns(self, change: Change | None) -> bool:
        """Tell whether the change was begun for exactly this."""
        return change is not None and (change.config, change.identity) == (self.config, self.identity)


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a deployment works with."""

    clients: Clients
    hosting: Hosting
    intents: Intents
    models: StagedModels
    observer: Observer
    alarms: Alarms
    autoscaling: Autoscaling
    topic: Callable[[], str | None]
    pace: Pace = USUAL_PACE


class Deployments:
    """The deployments of one environment's endpoint."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._ownership = Ownership(parts.hosting, parts.models, parts.observer)

    def advance(self, name: str, wanted: Wanted, fence: int) -> bool:
        """Do what brings *wanted* into service next; True when it serves, False while that is under way.

        Raises:
            RunFailedError: it does not serve and will not.
        """
        parts = self._parts
        observed = parts.observer.endpoint(name)
        intent = self._noted(name, wanted, observed, fence)
        change = intent.change if wanted.owns(intent.change) else None
        told = self._told(observed, intent, wanted)
        match told.move:
            case Move.WAIT:
                return False
            case Move.DONE:
                self._finish(name, wanted, intent, observed, fence)
                return True
            case Move.CREATE:
                self._create(name, wanted, fence)
            case Move.UPDATE:
                self._update(name, wanted, observed, fence)
            case Move.REPAIR:
                self._repair(name, change, observed, fence)
            case Move.REMOVE:
                self._remove(name, observed)
            case Move.FAIL:
                self._fail(name, wanted, observed, told, fence)
            case _:
                assert_never(told.move)
        return False

    def _told(self, observed: Observed | None, intent: Intent, wanted: Wanted) -> Next:
        """Return what comes next; a look that may be older than somebody else's change is no end."""
        own, other = (intent.change, None) if wanted.owns(intent.change) else (None, intent.change)
        told = next_move(observed, own, wanted.config, is_fresh=self._is_fresh(own))
        is_doubtful = told.move is Move.DONE and is_behind(observed, other, is_fresh=self._is_fresh(other))
        return WAIT if is_doubtful else told

    def _noted(self, name: str, wanted: Wanted, observed: Observed | None, fence: int) -> Intent:
        """Write down what a look at a change under way says about whose it is."""

        def note(intent: Intent) -> Intent:
            change = intent.change
            if change is None or not wanted.owns(change) or change.asked is not None or change.failed is not None:
                return intent
            if observed is None or not observed.is_busy or observed.pending is None:
                return intent
            target = change.previous if change.is_repair else change.config
            if observed.pending == target:
                return intent.with_change(replace(change, asked=self._parts.pace.now()))
            # Somebody else's update goes on: what was to be changed will be another thing when it is over.
            return intent.with_change(None)

        return self._parts.intents.change(name, fence, note)

    def _is_fresh(self, change: Change | None) -> bool:
        if change is None or change.failed is not None:
            return False
        # One whose answer was lost may have been accepted when it was written down.
        since = change.since if change.asked is None else change.asked
        return self._parts.pace.now() - since < self._parts.pace.stale.total_seconds()

    def _create(self, name: str, wanted: Wanted, fence: int) -> None:
        parts = self._parts
        self._begin(name, wanted, None, fence)
        self._watch(name, USUAL_VARIANT, wanted)
        request = {
            "EndpointName": name,
            "EndpointConfigName": wanted.config,
            "Tags": tag_list(dict(parts.hosting.place.all_tags)),
        }
        what = f"create endpoint {name} with version {wanted.version}"
        self._ask(name, wanted, fence, what, lambda: parts.clients("sagemaker").create_endpoint(**request))

    def _update(self, name: str, wanted: Wanted, observed: Observed | None, fence: int) -> None:
        parts = self._parts
        if observed is None:
            return
        self._ownership.check(name, observed)
        self._begin(name, wanted, observed, fence)
        alarms = self._watch(name, observed.variant, wanted)
        kept = self._kept_properties(name, observed, fence)
        request: Document = {
            "EndpointName": name,
            "EndpointConfigName": wanted.config,
            **kept,
            "DeploymentConfig": deployment_config(wanted.rollout, alarms),
        }
        what = f"move endpoint {name} to version {wanted.version} (old and new instances run side by side for a while)"
        self._ask(name, wanted, fence, what, lambda: parts.clients("sagemaker").update_endpoint(**request))

    def _repair(self, name: str, change: Change | None, observed: Observed | None, fence: int) -> None:
        """Go back to what served before, all at once: the instances are of both by now."""
        if change is None or observed is None or change.previous is None:
            return
        back = replace(change, is_repair=True, seen=observed.modified, asked=None)
        self._parts.intents.change(name, fence, lambda intent: intent.with_change(back))
        request = {
            "EndpointName": name,
            "EndpointConfigName": change.previous,
            "RetainAllVariantProperties": True,
            "DeploymentConfig": deployment_config(AT_ONCE, ()),
        }
        wanted = Wanted(config=change.config, version=change.version, identity=change.identity, release=None)
        what = f"bring endpoint {name} back to {change.previous}"
        self._ask(name, wanted, fence, what, lambda: self._parts.clients("sagemaker").update_endpoint(**request))

    def _remove(self, name: str, observed: Observed | None) -> None:
        """Delete an endpoint that failed before it ever served; nothing else can be done with it."""
        if observed is not None:
            self._ownership.check(name, observed)
        with explained(f"delete endpoint {name}, which failed when it was created"):
            self._parts.clients("sagemaker").delete_endpoint(EndpointName=name)

    def _begin(self, name: str, wanted: Wanted, observed: Observed | None, fence: int) -> None:
        """Write down what is about to be asked, and what was there before."""
        previous = None if observed is None else observed.config
        seen = None if observed is None else observed.modified
        begun = Change(
            config=wanted.config,
            version=wanted.version,
            identity=wanted.identity,
            previous=previous,
            seen=seen,
            since=self._parts.pace.now(),
        )
        self._parts.intents.change(name, fence, lambda intent: intent.with_change(begun))

    def _ask(self, name: str, wanted: Wanted, fence: int, what: str, call: Callable[[], object]) -> None:
        """Make the call, and write down that it was accepted; an unclear answer is settled by the next look."""
        # As late as can be: SageMaker itself refuses no older token.
        self._parts.intents.check(name, fence)
        with explained(what):
            try:
                once_it_is_seen(call, self._parts.pace)
            except (ClientError, BotoCoreError) as error:
                if is_ambiguous(error):
                    return
                if isinstance(error, ClientError) and code_of(error) == INVALID:
                    self._settle_refusal(name, wanted, error)
                    return
                raise

        def accepted(intent: Intent) -> Intent:
            change = intent.change
            if change is None or not wanted.owns(change):
                return intent
            return intent.with_change(replace(change, asked=self._parts.pace.now()))

        self._parts.intents.change(name, fence, accepted)

    def _settle_refusal(self, name: str, wanted: Wanted, error: ClientError) -> None:
        """Find out what a refusal without a code of its own means: a look tells whether the endpoint is busy."""
        observed = self._parts.observer.endpoint(name)
        was_unseen = error.operation_name == "CreateEndpoint"
        if observed is not None and (was_unseen or observed.is_busy or observed.config == wanted.config):
            return
        raise RunFailedError(
            f"SageMaker does not move endpoint {name} to version {wanted.version}: {refusal(error).said} "
            "What served before serves."
        ) from error

    def _watch(self, name: str, variant: str, wanted: Wanted) -> Sequence[str]:
        """Make the alarms and return those that take the deployment back."""
        if not wanted.alarms:
            return ()
        parts, hosting = self._parts, self._parts.hosting
        named = parsed(name, wanted.config)
        whole = Watched(endpoint=name, dimensions={"EndpointName": name, "VariantName": variant})
        # With the configuration's name only the new fleet counts; without it, both (SageMaker Developer Guide,
        # "Auto-Rollback Configuration and Monitoring").
        fresh = replace(whole, dimensions={**whole.dimensions, "EndpointConfigName": wanted.config})
        tail = wanted.config if named is None else named.tail
        back = rollout_alarms(fresh, tail, hosting.environment, hosting.place.all_tags)
        topic = parts.topic()
        watching = standing_alarms(whole, hosting.environment, hosting.place, topic)
        worse = drift_alarms(name, hosting.project, hosting.environment, hosting.place, topic)
        parts.alarms.put([*back, *watching, *worse])
        names = [str(alarm["AlarmName"]) for alarm in back]
        self._check_alarms(name, wanted, names)
        return names

    def _check_alarms(self, name: str, wanted: Wanted, names: Sequence[str]) -> None:
        states = self._parts.alarms.states(names)
        missing = [alarm for alarm in names if alarm not in states]
        ringing = [alarm for alarm in names if states.get(alarm) == "ALARM"]
        if missing or ringing:
            what = f"{', '.join(missing)} is missing" if missing else f"{', '.join(ringing)} rings already"
            raise RunFailedError(
                f"Version {wanted.version} is not brought in on endpoint {name}: the alarm {what}, so that nothing "
                "could take it back. What served before serves."
            )

    def _kept_properties(self, name: str, observed: Observed, fence: int) -> Document:
        """Return what has the number of instances survive (FACTS §6: it is reset unless it is retained)."""
        hosting, autoscaling = self._parts.hosting, self._parts.autoscaling
        config = self._parts.models.config(observed.config) or {}
        before = first(config, "ProductionVariants")
        scaling = autoscaling.found(name, observed.variant)
        if scaling is not None and before.get("InstanceType") != hosting.instance:
            # An autoscaled variant cannot change its instance type (FACTS §6).
            self._parts.intents.change(name, fence, lambda intent: replace(intent, scaling=scaling))
            autoscaling.remove(name, observed.variant)
        excluded = ["DataCaptureConfig"]
        if scaling is None and before.get("InitialInstanceCount") != hosting.count:
            excluded.append("DesiredInstanceCount")
        return {
            "RetainAllVariantProperties": True,
            "ExcludeRetainedVariantProperties": [{"VariantPropertyType": kind} for kind in excluded],
        }

    def _finish(self, name: str, wanted: Wanted, intent: Intent, observed: Observed | None, fence: int) -> None:
        """Do what can only be done once it serves, and write down that it does."""
        if observed is None or (intent.change is None and intent.good == wanted.config and intent.scaling is None):
            return
        hosting, parts = self._parts.hosting, self._parts
        scaling = declared(hosting.settings, name) or intent.scaling
        if scaling is not None:
            parts.autoscaling.put(name, observed.variant, scaling)
        if intent.change is not None and intent.change.previous is not None and intent.good is None:
            # It was made by hand, and is Everfit's from now on.
            with explained(f"tag endpoint {name}"):
                tags = tag_list(dict(hosting.place.all_tags))
                parts.clients("sagemaker").add_tags(ResourceArn=observed.arn, Tags=tags)
        proof = [] if wanted.release is None else [wanted.release]

        def served(before: Intent) -> Intent:
            desired = before.desired.with_weights({wanted.version: 1.0}, proof) if proof else before.desired
            return replace(before, desired=desired, good=wanted.config, change=None, scaling=None)

        parts.intents.change(name, fence, served)

    def _fail(self, name: str, wanted: Wanted, observed: Observed | None, told: Next, fence: int) -> None:
        """Write the reason down, clean up what failed, and tell."""
        parts = self._parts
        intent = parts.intents.read(name)
        is_new = intent.change is not None and intent.change.failed is None
        reason = f"{told.reason}{self._ringing(name, wanted) if is_new else ''}"

        def failed(before: Intent) -> Intent:
            change = before.change
            if change is None or not wanted.owns(change) or change.failed is not None:
                return before
            after = before.with_change(replace(change, failed=reason)).without(wanted.version)
            if wanted.version not in after.made or before.good is None:
                return after
            # The version serves already, with other settings than were tried.
            return replace(after, made={**after.made, wanted.version: before.good})

        parts.intents.change(name, fence, failed)
        if is_new and observed is not None:
            self._clean(name, wanted, observed, intent, fence)
        # Nothing can be done with an endpoint that failed but to delete it (API reference, DescribeEndpoint).
        is_gone = intent.good is None or observed is None or observed.status == FAILED
        serves = "Nothing serves there" if is_gone else "What served before serves"
        raise RunFailedError(f"Version {wanted.version} does not serve on endpoint {name}: {reason}. {serves}.")

    def _clean(self, name: str, wanted: Wanted, observed: Observed, intent: Intent, fence: int) -> None:
        parts = self._parts
        if observed.status == FAILED:
            self._remove(name, observed)
            return
        if intent.scaling is not None:
            parts.autoscaling.put(name, observed.variant, intent.scaling)
            parts.intents.change(name, fence, lambda before: replace(before, scaling=None))
        if intent.trial is not None:
            # The one that listens as a shadow is of the same model.
            return
        if not observed.is_busy and wanted.config not in (observed.config, observed.pending, intent.good):
            parts.models.remove(wanted.config)

    def _ringing(self, name: str, wanted: Wanted) -> str:
        """Return which alarms of the deployment ring."""
        named = parsed(name, wanted.config)
        if named is None or not wanted.alarms:
            return ""
        hosting = self._parts.hosting
        watched = Watched(endpoint=name, dimensions={})
        names = [str(each["AlarmName"]) for each in rollout_alarms(watched, named.tail, hosting.environment, {})]
        ringing = [alarm for alarm, state in self._parts.alarms.states(names).items() if state == "ALARM"]
        return f" ({', '.join(sorted(ringing))} rings)" if ringing else ""
