"""One line of the permission table: actions, resources, why, and when it is needed."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from types import MappingProxyType
from typing import Final

Condition = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Operator -> condition key -> values."""
NO_CONDITION: Final[Condition] = MappingProxyType({})


class When(Enum):
    """What an environment uses, for the grants that only such a one needs."""

    ENDPOINT = "a SageMaker endpoint serves"
    FUNCTION = "a Lambda function serves"
    AUTOSCALING = "serve.sagemaker.autoscale is given"
    KEY = "aws.key is given"
    VPC = "aws.subnets is given"
    TOPIC = "aws.names.topic is given"
    ALERTS = "alerts go to SNS"
    PIPELINE = "aws.names.pipeline is given"
    LAST_TRAINED = "aws.last_trained is given"
    OWN_ROLE = "aws.role is not given"
    BOUNDARY = "aws.boundary is given"
    AUDIT = "aws.audit is true"
    GITHUB = "aws.github is given"


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """Actions that somebody may take on resources, and why.

    Args:
        resources: ARNs with placeholders such as ``{bucket}``.
        why: in words that go on "so that it can …".
        when: in which circumstances it is needed; None is always.
        wide: why the resource is ``*``.
    """

    actions: tuple[str, ...]
    resources: tuple[str, ...]
    why: str
    condition: Condition = field(default_factory=lambda: NO_CONDITION)
    when: When | None = None
    wide: str | None = None

    def filled(self, values: Mapping[str, str]) -> "Grant":
        """Return the grant with values for its placeholders; a value of several words is several resources."""
        condition = {
            operator: {
                _fill(key, values): tuple(_fill(each, values) for each in wanted) for key, wanted in keys.items()
            }
            for operator, keys in self.condition.items()
        }
        resources = tuple(one for each in self.resources for one in _fill(each, values).split())
        return replace(self, resources=resources, condition=MappingProxyType(condition))


def grant(
    *,
    calls: str,
    resources: tuple[str, ...],
    why: str,
    condition: Condition = NO_CONDITION,
    when: When | None = None,
    wide: str | None = None,
) -> Grant:
    """Return a grant whose calls are given in short: ``s3: GetObject PutObject``."""
    service, _, names = calls.partition(":")
    actions = tuple(f"{service}:{name}" for name in names.split())
    return Grant(actions=actions, resources=resources, why=why, condition=condition, when=when, wide=wide)


def _fill(template: str, values: Mapping[str, str]) -> str:
    return re.sub(r"(?<!\$)\{([a-z_]+)\}", lambda found: values[found[1]], template)
