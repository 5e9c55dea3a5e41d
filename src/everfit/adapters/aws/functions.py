"""A Lambda function that serves: a version is a published version of the function, and traffic moves by its alias."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from botocore.exceptions import ClientError

from everfit.adapters.aws.alarms import Alarms
from everfit.adapters.aws.alias_rollout import AliasRollouts, AliasWanted, alarm_tail
from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.endpoint_config import Hosting
from everfit.adapters.aws.errors import code_of, explained
from everfit.adapters.aws.function_requests import answer_of, http_event, sample_event
from everfit.adapters.aws.function_settings import Model
from everfit.adapters.aws.function_versions import GONE, FunctionVersions
from everfit.adapters.aws.intent import Change, Intent, Intents
from everfit.adapters.aws.models import PublishedModels
from everfit.adapters.aws.pace import USUAL_PACE, Pace
from everfit.domain.aws import AwsPlace
from everfit.domain.endpoint import Answer, EndpointState, ServedVersion
from everfit.domain.errors import RefusedError, RunFailedError
from everfit.domain.project import Environment, Project
from everfit.domain.rollout_plan import AT_ONCE, rollout_of
from everfit.domain.version import Release


class FunctionEndpoints:
    """The function of one environment.

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
        self._models = PublishedModels(clients, place)
        self._versions = FunctionVersions(clients, self._hosting, pace)
        self._alarms = Alarms(clients)
        self._alias = environment.function.alias
        self._rollouts = AliasRollouts(clients, self._hosting, self._intents, self._alarms, pace)
        self._pace = pace
        self._next_look: dict[str, float] = {}

    def describe(self, name: str) -> EndpointState | None:
        """Return what the alias really routes; None before the first deployment, and when somebody deleted it."""
        intent, routing = self._intents.read(name), self._rollouts.routing(name)
        published = {each.number: each for each in self._versions.published(name)}
        staged = {each.version: each.artifact for each in published.values() if each.number in intent.made.values()}
        if routing is None and (intent.good is not None or not staged):
            return None
        weights: dict[int, float] = {}
        for number, share in ({} if routing is None else routing.shares).items():
            if number in published:
                found = published[number]
                weights[found.version] = weights.get(found.version, 0.0) + share
                staged[found.version] = found.artifact
        return EndpointState(
            name=name,
            url=f"{self._clients('lambda').meta.endpoint_url}/2015-03-31/functions/{name}:{self._alias}/invocations",
            weights=weights,
            staged=tuple(sorted(staged)),
            artifacts=staged,
            fence=intent.desired.fence,
        )

    def stage(self, name: str, version: ServedVersion, *, fence: int) -> None:
        """Publish a version of the function for it, and have that answer the sample; no traffic moves."""
        intent = self._claimed(name, fence)
        intent.desired.with_version(version)
        made, change = intent.made.get(version.version), intent.change
        if made is not None and change is not None and (change.config, change.failed) == (made, None):
            # It is being brought in: it was published and asked before that began.
            return
        url = self._models.publish(version)
        model = Model(version=version, url=url, size=self._models.size(url))
        with explained(f"publish version {version.version} as a version of the function {name}"):
            number = self._versions.publish(name, model, lambda: self._intents.check(name, fence))
        self._ask_sample(name, number, version)

        def staged(before: Intent) -> Intent:
            desired = before.desired.with_version(version)
            return replace(before, desired=desired, made={**before.made, version.version: number})

        self._intents.change(name, fence, staged)

    def shift(self, name: str, weights: Mapping[int, float], releases: Sequence[Release], *, fence: int) -> bool:
        """Move the alias by the declared steps; False while one of them bakes."""
        intent = self._claimed(name, fence)
        desired = intent.desired.with_weights(weights, releases)
        if len(desired.weights) != 1:
            raise RefusedError(f"The function {name} goes to one version at a time; its steps are those of rollout.")
        number = next(iter(desired.weights))
        proof = desired.releases[number]
        wanted = Change(config=intent.made[number], version=number, identity=f"{proof.environment} {proof.verdict}")
        rollout = rollout_of(self._hosting.environment.rollout)
        return self._advance(name, AliasWanted(change=wanted, release=proof, rollout=rollout), fence)

    def restore(self, name: str, version: ServedVersion, release: Release, *, fence: int) -> bool:
        """Go back all at once, with no alarm in the way."""
        whole = {version.version: 1.0}
        self._intents.read(name).desired.claimed(fence).with_version(version).with_weights(whole, [release])
        self.stage(name, version, fence=fence)
        made = self._intents.read(name).made[version.version]
        wanted = Change(config=made, version=version.version, identity=f"restore {fence}")
        return self._advance(name, AliasWanted(change=wanted, release=release, rollout=AT_ONCE), fence)

    def wait(self, name: str, patience: timedelta) -> bool:
        """Wait until the next step of a rollout can be looked at."""
        end = time.monotonic() + patience.total_seconds()
        due = self._next_look.get(name, 0.0)
        time.sleep(max(0.0, min(due, end) - time.monotonic()))
        return due <= end

    def settle(self, name: str, keep: Sequence[int], *, fence: int, back: int | None = None) -> None:
        """Delete published versions that are neither kept nor routed to; Lambda itself refuses one in use."""
        del back

        def only(before: Intent) -> Intent:
            desired = before.desired.with_only(keep)
            made = {number: each for number, each in before.made.items() if number in desired.versions}
            return replace(before, desired=desired, made=made)

        intent = self._intents.change(name, fence, only)
        used = {*intent.made.values(), intent.good}
        if intent.change is not None:
            used |= {intent.change.config, intent.change.previous}
        kept: set[str] = set()
        for each in list(self._versions.published(name)):
            # DeleteFunction refuses a version that an alias routes to (API reference): also one of the user's own.
            if each.number in used or not self._versions.delete(name, each.number):
                kept.add(alarm_tail(each.version, each.number))
        self._alarms.settle(name, kept)

    def invoke(self, name: str, body: bytes, content_type: str, accept: str) -> Answer:
        """Send a request as a client over HTTP does."""
        with explained(f"ask the function {name}"):
            try:
                return self._asked(name, self._alias, http_event(body, content_type, accept))
            except ClientError as error:
                if code_of(error) != GONE:
                    raise
        status = 503 if self._intents.read(name).made else 400
        words = f"The function {name} has no version that serves.".encode()
        return Answer(status=status, body=words, content_type="text/plain", version=None)

    def start(self) -> None:
        """Do nothing: a function starts when it is asked."""

    def is_running(self) -> bool:
        """Tell that it runs: Lambda always does."""
        return True

    def is_stopped(self) -> bool:
        """Tell that nothing was stopped: that cannot be."""
        return False

    def stop(self) -> bool:
        """Refuse: a function that nobody asks costs nothing."""
        raise RefusedError("A Lambda function that nobody asks costs nothing, and cannot be stopped.")

    def _claimed(self, name: str, fence: int) -> Intent:
        return self._intents.change(name, fence, lambda intent: intent)

    def _advance(self, name: str, wanted: AliasWanted, fence: int) -> bool:
        is_done = self._rollouts.advance(name, wanted, fence)
        if not is_done:
            pause = min(self._pace.interval, wanted.rollout.bake)
            self._next_look[name] = time.monotonic() + pause.total_seconds()
        return is_done

    def _ask_sample(self, name: str, number: str, version: ServedVersion) -> None:
        with explained(f"ask version {version.version} of the function {name} for its sample"):
            answer = self._asked(name, number, sample_event(version.sample))
        if answer.status < 400:
            return
        self._versions.delete(name, number)
        raise RunFailedError(
            f"Version {version.version} of {version.model_name} cannot serve on {name}: "
            f"{answer.body.decode(errors='replace')} Nothing was shifted."
        )

    def _asked(self, name: str, qualifier: str, event: bytes) -> Answer:
        response: Mapping[str, Any] = self._clients("lambda").invoke(
            FunctionName=name, Qualifier=qualifier, Payload=event
        )
        return answer_of(response, response["Payload"].read())
