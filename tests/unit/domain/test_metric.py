import pytest

from everfit.domain.metric import METRICS, SYNONYMS, Direction, metrics_of, nearest_name

HIGHER = {
    "r2", "accuracy", "balanced_accuracy", "f1", "f1_macro", "f1_micro", "f1_weighted", "precision", "recall", "roc_auc"
}  # fmt: skip


def test_each_metric_knows_which_way_is_better() -> None:
    assert {name for name, metric in METRICS.items() if metric.direction is Direction.HIGHER} == HIGHER
    assert {name for name, metric in METRICS.items() if metric.direction is Direction.ZERO} == {"bias"}


def test_forecasts_are_measured_like_regressions_and_labels_by_their_own_metrics() -> None:
    assert metrics_of("forecast") == metrics_of("regression")
    assert not set(metrics_of("classification")) & set(metrics_of("regression"))
    assert set(metrics_of("classification")) | set(metrics_of("regression")) == set(METRICS.values())


def test_a_custom_task_brings_its_own_metrics() -> None:
    assert metrics_of("custom") == ()


@pytest.mark.parametrize(
    ("word", "nearest"), [("auc", "roc_auc"), ("acuracy", "accuracy"), ("F1_score", "f1"), ("throughput", None)]
)
def test_the_nearest_name_is_found_by_meaning_and_by_spelling(word: str, nearest: str | None) -> None:
    assert nearest_name(word, list(METRICS)) == nearest


def test_every_synonym_stands_for_a_metric() -> None:
    assert set(SYNONYMS.values()) <= set(METRICS)
    assert not set(SYNONYMS) & set(METRICS)
