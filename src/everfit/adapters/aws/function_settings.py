"""What a function is given for a version of the model; pure."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from everfit.adapters.aws.endpoint_config import Hosting
from everfit.domain.endpoint import ServedVersion
from everfit.domain.errors import RefusedError

# Ephemeral storage in MB (Lambda Developer Guide, "Lambda quotas").
LEAST_STORAGE: Final = 512
MOST_STORAGE: Final = 10_240


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A version of the model and where its bytes are.

    Args:
        size: of the archive, in bytes.
    """

    version: ServedVersion
    url: str
    size: int


OWN_VARIABLES: Final = ("MODEL_SCRIPT",)
"""Those that not every version has, so that one of the version before must go."""


def variables(model: Model) -> dict[str, str]:
    """Return the variables that say which model a function serves."""
    version = model.version
    found = {
        "MODEL_URL": model.url,
        "MODEL_DIGEST": version.artifact,
        "MODEL_VERSION": str(version.version),
        "MODEL_NAME": version.model_name,
    }
    return found if version.script is None else {**found, "MODEL_SCRIPT": version.script}


def storage(model: Model) -> int:
    """Return the space below /tmp in MB for an archive and what is in it, or raise ``RefusedError``."""
    needed = math.ceil(model.size * 3 / 1e6) + 64
    if needed > MOST_STORAGE:
        raise RefusedError(
            f"Version {model.version.version} is too large for a Lambda function, which has {MOST_STORAGE} MB. Use "
            "hosting: endpoint."
        )
    return max(needed, LEAST_STORAGE)


def description(model: Model, configuration: Mapping[str, Any]) -> str:
    """Return what a published version is known by: the model's version, and a digest of everything that it is."""
    kept = ("CodeSha256", "Environment", "Handler", "Layers", "MemorySize", "Role", "Runtime", "Timeout")
    settings = json.dumps({key: configuration.get(key) for key in kept}, sort_keys=True, default=str)
    return f"everfit v{model.version.version} {hashlib.sha256(settings.encode()).hexdigest()[:8]}"


def seconds(hosting: Hosting) -> int:
    """Return the longest time of a request."""
    # A function runs for 15 minutes at most (Lambda Developer Guide, "Lambda quotas").
    return min(900, max(1, math.ceil(hosting.environment.function.timeout.total_seconds())))
