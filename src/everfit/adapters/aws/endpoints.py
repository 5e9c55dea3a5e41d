"""Endpoints of SageMaker: a version is a model and a configuration, and traffic moves by UpdateEndpoint in place."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from botocore.exceptions import ClientError

from everfit.adapters.aws.alarms import Alarms
from everfit.adapters.aws.autoscaling import Autoscaling
from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.deployment import Deployments, Parts, Wanted
from everfit.adapters.aws.endpoint_config import USUAL_VARIANT, Hosting, staging
from everfit.adapters.aws.errors import explained, refusal
from everfit.adapters.aws.intent import Intent, Intents
from everfit.adapters.aws.models import PublishedModels, StagedModels
from everfit.adapters.aws.observing import Observer
from everfit.adapters.aws.pace import USUAL_PACE, Pace
from everfit.adapters.aws.rollout import ROLLBACK_FAILED
from everfit.adapters.aws.shadowing import Shadows
from everfit.adapters.aws.topics import topic_arn
from everfit.domain.aws import AwsPlace
from everfit.domain.endpoint import Answer, EndpointState, ServedVersion
from everfit.domain.errors import RefusedError
from everfit.domain.project import Environment, Project
from everfit.domain.rollout_plan import AT_ONCE, Strategy, rollout_of
from everfit.domain.version import Release

# Errors of InvokeEndpoint and the statuses that they stand for (FACTS §5, runtime HTTP shape).
STATUSES: Final[Mapping[str, int]] = {
    "ValidationError": 400,
    "ValidationException": 400,
    "ModelError": 424,
    "ModelNotReadyException": 429,
    "ServiceUnavailable": 503,
    "InternalFailure": 500,
}


class SageMakerEndpoints:
    """The endpoint of one environment.

    Args:
        role_arn: of what serves.
    """

    def __init__(
        self,
        clients: Clients,
        place: AwsPlace,
        project: Project,
        environment: Environment,
        role_arn: str,
        pace: Pace = USUAL_PACE,
    ) -> None:
        self._clients = clients
        self._hosting = Hosting(project=project, environment=environment, place=place, role=role_arn)
        self._intents = Intents(clients, place)
        self._published = PublishedModels(clients, place)
        self._models = StagedModels(clients, pace)
        self._alarms = Alarms(clients)
        self._observer = Observer(clients, self._models)
        parts = Parts(
            clients=clients,
            hosting=self._hosting,
            intents=self._intents,
            models=self._models,
            observer=self._observer,
            alarms=self._alarms,
            autoscaling=Autoscaling(clients),
            topic=lambda: topic_arn(place, role_arn),
            pace=pace,
        )
        self._deployments = Deployments(parts)
        self._shadows = Shadows(parts, self._deployments)
        self._interval = pace.interval.total_seconds()
        self._next_look: dict[str, float] = {}

    def describe(self, name: str) -> EndpointState | None:
        """Return what the endpoint really serves; None before its first deployment, and when somebody deleted it."""
        intent, observed = self._intents.read(name), self._observer.endpoint(name)
        existing = {config.text for config in self._observer.configs(name)}
        staged = {number for number, made in intent.made.items() if made in existing}
        if observed is None and (intent.good is not None or not staged):
            return None
        artifacts = {number: intent.desired.versions[number].artifact for number in staged}
        weights: dict[int, float] = {}
        if observed is not None and observed.status not in ("Creating", "Failed", "Deleting", ROLLBACK_FAILED):
            serving = self._observer.serving(name, observed.config)
            if serving is not None:
                weights, artifacts = {serving.version: 1.0}, {**artifacts, serving.version: serving.artifact}
        return EndpointState(
            name=name,
            url=f"{self._clients('sagemaker-runtime').meta.endpoint_url}/endpoints/{name}/invocations",
            weights=weights,
            staged=tuple(sorted(artifacts)),
            artifacts=artifacts,
            fence=intent.desired.fence,
        )

    def stage(self, name: str, version: ServedVersion, *, fence: int) -> None:
        """Publish the version, and make its model and its configuration; nothing is started yet."""
        intent = self._claimed(name, fence)
        intent.desired.with_version(version)
        made, change = intent.made.get(version.version), intent.change
        if made is not None and change is not None and (change.config, change.failed) == (made, None):
            # It is being brought in: what it needs was made before that began.
            return
        observed = self._observer.endpoint(name)
        variant = (observed.variant if observed else "") or USUAL_VARIANT
        url = self._published.publish(version)
        wanted = staging(self._hosting, name, version, url, variant)
        self._models.make(wanted)

        def staged(before: Intent) -> Intent:
            return replace(
                before,
                desired=before.desired.with_version(version),
                made={**before.made, version.version: wanted.name},
            )

        self._intents.change(name, fence, staged)

    def shift(self, name: str, weights: Mapping[int, float], releases: Sequence[Release], *, fence: int) -> bool:
        """Move the traffic by one update with the declared rollout; False while SageMaker is at it."""
        intent = self._claimed(name, fence)
        desired = intent.desired.with_weights(weights, releases)
        if len(desired.weights) != 1:
            raise RefusedError(
                f"Endpoint {name} gives its traffic to one version at a time; steps in between are SageMaker's own."
            )
        number = next(iter(desired.weights))
        proof = desired.releases[number]
        wanted = Wanted(
            config=intent.made[number],
            version=number,
            identity=f"{proof.environment} {proof.verdict}",
            release=proof,
            rollout=rollout_of(self._hosting.environment.rollout),
        )
        if wanted.rollout.strategy is Strategy.SHADOW:
            return self._noted(name, self._shadows.advance(name, wanted, fence))
        return self._noted(name, self._deployments.advance(name, wanted, fence))

    def restore(self, name: str, version: ServedVersion, release: Release, *, fence: int) -> bool:
        """Go back all at once, with no alarm in the way; answers as ``shift`` does."""
        whole = {version.version: 1.0}
        self._intents.read(name).desired.claimed(fence).with_version(version).with_weights(whole, [release])
        self.stage(name, version, fence=fence)
        intent = self._intents.read(name)
        wanted = Wanted(
            config=intent.made[version.version],
            version=version.version,
            identity=f"restore {fence}",
            release=release,
            rollout=AT_ONCE,
            alarms=False,
        )
        is_done = self._noted(name, self._deployments.advance(name, wanted, fence))
        if is_done and intent.trial is not None:
            self._intents.change(name, fence, lambda before: replace(before, trial=None))
        return is_done

    def wait(self, name: str, patience: timedelta) -> bool:
        """Wait until SageMaker has finished what it does to the endpoint; it is asked once an interval at most.

        Whoever has no patience looks now: what calls so, as a state machine does, keeps an interval of its own.
        """
        end = time.monotonic() + patience.total_seconds()
        while True:
            due = self._next_look.get(name, 0.0) if patience else 0.0
            if due > end:
                time.sleep(max(0.0, end - time.monotonic()))
                return False
            time.sleep(max(0.0, due - time.monotonic()))
            observed = self._observer.endpoint(name)
            if observed is None or not observed.is_busy:
                self._next_look.pop(name, None)
                return True
            self._look_later(name)

    def settle(self, name: str, keep: Sequence[int], *, fence: int, back: int | None = None) -> None:
        """Delete models and configurations that are neither kept nor in use, and the alarms of their deployments."""
        del back

        def only(before: Intent) -> Intent:
            desired = before.desired.with_only(keep)
            made = {number: each for number, each in before.made.items() if number in desired.versions}
            return replace(before, desired=desired, made=made)

        intent, observed = self._intents.change(name, fence, only), self._observer.endpoint(name)
        if observed is not None and observed.is_busy:
            # Old and new configuration are both in use (API reference, DeleteEndpointConfig); the next time will do.
            return
        used = {*intent.made.values(), intent.good, None if observed is None else observed.config}
        if intent.trial is not None:
            used |= {intent.trial.config, intent.trial.previous}
        if intent.change is not None and intent.change.failed is None:
            used |= {intent.change.config, intent.change.previous}
        kept: set[str] = set()
        for config in list(self._observer.configs(name)):
            if config.text in used or self._observer.serving(name, config.text) is None:
                kept.add(config.tail)
            else:
                self._models.remove(config.text)
        self._alarms.settle(name, kept)

    def invoke(self, name: str, body: bytes, content_type: str, accept: str) -> Answer:
        """Send a request as a client would; the version is that of the configuration which serves."""
        with explained(f"ask endpoint {name}"):
            try:
                found: Mapping[str, Any] = self._clients("sagemaker-runtime").invoke_endpoint(
                    EndpointName=name, Body=body, ContentType=content_type, Accept=accept
                )
                content: bytes = found["Body"].read()
            except ClientError as error:
                return self._failure(name, error)
        kind = str(found.get("ContentType", ""))
        return Answer(status=200, body=content, content_type=kind, version=self._answering(name))

    def start(self) -> None:
        """Do nothing: an endpoint runs from its first deployment on."""

    def is_running(self) -> bool:
        """Tell that it runs: SageMaker always does."""
        return True

    def is_stopped(self) -> bool:
        """Tell that nothing was stopped: that cannot be."""
        return False

    def stop(self) -> bool:
        """Refuse: an endpoint cannot be stopped."""
        raise RefusedError(
            "An endpoint of SageMaker cannot be stopped, and costs until it is deleted. `everfit destroy` deletes it."
        )

    def _claimed(self, name: str, fence: int) -> Intent:
        return self._intents.change(name, fence, lambda intent: intent)

    def _noted(self, name: str, is_done: object) -> bool:
        if not is_done:
            self._look_later(name)
        return bool(is_done)

    def _look_later(self, name: str) -> None:
        self._next_look[name] = time.monotonic() + self._interval

    def _failure(self, name: str, error: ClientError) -> Answer:
        told = refusal(error)
        status = STATUSES.get(told.code)
        if status is None:
            raise error
        if status == 400 and self._observer.endpoint(name) is None and self._intents.read(name).made:
            # It is known here, and no version of it serves yet.
            status = 503
        return Answer(status=status, body=told.said.encode(), content_type="text/plain", version=None)

    def _answering(self, name: str) -> int | None:
        observed = self._observer.endpoint(name)
        if observed is None or observed.pending is not None:
            # While traffic moves, the answer does not say which of the two fleets gave it.
            return None
        serving = self._observer.serving(name, observed.config)
        return None if serving is None else serving.version
