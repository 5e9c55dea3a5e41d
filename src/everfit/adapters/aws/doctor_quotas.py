"""Examines the quotas of SageMaker: how many instances of each kind the account may have at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

from everfit.adapters.aws.doctor_words import Finding, Subject, looked
from everfit.domain.project import Hosting

Values = Mapping[str, object]
SERVICE: Final = "sagemaker"
TRAINING: Final = "training job usage"
SPOT: Final = "spot training job usage"
PROCESSING: Final = "processing job usage"
ENDPOINT: Final = "endpoint usage"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Instances that are used at once.

    Args:
        use: as the name of the quota ends.
        why: in words.
    """

    instance: str
    use: str
    count: int
    why: str

    @property
    def quota(self) -> str:
        """The quota's name in Service Quotas, such as ``ml.m5.large for training job usage``."""
        return f"{self.instance} for {self.use}"


def needs(subject: Subject) -> list[Need]:
    """Return what one run and its deployment use at once."""
    training, serving = subject.project.train.sagemaker, subject.project.serve.sagemaker
    is_spot = bool(training.get("spot"))
    found = [
        # Champion and challenger are scored at the same time.
        Need(instance=subject.place.instance, use=PROCESSING, count=2, why="to prepare and to score"),
        Need(
            instance=str(training.get("instance", "ml.m5.large")),
            use=SPOT if is_spot else TRAINING,
            count=_whole(training, "count"),
            why="to train",
        ),
    ]
    if subject.environment.hosting is Hosting.ENDPOINT:
        scale = serving.get("autoscale")
        most = _whole(cast("Values", scale), "max") if isinstance(scale, Mapping) else _whole(serving, "count")
        # A blue/green deployment runs both fleets at once (SageMaker Developer Guide, "Deployment guardrails").
        why = "to serve: a deployment runs the old and the new fleet at once"
        found.append(Need(instance=str(serving.get("instance", "ml.m5.large")), use=ENDPOINT, count=2 * most, why=why))
    return found


def _whole(values: Values, name: str) -> int:
    found = values.get(name, 1)
    return found if isinstance(found, int) else 1


def examine_quotas(subject: Subject) -> Iterator[Finding]:
    """Yield what each quota allows; the list is read once."""
    known: dict[str, float] = {}

    def look() -> Finding:
        known.update(_quotas(subject))
        return Finding(name="quotas", is_well=True, words=f"{len(known)} quotas were read")

    found = looked(
        "quotas", "the quotas of SageMaker", look, missing="Service Quotas knows no SageMaker in this region"
    )
    if not found.is_well:
        yield Finding(name="quotas", is_well=None, words=found.words)
        return
    yield from (_judged(need, known.get(need.quota)) for need in needs(subject))


def _quotas(subject: Subject) -> dict[str, float]:
    pages: Any = subject.clients("service-quotas").get_paginator("list_service_quotas")
    wanted = {need.quota for need in needs(subject)}
    return {
        str(quota["QuotaName"]): float(quota["Value"])
        for page in pages.paginate(ServiceCode=SERVICE)
        for quota in page["Quotas"]
        if quota["QuotaName"] in wanted
    }


def _judged(need: Need, allowed: float | None) -> Finding:
    if allowed is None:
        words = f"Service Quotas lists no {need.quota!r}, so whether {need.count} may run is not known"
        return Finding(name="quotas", is_well=None, words=words)
    if allowed < need.count:
        words = (
            f"{need.quota}: {allowed:.0f} allowed, {need.count} needed {need.why}; ask for more under Service Quotas, "
            "or choose another instance"
        )
        return Finding(name="quotas", is_well=False, words=words)
    return Finding(name="quotas", is_well=True, words=f"{need.quota}: {allowed:.0f} allowed, {need.count} needed")
