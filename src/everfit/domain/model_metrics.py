"""The figures of a version for those who read them outside: the Model Registry, CloudWatch and other programs."""

from collections.abc import Mapping
from math import isfinite
from typing import Final, cast

from everfit.domain.project import Task
from everfit.domain.version import Version

BINARY: Final = 2


def figures(version: Version) -> Mapping[str, float]:
    """Return every figure of the whole holdout that has a value, by the metric's name, as when it was made."""
    return figures_in(version.metrics)


def figures_in(side: Mapping[str, object]) -> Mapping[str, float]:
    """Return every figure of the whole holdout that has a value, by the metric's name.

    What is not known is left out: nobody outside can tell a zero that was measured from one that stands for nothing.

    Args:
        side: what an evaluation says of a version.
    """
    inner = side.get("metrics")
    whole = cast("Mapping[str, object]", inner) if isinstance(inner, Mapping) else side
    found: dict[str, float] = {}
    for name, each in whole.items():
        value = cast("Mapping[str, object]", each).get("value") if isinstance(each, Mapping) else None
        if isinstance(value, (int, float)) and not isinstance(value, bool) and isfinite(value):
            found[name] = float(value)
    return found


def model_quality(version: Version, task: Task) -> Mapping[str, object]:
    """Return the figures in the form in which SageMaker Studio shows a model's quality.

    The form is that of Model Monitor's statistics (SageMaker Developer Guide, "Model quality metrics").
    """
    values = {name: {"value": value, "standard_deviation": "NaN"} for name, value in figures(version).items()}
    return {_kind(version, task): values}


def _kind(version: Version, task: Task) -> str:
    match task:
        case Task.REGRESSION | Task.FORECAST:
            return "regression_metrics"
        case Task.CLASSIFICATION:
            return (
                "binary_classification_metrics" if _labels(version) == BINARY else "multiclass_classification_metrics"
            )
        case Task.CUSTOM:
            return "custom_metrics"


def _labels(version: Version) -> int:
    data = version.lineage.get("data")
    labels = cast("Mapping[str, object]", data).get("labels") if isinstance(data, Mapping) else None
    return len(cast("list[object]", labels)) if isinstance(labels, (list, tuple)) else 0
