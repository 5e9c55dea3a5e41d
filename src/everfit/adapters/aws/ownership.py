"""Tells whose an endpoint of SageMaker is, and whether one that was made by hand can be taken over."""

from collections.abc import Mapping, Sequence
from typing import Any

from everfit.adapters.aws.endpoint_config import ENVIRONMENT_TAG, MODEL_TAG, Hosting
from everfit.adapters.aws.models import StagedModels
from everfit.adapters.aws.observing import Observer
from everfit.adapters.aws.rollout import Observed
from everfit.domain.errors import RefusedError


class Ownership:
    """What one environment may change."""

    def __init__(self, hosting: Hosting, models: StagedModels, observer: Observer) -> None:
        self._hosting = hosting
        self._models = models
        self._observer = observer

    def check(self, name: str, observed: Observed) -> None:
        """Raise ``RefusedError`` for an endpoint that is another environment's, or that cannot be taken over."""
        tags, own = self._models.tags(observed.arn), self._hosting.place.all_tags
        for tag in (MODEL_TAG, ENVIRONMENT_TAG):
            if tags.get(tag, own[tag]) != own[tag]:
                raise RefusedError(
                    f"Endpoint {name} belongs to {tags.get(MODEL_TAG)} in {tags.get(ENVIRONMENT_TAG)}. Give this "
                    "environment another endpoint."
                )
        if self._observer.serving(name, observed.config) is not None:
            return
        config = self._models.config(observed.config)
        reason = None if config is None else obstacle(config)
        if reason is not None:
            raise RefusedError(
                f"Endpoint {name} was made by hand, and Everfit cannot take it over: {reason}. Give this environment "
                "another endpoint."
            )


def obstacle(config: Mapping[str, Any]) -> str | None:
    """Return why an endpoint with that configuration cannot be taken over."""
    variants: Sequence[Mapping[str, Any]] = config["ProductionVariants"]
    if len(variants) != 1:
        return f"it has {len(variants)} variants"
    if config.get("ShadowProductionVariants"):
        return "it has a shadow variant"
    if "ServerlessConfig" in variants[0]:
        return "it is serverless"
    return None if variants[0].get("ModelName") else "it hosts inference components"
