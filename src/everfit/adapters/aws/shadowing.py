"""Lets a version hear every request as a shadow before it takes the traffic; what it answers reaches nobody.

On SageMaker that is two updates: one that adds the shadow variant, and after the bake one that gives it the traffic.
"""

from collections.abc import Sequence
from dataclasses import replace

from everfit.adapters.aws.alarms import Watched, rollout_alarms
from everfit.adapters.aws.deployment import Deployments, Document, Parts, Wanted
from everfit.adapters.aws.endpoint_config import SHADOW_VARIANT, shadow_config
from everfit.adapters.aws.endpoint_names import parsed
from everfit.adapters.aws.intent import Intent, Trial
from everfit.domain.errors import RunFailedError


class Shadows:
    """The shadows of one environment's endpoint."""

    def __init__(self, parts: Parts, deployments: Deployments) -> None:
        self._parts = parts
        self._deployments = deployments

    def advance(self, name: str, wanted: Wanted, fence: int) -> bool:
        """Do what comes next: listen, bake, then take the traffic; True when it has that.

        Raises:
            RunFailedError: an alarm rang; the one before serves alone.
        """
        trial = self._trial(name, wanted, fence)
        if trial is None:
            return self._taken(name, wanted, fence)
        if trial.failed is not None:
            return self._end(name, wanted, trial, trial.failed, fence)
        if trial.since == 0.0:
            if self._deployments.advance(name, self._part(wanted, trial, trial.config, "shadow"), fence):
                self._keep(name, replace(trial, since=self._parts.pace.now()), fence)
            return False
        ringing = self._ringing(name, wanted, trial)
        if ringing:
            reason = f"{', '.join(ringing)} rang while it listened"
            self._keep(name, replace(trial, failed=reason), fence)
            return False
        if self._parts.pace.now() - trial.since < wanted.rollout.bake.total_seconds():
            return False
        return self._tried(name, wanted, trial, fence)

    def _tried(self, name: str, wanted: Wanted, trial: Trial, fence: int) -> bool:
        """Give it the traffic; when that fails, the shadow goes before it is told."""
        try:
            return self._taken(name, wanted, fence)
        except RunFailedError as error:
            self._keep(name, replace(trial, failed=str(error)), fence)
            return False

    def _taken(self, name: str, wanted: Wanted, fence: int) -> bool:
        is_done = self._deployments.advance(name, wanted, fence)
        if is_done:
            self._keep(name, None, fence)
        return is_done

    def _trial(self, name: str, wanted: Wanted, fence: int) -> Trial | None:
        """Return the trial of this deployment, begun unless it was; None when nothing serves to be a shadow of."""
        intent = self._parts.intents.read(name)
        if intent.trial is not None and intent.trial.identity == wanted.identity:
            return intent.trial
        serving = None if intent.good is None else self._parts.observer.serving(name, intent.good)
        if intent.good is None or serving is None or wanted.config == intent.good or wanted.owns(intent.change):
            return None
        if self._parts.observer.endpoint(name) is None:
            return None
        config = self._shadow(name, wanted, intent.good)
        self._parts.models.make_config(config)
        self._parts.alarms.put(self._alarms(name, wanted, str(config["EndpointConfigName"])))
        trial = Trial(
            identity=wanted.identity,
            config=str(config["EndpointConfigName"]),
            previous=intent.good,
            version=serving.version,
        )
        self._keep(name, trial, fence)
        return trial

    def _shadow(self, name: str, wanted: Wanted, good: str) -> Document:
        models = self._parts.models
        serving, challenger = models.config(good), models.config(wanted.config)
        if serving is None or challenger is None:
            raise RunFailedError(f"Endpoint {name} has lost its configuration {good} or {wanted.config}.")
        tags = models.tags(str(serving["EndpointConfigArn"]))
        return shadow_config(self._parts.hosting, name, serving, challenger, tags)

    def _part(self, wanted: Wanted, trial: Trial, config: str, what: str) -> Wanted:
        """Return one of the two updates around the trial: the one before goes on answering."""
        return Wanted(
            config=config, version=trial.version, identity=f"{wanted.identity} {what}", release=None, alarms=False
        )

    def _alarms(self, name: str, wanted: Wanted, config: str) -> Sequence[Document]:
        hosting, named = self._parts.hosting, parsed(name, wanted.config)
        tail = wanted.config if named is None else named.tail
        dimensions = {"EndpointName": name, "VariantName": SHADOW_VARIANT, "EndpointConfigName": config}
        watched = Watched(endpoint=name, dimensions=dimensions)
        return rollout_alarms(watched, f"{tail}-shadow", hosting.environment, hosting.place.all_tags)

    def _ringing(self, name: str, wanted: Wanted, trial: Trial) -> list[str]:
        names = [str(each["AlarmName"]) for each in self._alarms(name, wanted, trial.config)]
        states = self._parts.alarms.states(names)
        return sorted(alarm for alarm in names if states.get(alarm, "ALARM") == "ALARM")

    def _end(self, name: str, wanted: Wanted, trial: Trial, reason: str, fence: int) -> bool:
        """Take the shadow away, and tell why."""
        if not self._deployments.advance(name, self._part(wanted, trial, trial.previous, "back"), fence):
            return False
        for config in (trial.config, wanted.config):
            self._parts.models.remove(config)
        self._parts.intents.change(name, fence, lambda intent: intent.without(wanted.version))
        raise RunFailedError(f"Version {wanted.version} does not take the traffic of {name}: {reason}.")

    def _keep(self, name: str, trial: Trial | None, fence: int) -> None:
        def kept(intent: Intent) -> Intent:
            return replace(intent, trial=trial)

        self._parts.intents.change(name, fence, kept)
