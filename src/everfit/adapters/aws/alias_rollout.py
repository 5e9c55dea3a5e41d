"""Moves a function's alias to a version by the declared steps; the time of each is kept beside what is wanted."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, assert_never

from botocore.exceptions import ClientError

from everfit.adapters.aws.alarms import Alarms, Watched, drift_alarms, rollout_alarms, standing_alarms
from everfit.adapters.aws.alias_steps import AliasMove, Routing, next_alias_move, routing_at, routing_of, shown
from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.endpoint_config import Hosting
from everfit.adapters.aws.errors import code_of, explained
from everfit.adapters.aws.function_versions import CHANGED, CONFLICT, GONE
from everfit.adapters.aws.intent import Change, Intent, Intents
from everfit.adapters.aws.pace import Pace
from everfit.adapters.aws.topics import topic_arn
from everfit.domain.errors import BackendError, RunFailedError
from everfit.domain.rollout_plan import AT_ONCE, Rollout, traffic_steps
from everfit.domain.version import Release

ATTEMPTS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasWanted:
    """Where the alias shall lead.

    Args:
        change: as it is before it has begun.
    """

    change: Change
    release: Release
    rollout: Rollout

    def owns(self, change: Change | None) -> bool:
        """Tell whether the change was begun for exactly this."""
        wanted = (self.change.config, self.change.identity)
        return change is not None and (change.config, change.identity) == wanted


class AliasRollouts:
    """The rollouts of one environment's function."""

    def __init__(self, clients: Clients, hosting: Hosting, intents: Intents, alarms: Alarms, pace: Pace) -> None:
        self._clients = clients
        self._hosting = hosting
        self._intents = intents
        self._alarms = alarms
        self._pace = pace
        self._alias = hosting.environment.function.alias

    def routing(self, name: str) -> Routing | None:
        """Return what the alias routes; None when there is no alias or no function."""
        with explained(f"look at the alias {self._alias} of the function {name}"):
            try:
                return routing_of(self._clients("lambda").get_alias(FunctionName=name, Name=self._alias))
            except ClientError as error:
                if code_of(error) == GONE:
                    return None
                raise

    def advance(self, name: str, wanted: AliasWanted, fence: int) -> bool:
        """Take every step that can be taken now; True when the version has all of the traffic.

        Raises:
            RunFailedError: an alarm rang, or somebody else moved the alias.
        """
        for _ in range(ATTEMPTS):
            routing = self.routing(name)
            change = self._begun(name, wanted, routing, fence)
            if change is None:
                return True
            if routing is None:
                self._route(name, Routing(main=change.config), fence, is_new=True)
                continue
            is_done = self._one_step(name, wanted, change, routing, fence)
            if is_done is not None:
                return is_done
        raise BackendError(f"The function {name} does not come to rest. Try again.", retryable=True)

    def _one_step(self, name: str, wanted: AliasWanted, change: Change, routing: Routing, fence: int) -> bool | None:
        """Take one step; None when the next can follow at once."""
        # The first version has nothing to share the traffic with.
        rollout = AT_ONCE if change.previous is None else wanted.rollout
        steps = traffic_steps(rollout)
        baked = self._pace.now() - change.since >= rollout.bake.total_seconds()
        ringing = () if rollout == AT_ONCE else self._ringing(name, change)
        move = next_alias_move(routing, change, steps, baked=baked, is_ringing=bool(ringing))
        match move:
            case AliasMove.ROUTE:
                self._route(name, routing_at(change, steps), fence)
            case AliasMove.ADVANCE:
                self._note(name, replace(change, step=change.step + 1, since=0.0), fence)
            case AliasMove.BEGIN:
                self._note(name, replace(change, since=self._pace.now()), fence)
            case AliasMove.WAIT:
                return False
            case AliasMove.DONE:
                self._finish(name, wanted, fence)
                return True
            case AliasMove.BACK:
                self._take_back(name, change, ringing, fence)
            case AliasMove.STRANGE:
                self._give_up(name, change, routing, fence)
            case _:
                assert_never(move)
        return None

    def _begun(self, name: str, wanted: AliasWanted, routing: Routing | None, fence: int) -> Change | None:
        """Return the change, begun unless it was; None when all is as it should be already."""
        intent = self._intents.read(name)
        if wanted.owns(intent.change):
            return intent.change
        if intent.change is None and intent.good == wanted.change.config == _whole(routing):
            return None
        self._watch(name, wanted.change)
        # What it routes now may be half of a rollout that another has begun and left.
        begun = replace(
            wanted.change,
            previous=None if routing is None else routing.main,
            seen=None if routing is None else shown(routing),
        )
        return self._intents.change(name, fence, lambda before: before.with_change(begun)).change

    def _watch(self, name: str, change: Change) -> None:
        hosting, topic = self._hosting, topic_arn(self._hosting.place, self._hosting.role)
        watched = self._watched(name, change)
        whole = replace(watched, dimensions={key: watched.dimensions[key] for key in ("FunctionName", "Resource")})
        tail, tags = alarm_tail(change.version, change.config), hosting.place.all_tags
        back = rollout_alarms(watched, tail, hosting.environment, tags)
        watching = standing_alarms(whole, hosting.environment, hosting.place, topic)
        worse = drift_alarms(name, hosting.project, hosting.environment, hosting.place, topic)
        self._alarms.put([*back, *watching, *worse])

    def _watched(self, name: str, change: Change) -> Watched:
        # The metrics of an alias that routes to two versions are told apart by ExecutedVersion (Lambda Developer
        # Guide, "CloudWatch metrics", dimensions).
        dimensions = {"FunctionName": name, "Resource": f"{name}:{self._alias}", "ExecutedVersion": change.config}
        return Watched(endpoint=name, dimensions=dimensions, is_function=True)

    def _ringing(self, name: str, change: Change) -> list[str]:
        """Return the alarms of the deployment that speak against it; a missing one does too: nothing watches then."""
        watched, tail = self._watched(name, change), alarm_tail(change.version, change.config)
        names = [str(each["AlarmName"]) for each in rollout_alarms(watched, tail, self._hosting.environment, {})]
        states = self._alarms.states(names)
        missing = [f"{alarm} is missing" for alarm in names if alarm not in states]
        return [*missing, *(f"{alarm} rings" for alarm, state in sorted(states.items()) if state == "ALARM")]

    def _note(self, name: str, change: Change, fence: int) -> None:
        self._intents.change(name, fence, lambda before: before.with_change(change))

    def _route(self, name: str, routing: Routing, fence: int, *, is_new: bool = False) -> None:
        """Set the alias; what somebody else did to it meanwhile is seen by the next look."""
        self._intents.check(name, fence)
        client = self._clients("lambda")
        request: dict[str, Any] = {
            "FunctionName": name,
            "Name": self._alias,
            "FunctionVersion": routing.main,
            "RoutingConfig": {"AdditionalVersionWeights": dict(routing.others)},
        }
        with explained(f"move the alias {self._alias} of the function {name}"):
            try:
                if is_new:
                    client.create_alias(**request)
                    return
                found = client.get_alias(FunctionName=name, Name=self._alias)
                client.update_alias(**request, RevisionId=found["RevisionId"])
            except ClientError as error:
                if code_of(error) not in (CHANGED, CONFLICT):
                    raise

    def _take_back(self, name: str, change: Change, ringing: Sequence[str], fence: int) -> None:
        """Write down why, bring the alias back, and tell."""
        reason = change.failed or f"the alarm {', '.join(ringing)}"

        def failed(before: Intent) -> Intent:
            return before.with_change(replace(change, failed=reason)).without(change.version)

        self._intents.change(name, fence, failed)
        if change.previous is not None:
            back = Routing(main=change.previous)
            for _ in range(ATTEMPTS):
                if self.routing(name) == back:
                    break
                self._route(name, back, fence)
        raise RunFailedError(f"Version {change.version} was taken back on {name}: {reason}. What served before serves.")

    def _give_up(self, name: str, change: Change, routing: Routing, fence: int) -> None:
        self._intents.change(name, fence, lambda before: before.with_change(None))
        raise RunFailedError(
            f"Version {change.version} is not brought in on {name}: somebody else moved the alias {self._alias} to "
            f"version {routing.main} of the function meanwhile. It was left so."
        )

    def _finish(self, name: str, wanted: AliasWanted, fence: int) -> None:
        def served(before: Intent) -> Intent:
            desired = before.desired.with_weights({wanted.change.version: 1.0}, [wanted.release])
            return replace(before, desired=desired, good=wanted.change.config, change=None)

        self._intents.change(name, fence, served)


def _whole(routing: Routing | None) -> str | None:
    """Return the function's version that has all of the traffic."""
    return None if routing is None or routing.others else routing.main


def alarm_tail(version: int, number: str) -> str:
    """Return what names the alarms of one deployment."""
    return f"v{version}-{number}"
