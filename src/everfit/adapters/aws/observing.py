"""Looks at endpoints of SageMaker: what they are doing, and which version their configuration gives the traffic to."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.documents import below, first
from everfit.adapters.aws.endpoint_config import ARTIFACT_TAG, ENDPOINT_TAG, VERSION_TAG
from everfit.adapters.aws.endpoint_names import ConfigName, parsed, stem
from everfit.adapters.aws.errors import explained
from everfit.adapters.aws.models import StagedModels, is_missing
from everfit.adapters.aws.rollout import Observed


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A version that a configuration gives the traffic to."""

    version: int
    artifact: str


class Observer:
    """Looks at the endpoints of one region."""

    def __init__(self, clients: Clients, models: StagedModels) -> None:
        self._clients = clients
        self._models = models
        # A configuration never changes (API reference, UpdateEndpoint: an update needs a new one).
        self._known: dict[str, Serving | None] = {}

    def endpoint(self, name: str) -> Observed | None:
        """Return what the endpoint says of itself; None when there is none."""
        with explained(f"look at endpoint {name}"):
            try:
                found: Mapping[str, Any] = self._clients("sagemaker").describe_endpoint(EndpointName=name)
            except ClientError as error:
                if is_missing(error):
                    return None
                raise
        variant = first(found, "ProductionVariants")
        pending = below(found, "PendingDeploymentSummary")
        return Observed(
            arn=str(found["EndpointArn"]),
            status=str(found["EndpointStatus"]),
            config=str(found["EndpointConfigName"]),
            variant=str(variant.get("VariantName", "")),
            pending=pending.get("EndpointConfigName"),
            modified=found["LastModifiedTime"].isoformat(),
            reason=found.get("FailureReason"),
        )

    def serving(self, endpoint: str, config: str) -> Serving | None:
        """Return the version that the configuration gives the traffic to; None when it is not one of Everfit's."""
        if config not in self._known:
            found = self._models.config(config)
            self._known[config] = None if found is None else _serving(endpoint, self._models.tags(_arn(found)))
        return self._known[config]

    def configs(self, endpoint: str) -> Iterator[ConfigName]:
        """Yield the configurations that were made for the endpoint."""
        with explained(f"list the configurations of endpoint {endpoint}"):
            pages = self._clients("sagemaker").get_paginator("list_endpoint_configs")
            for page in pages.paginate(NameContains=stem(endpoint)):
                for each in page["EndpointConfigs"]:
                    name = parsed(endpoint, str(each["EndpointConfigName"]))
                    if name is not None:
                        yield name


def _arn(found: Mapping[str, Any]) -> str:
    return str(found["EndpointConfigArn"])


def _serving(endpoint: str, tags: Mapping[str, str]) -> Serving | None:
    if tags.get(ENDPOINT_TAG) != endpoint or VERSION_TAG not in tags:
        return None
    return Serving(version=int(tags[VERSION_TAG]), artifact=tags.get(ARTIFACT_TAG, ""))
