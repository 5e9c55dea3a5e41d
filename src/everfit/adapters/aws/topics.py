"""The topic that an environment's alarms tell."""

from everfit.domain.aws import AwsPlace


def topic_arn(place: AwsPlace, role: str) -> str | None:
    """Return the ARN of the topic that the stack makes; None when it makes none.

    Args:
        role: ARN of a role of the same account and partition.
    """
    if place.names.topic is None:
        return None
    _, partition, _, _, account, _ = role.split(":", 5)
    return f"arn:{partition}:sns:{place.region}:{place.account or account}:{place.names.topic}"
