"""A stable name that answers, and what stands behind it."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedVersion:
    """What an endpoint needs to serve a version.

    Args:
        artifact: digest that is verified before the version is loaded.
        model: folder with the unpacked artifact.
        python: interpreter that its workers run in.
        script: the handlers, relative to ``model``/code; None means the default handlers.
        workers: processes.
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
    """

    name: str
    url: str
    weights: Mapping[int, float]
    staged: tuple[int, ...]
    artifacts: Mapping[int, str]
    fence: int


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
