"""Autoscaling of an endpoint's variant: what the project declares, or what somebody had set up before."""

from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import code_of, explained

SERVICE: Final = "application-autoscaling"
NAMESPACE: Final = "sagemaker"
DIMENSION: Final = "sagemaker:variant:DesiredInstanceCount"
GONE: Final = "ObjectNotFoundException"
_SCALING_POLICY: Final = "TargetTrackingScaling"
Scaling = Mapping[str, Any]
"""``min``, ``max`` and ``policies``, each as PutScalingPolicy takes it; plain JSON, to be kept for a while."""


def declared(settings: Mapping[str, Any], endpoint: str) -> Scaling | None:
    """Return the scaling that ``serve.sagemaker.autoscale`` declares; None when it declares none."""
    autoscale: Mapping[str, Any] | None = settings.get("autoscale")
    if autoscale is None:
        return None
    tracking = {
        # Requests a minute and instance (Application Auto Scaling, predefined metrics of SageMaker).
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
        "TargetValue": float(autoscale.get("invocations_per_instance", 500)),
    }
    policy = {
        "PolicyName": f"{endpoint}-invocations",
        "PolicyType": _SCALING_POLICY,
        "TargetTrackingScalingPolicyConfiguration": tracking,
    }
    low = int(autoscale.get("min", settings.get("count", 1)))
    return {"min": low, "max": int(autoscale["max"]), "policies": [policy]}


class Autoscaling:
    """Scalable targets and their policies in one region."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def found(self, endpoint: str, variant: str) -> Scaling | None:
        """Return the scaling that is in force; None when there is none."""
        resource = _resource(endpoint, variant)
        with explained(f"look at the autoscaling of endpoint {endpoint}"):
            client = self._clients(SERVICE)
            targets = client.describe_scalable_targets(ServiceNamespace=NAMESPACE, ResourceIds=[resource])
            if not targets["ScalableTargets"]:
                return None
            policies = client.describe_scaling_policies(ServiceNamespace=NAMESPACE, ResourceId=resource)
        target = targets["ScalableTargets"][0]
        return {
            "min": int(target["MinCapacity"]),
            "max": int(target["MaxCapacity"]),
            "policies": [_settings(policy) for policy in policies["ScalingPolicies"]],
        }

    def put(self, endpoint: str, variant: str, scaling: Scaling) -> None:
        """Bring the scaling into force; what is in force already stays as it is."""
        resource = {
            "ServiceNamespace": NAMESPACE,
            "ResourceId": _resource(endpoint, variant),
            "ScalableDimension": DIMENSION,
        }
        with explained(f"scale endpoint {endpoint} from {scaling['min']} to {scaling['max']} instances"):
            client = self._clients(SERVICE)
            client.register_scalable_target(**resource, MinCapacity=scaling["min"], MaxCapacity=scaling["max"])
            for policy in scaling["policies"]:
                client.put_scaling_policy(**resource, **policy)

    def remove(self, endpoint: str, variant: str) -> None:
        """Take the scaling away; its policies go with it (API reference, DeregisterScalableTarget)."""
        with explained(f"stop scaling endpoint {endpoint} for a while"):
            try:
                self._clients(SERVICE).deregister_scalable_target(
                    ServiceNamespace=NAMESPACE, ResourceId=_resource(endpoint, variant), ScalableDimension=DIMENSION
                )
            except ClientError as error:
                if code_of(error) != GONE:
                    raise


def _resource(endpoint: str, variant: str) -> str:
    return f"endpoint/{endpoint}/variant/{variant}"


def _settings(policy: Mapping[str, Any]) -> dict[str, Any]:
    kept = (
        "PolicyName",
        "PolicyType",
        "TargetTrackingScalingPolicyConfiguration",
        "StepScalingPolicyConfiguration",
    )
    return {key: policy[key] for key in kept if policy.get(key)}
