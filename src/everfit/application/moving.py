"""A version on its way to the traffic, and what is done to the endpoint on that way."""

from dataclasses import dataclass, replace
from datetime import datetime

from everfit.application.owed import made_ready, put_back
from everfit.application.ports import Claim, Ports, Rollouts, Traffic
from everfit.application.serving import sample_of, served_version
from everfit.application.step import Context
from everfit.domain.errors import EverfitError, FencedError, RunFailedError, StateError
from everfit.domain.rollout import Progress, Shares, Verdict
from everfit.domain.version import Release, Version, last_good, release


@dataclass(frozen=True, slots=True, kw_only=True)
class Moving:
    """A version on its way to the traffic of an endpoint whose versions take it side by side."""

    context: Context
    version: Version
    proof: Release
    champion: int | None
    traffic: Traffic
    rollouts: Rollouts

    @property
    def name(self) -> str:
        """The endpoint's."""
        return self.context.environment.endpoint

    @property
    def claim(self) -> Claim:
        """Under which everything is changed."""
        return self.context.claim

    @property
    def ports(self) -> Ports:
        """What is needed of the outside."""
        return self.context.ports

    @property
    def now(self) -> datetime:
        """The time."""
        return self.context.ports.clock.now()

    def proof_of(self, number: int) -> Release:
        """Return the proof that the version may have traffic there."""
        model, place = self.context.run.model, self.context.environment.name
        return release(self.ports.registry.version(model, number), self.ports.registry.placement(model, place, number))

    def last_good(self, champion: int) -> int | None:
        """Return the version to go back to from the champion."""
        return last_good(self.ports.registry.history(self.context.run.model, self.context.environment.name), champion)


def moving_of(context: Context, version: Version, proof: Release, champion: int | None) -> Moving | None:
    """Return the version on its way; None where the platform moves traffic by itself."""
    traffic, rollouts = context.ports.traffic, context.ports.rollouts
    if traffic is None or rollouts is None:
        return None
    return Moving(context=context, version=version, proof=proof, champion=champion, traffic=traffic, rollouts=rollouts)


def staged(moving: Moving) -> None:
    """Load the version beside what serves, and name what serves as the way back."""
    context, endpoints, champion = moving.context, moving.ports.endpoints, moving.champion
    folder = moving.ports.artifacts.unpacked(moving.version.artifact)
    model = served_version(moving.version, folder, context.project, sample_of(context.results))
    endpoints.stage(moving.name, model, fence=moving.claim.fence)
    state = endpoints.describe(moving.name)
    if champion is None or state is None or state.weights != {champion: 1.0}:
        return
    good = moving.last_good(champion)
    keep = [champion, moving.version.number] if good is None else [champion, moving.version.number, good]
    endpoints.settle(moving.name, keep, fence=moving.claim.fence, back=good)


def split(moving: Moving, shares: Shares) -> None:
    """Give the shares; versions that the host does not hold any more are loaded for that."""
    others = sorted({*shares.weights, *shares.shadows} - {moving.version.number})
    proofs = [moving.proof, *(moving.proof_of(number) for number in others)]
    fence = moving.claim.fence
    try:
        moving.traffic.split(moving.name, shares.weights, proofs, shadows=shares.shadows, fence=fence)
    except RunFailedError:
        # The host's state may have been put back to an earlier one, or be gone.
        staged(moving)
        for number in others:
            model, _ = made_ready(number, moving.context.environment, moving.context.workspace, moving.ports)
            moving.ports.endpoints.stage(moving.name, model, fence=fence)
        moving.traffic.split(moving.name, shares.weights, proofs, shadows=shares.shadows, fence=fence)


def given_back(moving: Moving, champion: int) -> None:
    """Give the champion all the traffic: at once where it is loaded, else as soon as it is."""
    try:
        moving.traffic.split(moving.name, {champion: 1.0}, [moving.proof_of(champion)], fence=moving.claim.fence)
    except (FencedError, StateError):
        raise
    except EverfitError:
        put_back(moving.claim, champion, moving.context.environment, moving.context.workspace, moving.ports)


def kept(moving: Moving, before: Progress, after: Progress) -> Progress:
    """Write down what has changed; a step that is only held again is not worth a write."""
    if _settled(before) != _settled(after):
        moving.rollouts.keep(moving.claim, after)
    return after


def _settled(progress: Progress) -> Progress:
    return replace(progress, decisions=tuple(each for each in progress.decisions if each.verdict is not Verdict.HOLD))
