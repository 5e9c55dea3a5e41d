"""A stable name that answers, and what stands behind it."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field

from everfit.domain.live import Moved


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """How an endpoint on this machine serves a version.

    Args:
        most_workers: processes under load; ``ServedVersion.workers`` are kept without any.
        batch: most requests that are put into one call of the model; 1 never joins any.
        gather: seconds that requests may wait for others to join them while more are on their way; a lone one never
            waits.
        memory: bytes that one process may hold before another takes its place; None is no limit.
        timeout: seconds for an answer; the process is replaced when it takes longer.
        queue: most requests that may wait; more are turned away at once.
        capture: share of the requests that is kept.
        keep: seconds that they are kept for.
        keep_most: bytes that they may take; the oldest go first.
    """

    most_workers: int = 1
    batch: int = 64
    gather: float = 0.002
    memory: int | None = None
    timeout: float = 60.0
    queue: int = 1000
    capture: float = 0.0
    keep: float = 30 * 24 * 3600.0
    keep_most: int = 10 * 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedVersion:
    """What an endpoint needs to serve a version.

    Args:
        artifact: digest that is verified before the version is loaded.
        model: folder with the unpacked artifact.
        python: interpreter that its workers run in.
        script: the handlers, relative to ``model``/code; None means the default handlers.
        workers: processes that are always kept.
        sample: a request that the version must answer before it may take traffic; None when there is none.
    """

    model_name: str
    version: int
    artifact: str
    model: str
    python: str
    script: str | None = None
    workers: int = 1
    sample: "SampleRequest | None" = None
    service: Service = field(default_factory=Service)


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleRequest:
    """A request as a client would make it.

    Args:
        is_base64: whether ``body`` is bytes in base 64, such as an image, and no text.
    """

    body: str
    content_type: str
    accept: str = "application/json"
    is_base64: bool = False

    @property
    def content(self) -> bytes:
        """The bytes that are sent."""
        return base64.b64decode(self.body) if self.is_base64 else self.body.encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointState:
    """What an endpoint really serves, as it reports it itself.

    Args:
        weights: version -> share of the traffic; the shares sum to 1, or the mapping is empty before the first
            deployment.
        staged: versions that are loaded and have answered their sample.
        artifacts: version -> digest of what is loaded.
        fence: the highest fencing token that has changed it.
        moved: what was moved without the control plane and is to be written down; None when nothing was.
    """

    name: str
    url: str
    weights: Mapping[int, float]
    staged: tuple[int, ...]
    artifacts: Mapping[int, str]
    fence: int
    moved: Moved | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an endpoint answered.

    Args:
        status: HTTP status.
        version: the version that answered; None when none did.
    """

    status: int
    body: bytes
    content_type: str
    version: int | None
