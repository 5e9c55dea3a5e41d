from dataclasses import replace
from typing import Any

import pytest

from everfit.domain.model_metrics import figures, figures_in, model_quality
from everfit.domain.project import Task
from tests.stored import a_version


@pytest.mark.parametrize(
    ("task", "labels", "kind"),
    [
        (Task.REGRESSION, None, "regression_metrics"),
        (Task.FORECAST, None, "regression_metrics"),
        (Task.CLASSIFICATION, ["no", "yes"], "binary_classification_metrics"),
        (Task.CLASSIFICATION, ["a", "b", "c"], "multiclass_classification_metrics"),
        (Task.CLASSIFICATION, None, "multiclass_classification_metrics"),
        (Task.CUSTOM, None, "custom_metrics"),
    ],
)
def test_figures_are_filed_under_what_studio_knows(task: Task, labels: Any, kind: str) -> None:
    version = replace(a_version(), lineage={"data": {"labels": labels}})
    assert model_quality(version, task) == {kind: {"rmse": {"value": 1.5, "standard_deviation": "NaN"}}}


def test_a_version_without_a_lineage_has_no_labels() -> None:
    assert list(model_quality(replace(a_version(), lineage={}), Task.CLASSIFICATION)) == [
        "multiclass_classification_metrics"
    ]


def test_what_an_evaluation_says_of_a_version_is_read_in_both_its_forms() -> None:
    side = {"metrics": {"mape": {"value": 12.5}}, "latency": {"p99": {"value": 0.1}}}
    assert figures_in(side) == {"mape": 12.5}
    assert figures(replace(a_version(), metrics=side)) == {"mape": 12.5}


@pytest.mark.parametrize("value", [None, "12", True, float("nan"), float("inf"), [1.0]])
def test_what_is_not_known_is_left_out_and_zero_is_a_value(value: object) -> None:
    assert figures_in({"mape": {"value": value}, "r2": {"value": 0.0}, "note": "text"}) == {"r2": 0.0}
