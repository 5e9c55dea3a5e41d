"""Decides how a function's alias moves its traffic, step by step, from what it routes now; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Any

from everfit.adapters.aws.documents import below
from everfit.adapters.aws.intent import Change


@dataclass(frozen=True, slots=True, kw_only=True)
class Routing:
    """What an alias routes.

    Args:
        main: the function's version that gets what no other gets.
        others: function's version -> share.
    """

    main: str
    others: Mapping[str, float] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def shares(self) -> dict[str, float]:
        """The share of each of the function's versions; they sum to 1."""
        rest = 1.0 - sum(self.others.values())
        found = {self.main: rest, **self.others}
        return {version: round(share, 6) for version, share in found.items() if share > 0}


def routing_of(alias: Mapping[str, Any]) -> Routing:
    """Return what GetAlias describes."""
    weights = below(below(alias, "RoutingConfig"), "AdditionalVersionWeights")
    others = {str(version): float(share) for version, share in weights.items() if share > 0}
    return Routing(main=str(alias["FunctionVersion"]), others=others)


def shown(routing: Routing) -> str:
    """Return the shares as text, to be told from others later."""
    return ", ".join(f"{version}: {share}" for version, share in sorted(routing.shares.items()))


def routing_at(change: Change, steps: Sequence[float]) -> Routing:
    """Return what the alias routes at the change's step."""
    share = steps[change.step]
    if share >= 1 or change.previous is None:
        return Routing(main=change.config)
    return Routing(main=change.previous, others={change.config: share})


class AliasMove(Enum):
    """What to do next."""

    ROUTE = "route"
    BEGIN = "begin"
    WAIT = "wait"
    ADVANCE = "advance"
    BACK = "back"
    DONE = "done"
    STRANGE = "strange"


def next_alias_move(
    routing: Routing, change: Change, steps: Sequence[float], *, baked: bool, is_ringing: bool
) -> AliasMove:
    """Return what brings the change's version to all of the traffic.

    Args:
        steps: shares of the new version, rising to 1.
        baked: whether the step has lasted as long as it should.
        is_ringing: whether an alarm of the deployment rings.
    """
    wanted = routing_at(change, steps)
    if change.failed is not None:
        return AliasMove.BACK
    if routing != wanted:
        earlier = [routing_at(replace(change, step=step), steps) for step in range(change.step)]
        # Whatever else it routes is somebody else's doing, and is not taken away in the middle of a rollout.
        is_own = routing in earlier or shown(routing) == change.seen
        return AliasMove.ROUTE if is_own else AliasMove.STRANGE
    if is_ringing:
        return AliasMove.BACK
    if change.since == 0.0:
        return AliasMove.BEGIN
    if not baked:
        return AliasMove.WAIT
    return AliasMove.DONE if change.step == len(steps) - 1 else AliasMove.ADVANCE
