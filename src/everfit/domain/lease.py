"""The lease: who may change what a model and environment has, and when it may be taken from them."""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A holder's right, until it runs out or somebody takes it over.

    Args:
        owner: None when it was given back.
        fence: how often it was taken; kept when it is given back, so it only grows.
        since: when the owner took it.
        renewed: when the owner was last heard of.
    """

    owner: str | None
    fence: int
    run: str | None
    since: datetime
    renewed: datetime
    expires: datetime


def is_free(lease: Lease, now: datetime) -> bool:
    """Return whether nobody has a right any more; that an owner is dead is for the asker to find out."""
    return lease.owner is None or now >= lease.expires


def is_reserved(lease: Lease, owner: str, run: str | None) -> bool:
    """Return whether the owner holds it for that run; only the first claim of a run may ask."""
    return lease.owner == owner and run is not None and lease.run == run


def taken(before: Lease | None, owner: str, run: str | None, now: datetime, length: timedelta) -> Lease:
    """Return the lease as its next owner has it, with the next fence."""
    fence = 1 if before is None else before.fence + 1
    return Lease(owner=owner, fence=fence, run=run, since=now, renewed=now, expires=now + length)


def renewed(lease: Lease, now: datetime, length: timedelta) -> Lease:
    """Return the lease prolonged."""
    return replace(lease, renewed=now, expires=now + length)


def given_back(lease: Lease, beyond: int = 0) -> Lease:
    """Return the lease without an owner; the next one's fence is higher than *beyond*, too."""
    return replace(lease, owner=None, run=None, fence=max(lease.fence, beyond))


def rebased(lease: Lease, now: datetime) -> Lease:
    """Return the lease by a clock that has jumped back: it starts over, so that it neither ends early nor never."""
    if lease.renewed <= now:
        return lease
    return renewed(lease, now, lease.expires - lease.renewed)


def busy_message(lease: Lease, holder: str, model: str, environment: str) -> str:
    """Return who is at work, since when, on what, and what to do about it."""
    work = "changing it by hand" if lease.run is None else f"at work in run {lease.run}"
    return (
        f"{model} in {environment} is taken: {holder} has been {work} since {lease.since:%Y-%m-%d %H:%M:%S} UTC. "
        "Wait until it has ended, or end that process; `everfit run --resume` then goes on with its run."
    )


def lost_message(lease: Lease | None, fence: int, model: str, environment: str) -> str:
    """Return that a claim is lost, and to what."""
    now = "nobody holds it" if lease is None or lease.owner is None else f"fence {lease.fence} holds it now"
    return (
        f"This worker has lost {model} in {environment}: its fence is {fence}, {now}. Nothing was written; "
        "whoever took over goes on from the journal."
    )
