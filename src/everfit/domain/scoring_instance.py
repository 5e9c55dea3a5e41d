"""On which instance a version is scored: what serves it, or what comes nearest among those that take jobs."""

from collections.abc import Mapping
from typing import Final

# Fewer types take processing jobs than endpoints (API reference: ProcessingClusterConfig and ProductionVariant,
# InstanceType).
_FAMILIES: Final[Mapping[str, str]] = {"t2": "t3", "m5d": "m5", "c5d": "c5"}
_NO_LARGE: Final = frozenset({"c4", "c5", "c6i"})


def scoring_instance(serving: str) -> str:
    """Return the type on which a processing job answers as an endpoint on *serving* does, as nearly as there is one."""
    prefix, _, rest = serving.partition(".")
    family, _, size = rest.partition(".")
    family = _FAMILIES.get(family, family)
    if family in _NO_LARGE and size == "large":
        size = "xlarge"
    return f"{prefix}.{family}.{size}"
