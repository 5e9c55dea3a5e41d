"""What the inside needs of the outside: one small protocol each, one contract suite for every adapter."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from everfit.application.ports.artifacts import Artifact, Artifacts
from everfit.application.ports.catalog import Catalog
from everfit.application.ports.channels import Channels, Letter
from everfit.application.ports.claim import Claim
from everfit.application.ports.clock import Clock, Ids
from everfit.application.ports.code import Code, FrozenCode
from everfit.application.ports.data_source import DataSource
from everfit.application.ports.endpoints import Endpoints
from everfit.application.ports.heart import Heart
from everfit.application.ports.inbox import Inbox, Mark
from everfit.application.ports.jobs import Jobs
from everfit.application.ports.machine import Machine
from everfit.application.ports.outbox import Outbox
from everfit.application.ports.progress import Progress
from everfit.application.ports.registry import Registry
from everfit.application.ports.rollouts import Rollouts
from everfit.application.ports.run_store import RunStore
from everfit.application.ports.source import Source
from everfit.application.ports.traffic import Traffic
from everfit.domain.project import Backend

__all__ = [
    "Artifact",
    "Artifacts",
    "Catalog",
    "Channels",
    "Claim",
    "Clock",
    "Code",
    "DataSource",
    "Endpoints",
    "FrozenCode",
    "Heart",
    "Ids",
    "Inbox",
    "Jobs",
    "Letter",
    "Machine",
    "Mark",
    "Outbox",
    "Ports",
    "Progress",
    "Registry",
    "Rollouts",
    "RunStore",
    "Source",
    "Traffic",
]


def never() -> bool:
    """Tell that nobody asks this process to leave."""
    return False


def at_once(time: timedelta) -> None:
    """Let no time pass."""
    del time


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Everything that the application needs of the outside, chosen by bootstrap.

    Args:
        url: address under which people reach the service; None means that nobody has said.
        backend: whose environments these adapters work for.
        traffic: None where the platform moves traffic by itself.
        rollouts: what is kept of the rollouts that are decided here; None where ``traffic`` is.
        leaving: whether this process is to end soon: work of its own is left at the next safe point.
        rest: lets that much time pass, or less when this process is to end soon.
    """

    clock: Clock
    ids: Ids
    data: DataSource
    code: Code
    jobs: Jobs
    artifacts: Artifacts
    store: RunStore
    inbox: Inbox
    outbox: Outbox
    channels: Channels
    registry: Registry
    endpoints: Endpoints
    machine: Machine
    heart: Heart
    progress: Progress
    owner: str
    url: str | None = None
    backend: Backend = Backend.LOCAL
    traffic: Traffic | None = None
    rollouts: Rollouts | None = None
    leaving: Callable[[], bool] = never
    rest: Callable[[timedelta], None] = at_once
