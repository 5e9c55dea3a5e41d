"""Names of what an endpoint is made of: the same version with the same settings always has the same name."""

import hashlib
import json
import re
from dataclasses import dataclass
from typing import Any, Final

LONGEST: Final = 63
"""Characters of a model's, configuration's and endpoint's name (API reference, CreateEndpointConfig)."""
# With -v99999- and eight digits behind it, a stem of 47 characters fits.
_STEM: Final = 47
_KEPT: Final = 40
"""Characters of a long endpoint's name that every name begins with; the permissions are bounded by them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigName:
    """The parts of a configuration's name.

    Args:
        version: that it gives the traffic to.
        tail: what stands behind the endpoint's part of the name.
    """

    text: str
    version: int
    tail: str


def stem(endpoint: str) -> str:
    """Return what the name of everything of the endpoint begins with."""
    if len(endpoint) <= _STEM:
        return endpoint
    return f"{endpoint[:_KEPT]}-{hashlib.sha256(endpoint.encode()).hexdigest()[:6]}"


def config_name(endpoint: str, version: int, settings: object, *, shadow: int | None = None) -> str:
    """Return the name of the configuration, and of its model, that gives the traffic to *version*.

    Args:
        settings: everything else that the configuration says, as plain JSON.
        shadow: the version that gets a copy of each request.
    """
    content = json.dumps(settings, sort_keys=True, default=str)
    digest = hashlib.sha256(f"{content} {shadow}".encode()).hexdigest()[:8]
    return f"{stem(endpoint)}-v{version}-{digest}"


def parsed(endpoint: str, name: str) -> ConfigName | None:
    """Return the parts of a name that ``config_name`` made for the endpoint; None for any other."""
    match = re.fullmatch(rf"{re.escape(stem(endpoint))}-(v([0-9]+)-[0-9a-f]{{8}})", name)
    return None if match is None else ConfigName(text=name, version=int(match[2]), tail=match[1])


def tag_list(tags: dict[str, str]) -> list[dict[str, Any]]:
    """Return tags as SageMaker takes them."""
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
