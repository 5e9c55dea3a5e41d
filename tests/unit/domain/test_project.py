from datetime import timedelta
from enum import Enum
from typing import Any

import pytest

from everfit.domain.document import Reading
from everfit.domain.errors import ProjectError
from everfit.domain.keys import DATA, TRAIN
from everfit.domain.project import Backend, Data, Format, Serve, Task, Train
from everfit.domain.project_reader import project_of
from everfit.domain.serve_keys import SERVE
from everfit.domain.value import Key, Single
from tests.project_example import EXAMPLE, WEBHOOK, node_of, read_text, read_tree, refusals, with_keys


def test_the_example_is_read_with_all_its_keys() -> None:
    project = read_text(EXAMPLE)
    assert (project.model, project.task) == ("solar-power", Task.REGRESSION)
    assert (project.data.holdout, project.data.time, project.data.id) == (0.2, "timestamp", "row_id")
    assert [check.text for check in project.data.checks][1] == "missing(generation_kwh) <= 1%"
    assert dict(project.train.hyperparameters) == {"epochs": 20, "model_type": "neural_network"}
    assert project.train.timeout == timedelta(hours=1)
    assert project.train.sagemaker["version"] == "1.4-2"
    assert [rule.text for rule in project.gate][2] == "rmse <= champion * 1.02"
    assert project.no_success_for == timedelta(days=9)


def test_the_example_has_its_environments() -> None:
    production = read_text(EXAMPLE).environments["production"]
    assert (production.endpoint, production.backend) == ("solar", Backend.SAGEMAKER)
    assert (production.promote_from, production.approval.mode) == ("staging", "manual")
    assert production.rollout == {"strategy": "canary", "steps": (0.1, 0.5), "bake": timedelta(minutes=10)}
    assert production.watch["for"] == timedelta(days=7)


def test_what_this_release_does_not_act_on_is_listed_as_the_user_wrote_it() -> None:
    assert set(read_text(EXAMPLE).later) == {"monitor.drift"}


def test_the_shortest_project_has_every_default() -> None:
    project = read_tree(node_of(with_keys()))
    assert (project.task, project.data.format) == (Task.REGRESSION, Format.CSV)
    assert (project.data.holdout, project.data.validation) == (0.2, 0.1)
    assert project.train.timeout == timedelta(hours=24)
    assert (project.serve.script, project.serve.workers) == (None, 1)
    assert (project.later, project.triggers, project.alerts) == ((), (), ())


def test_what_serves_a_version_may_be_written_short_or_in_full() -> None:
    short = read_tree(node_of(with_keys(serve={"workers": 3, "batch": 1}))).serve
    assert (short.workers, short.most_workers, short.batch) == (3, 3, 1)
    full = {"workers": {"max": 4}, "batch": {"wait": "500ms"}, "memory": "2GB", "timeout": "1.5s", "queue": 7}
    serve = read_tree(node_of(with_keys(serve=full))).serve
    assert (serve.workers, serve.most_workers, serve.batch, serve.gather) == (1, 4, 64, timedelta(milliseconds=500))
    assert (serve.memory, serve.timeout, serve.queue) == (2_000_000_000, timedelta(seconds=1.5), 7)


def test_without_environments_there_is_one_called_production() -> None:
    environments = read_tree(node_of(with_keys())).environments
    assert [(each.name, each.endpoint) for each in environments.values()] == [("production", "house-prices")]


def test_an_environment_without_an_endpoint_gets_one_of_its_own() -> None:
    environments = read_tree(node_of(with_keys(environments={"staging": {}, "production": {}}))).environments
    assert [each.endpoint for each in environments.values()] == ["house-prices-staging", "house-prices"]


def test_an_environment_takes_over_the_data_that_it_does_not_change() -> None:
    own = {"staging": {"data": {"source": "s3://bucket/staging/", "holdout": "50%"}}}
    project = read_tree(node_of(with_keys(environments=own)))
    data = project.data_in(project.environments["staging"])
    assert (data.source, data.holdout, data.target) == ("s3://bucket/staging/", 0.5, "price")


def test_an_environment_may_have_its_own_gate() -> None:
    project = read_tree(node_of(with_keys(environments={"staging": {"gate": ["mae < 5"]}, "production": {}})))
    gates = [project.rules_in(each)[0].text for each in project.environments.values()]
    assert gates == ["mae < 5", "r2 >= 0.8"]


def test_a_person_decides_when_a_rule_says_so() -> None:
    own = {"production": {"approval": {"when": "mape >= 20"}}}
    approval = read_tree(node_of(with_keys(environments=own))).environments["production"].approval
    assert approval.when is not None
    assert approval.when.text == "mape >= 20"


@pytest.mark.parametrize(
    ("keys", "task"),
    [
        ({"gate": ["mape < 20"]}, Task.REGRESSION),
        ({"gate": ["f1 >= 0.8"]}, Task.CLASSIFICATION),
        ({"evaluate": "evaluate.py", "gate": ["anything >= 1"]}, Task.CUSTOM),
    ],
)
def test_a_task_that_is_not_written_follows_from_the_rest(keys: dict[str, Any], task: Task) -> None:
    assert read_tree(node_of(with_keys(**keys))).task is task


def test_values_of_variables_are_secrets_and_never_shown() -> None:
    project = read_text(EXAMPLE)
    topic = "arn:aws:sns:us-east-1:111122223333:model-drift-alerts"
    assert [channel.address for channel in project.alerts] == ["ml-team@example.com", topic, WEBHOOK]
    assert project.secrets == {WEBHOOK}
    assert f"secrets={{'{WEBHOOK}" not in repr(project)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ({"task": "regresion"}, "did you mean regression?"),
        ({"serve": {"timeout": "60"}}, "a short time such as 2ms, 500ms, 60s or 5m"),
        ({"serve": {"batch": {"wait": "0ms"}}}, "lasts no time at all"),
        ({"serve": {"workers": {"min": 3, "max": 2}}}, "serve.workers.max is below min"),
        ({"serve": {"workers": 0}}, "a whole number from 1 to 64"),
        ({"model": "a b"}, "at most 63 letters, digits and hyphens"),
        ({"model": "a" * 64}, "at most 63 letters"),
        ({"model": "-a"}, "at most 63 letters"),
        ({"data": {"holdout": "20"}}, "did you mean 20%?"),
        ({"data": {"holdout": "100%"}}, "less than 100%"),
        ({"data": {"holdout": "0%"}}, "more than 0%"),
        ({"data": {"format": "xlsx"}}, "csv, parquet, jsonl, images or files"),
        ({"data": {"encoding": "utf-9"}}, "did you mean utf-8?"),
        ({"data": {"encoding": "base64"}}, "no such text encoding"),
        ({"data": {"delimiter": ";;"}}, "not one character"),
        ({"data": {"delimiter": ";", "format": "parquet"}}, "only for CSV"),
        ({"data": {"time": "price"}}, "is the target itself"),
        ({"data": {"target": None}}, "data.target has no value"),
        ({"data": {"checks": ["row >= 5"]}}, "data.checks[0]"),
        ({"data": {"checks": "rows >= 5"}}, "a list of checks"),
        ({"data": {"sorce": "x"}}, "did you mean source?"),
        ({"data": "data/"}, "keys with values"),
        ({"data": {"source": "./"}}, "the project folder itself"),
        ({"target": "price"}, "did you mean data.target?"),
        ({"epochs": 5}, "there is no key epochs; expected model, task, data"),
        ({"train": {"script": "../train.py"}}, "below the project folder"),
        ({"train": {"script": "/train.py"}}, "below the project folder"),
        ({"train": {"timeout": "60"}}, "a number without a unit"),
        ({"train": {"timeout": "0s"}}, "lasts no time"),
        ({"train": {"metric_definitions": {"loss": "loss=(.*"}}}, "not a regular expression"),
        ({"train": {"metric_definitions": {"loss": "loss=.*"}}}, "0 groups"),
        ({"train": {"hyperparameters": {"sagemaker_x": 1}}}, "name of a hyperparameter"),
        ({"train": {"hyperparameters": {"rate": ".nan"}}}, "not a finite number"),
        ({"train": {"hyperparameters": {"rates": [1, {"x": "-.inf"}]}}}, "not a finite number"),
        ({"train": {"environment": {"SM_MODEL_DIR": "x"}}}, "name of an environment variable"),
        ({"train": {"environment": {"LIST": [1]}}}, "a text, a number, true or false"),
        ({"train": {"sagemaker": {"instance": "m5.large"}}}, "ml.m5.large"),
        ({"train": {"sagemaker": {"version": "1.4-2"}}}, "says nothing without framework"),
        ({"train": {"sagemaker": {"image": "x", "framework": "sklearn"}}}, "has both image and framework"),
        ({"train": {"sagemaker": {"spot": "yes"}}}, "did you mean true?"),
        ({"train": {"sagemaker": {"count": 0}}}, "from 1 to 1,000"),
        ({"train": {"sagemaker": {"count": 1.5}}}, "not a whole number"),
        ({"serve": {"content_type": "application/jsn"}}, "did you mean application/json?"),
        ({"serve": {"workers": True}}, "not a whole number"),
        ({"serve": {"sagemaker": {"count": 4, "autoscale": {"max": 2}}}}, "below the fewest instances"),
        ({"gate": []}, "gate is empty"),
        ({"gate": "r2 >= 0.8"}, "a list of rules"),
        ({"gate": ["r2 >= 1.5"]}, "gate[0]"),
        ({"gate": ["accuracy >= 0.5"], "task": "regression"}, "no metric of a regression task"),
        ({"gate": ["mappe < 20"]}, "did you mean mape?"),
        ({"gate": ["claim(loss) < 1"]}, "loss in train.metric_definitions"),
        ({"task": "custom"}, "evaluate: evaluate.py"),
        ({"evaluate": "evaluate.py", "task": "regression"}, "task: custom"),
        ({"evaluate": "evaluate.py", "gate": ["latency_p99 < 1s"]}, "no latency"),
        ({"task": "forecast"}, "data.time is missing"),
        ({"triggers": [{"schedule": "0 0 * *"}]}, "4 fields instead of 5"),
        ({"triggers": [{"schedule": "0 0 * * SAT", "timezone": "Europe/Pari"}]}, "did you mean Europe/Paris?"),
        ({"triggers": [{"timezone": "UTC"}]}, "exactly one of"),
        ({"triggers": [{"data": {}, "drift": {}}]}, "exactly one of"),
        ({"triggers": [{"data": {}, "timezone": "UTC"}]}, "says nothing without schedule"),
        ({"triggers": [{"data": {"at_least": "500 lines"}}]}, "500 rows"),
        ({"triggers": [{"data": {"at_least": "500mB"}}]}, "did you mean 500MB?"),
        ({"triggers": [{"push": "main"}]}, "keys with values: branch, paths"),
        ({"triggers": [{"tag": True}]}, "put it in quotes"),
        ({"data": {"encoding": "utf-8\u00e9"}}, "no such text encoding"),
        ({"environments": {"a": {"approval": ["manual"]}}}, "automatic or manual, or {when: mape >= 20}"),
        ({"triggers": [{"push": {"paths": []}}]}, "paths is empty"),
        ({"triggers": [{"api": "0"}]}, "true or false"),
        ({"environments": {}}, "environments is empty"),
        ({"environments": {"a b": {}}}, "letters, digits and hyphens"),
        ({"environments": {"retrain": {}}}, "no environment can be called retrain"),
        ({"environments": {"a": {"backend": "aws"}}}, "local or sagemaker"),
        ({"environments": {"a": {"promote_from": "a"}}}, "names no other environment"),
        ({"environments": {"staging": {}, "b": {"promote_from": "stagin"}}}, "did you mean staging?"),
        ({"environments": {"a": {"promote_from": "b"}, "b": {"promote_from": "a"}}}, "goes in a circle"),
        ({"environments": {"a": {"endpoint": "x"}, "b": {"endpoint": "x"}}}, "also the endpoint of a"),
        ({"environments": {"a": {"endpoint": "house-prices"}, "production": {}}}, "also the endpoint of a"),
        ({"model": "m" * 60, "environments": {"staging": {}}}, "would be too long"),
        ({"environments": {"a": {"tag": "v*"}, "b": {"tag": "v*"}}}, "one tag could fit this and environments.a.tag"),
        ({"environments": {"a": {"approval": "manuel"}}}, "did you mean manual?"),
        ({"environments": {"a": {"approval": {"when": "nothing"}}}}, "approval.when"),
        ({"environments": {"a": {"approval": {"when": "accuracy >= 0.5"}}}}, "no metric of a regression task"),
        ({"environments": {"a": {"rollout": {"strategy": "canry"}}}}, "did you mean canary?"),
        ({"environments": {"a": {"rollout": {"strategy": "canary"}}}}, "steps is missing"),
        ({"environments": {"a": {"rollout": {"steps": ["10%"]}}}}, "takes no steps"),
        ({"environments": {"a": {"rollout": {"disagreement": "5%"}}}}, "all-at-once copies no requests"),
        ({"environments": {"a": {"rollout": {"strategy": "linear", "steps": ["50%", "10%"]}}}}, "do not rise"),
        ({"environments": {"a": {"rollout": {"strategy": "canary", "steps": ["110%"]}}}}, "more than the whole"),
        ({"environments": {"a": {"watch": {"for": "7d"}}}}, "roll_back_when is missing"),
        ({"environments": {"a": {"watch": {"for": "7d", "roll_back_when": ["mape is 3"]}}}}, "such as mape > 25"),
        ({"environments": {"a": {"watch": {"for": "7d", "roll_back_when": ["mpe > 3"]}}}}, "did you mean mape?"),
        ({"environments": {"a": {"watch": {"for": "7d", "roll_back_when": ["mape > 3ms"]}}}}, "does not fit mape"),
        ({"environments": {"a": {"watch": {"for": "7d", "roll_back_when": ["mape < 25"]}}}}, "such as mape > 25"),
        ({"environments": {"a": {"watch": {"for": "7d", "roll_back_when": ["error_rate <= 1%"]}}}}, "error_rate >= 1%"),
        ({"environments": {"a": {"watch": {"for": "7d", "roll_back_when": ["latency_p99 > 5"]}}}}, "such as 500ms"),
        ({"environments": {"a": {"watch": {"for": "7d", "roll_back_when": ["latency > 5s"]}}}}, "latency_p99?"),
        ({"environments": {"a": {"data": {"format": "images"}}}}, "cannot be scored by a regression task"),
        ({"monitor": {"capture": "120%"}}, "more than the whole"),
        ({"monitor": {"drift": {"against": "yesterday"}}}, "training"),
        ({"alerts": [{"mail": "a@b.c"}]}, "did you mean email?"),
        ({"alerts": [{"email": "nobody"}]}, "an e-mail address"),
        ({"alerts": [{"sns": "arn:aws:sqs:us-east-1:1:x"}]}, "ARN of an SNS topic"),
        ({"alerts": [{"slack": "http://x"}]}, "https://"),
        ({"no_success_for": "nine days"}, "a duration such as"),
    ],
)
def test_a_wrong_value_is_refused_with_what_was_expected(keys: dict[str, Any], words: str) -> None:
    assert words in " | ".join(map(str, refusals(**keys)))


@pytest.mark.parametrize(
    "keys",
    [
        {"data": {"source": "x", "target": "price", "format": "images"}, "task": "classification"},
        {"data": {"source": "x", "target": "price", "format": "files"}, "evaluate": "evaluate.py"},
    ],
)
def test_what_has_no_columns_cannot_name_one(keys: dict[str, Any]) -> None:
    assert "have no columns" in str(refusals(gate=["size < 1GB"], **keys)[0])


def test_images_need_no_target() -> None:
    project = {**with_keys(gate=["accuracy >= 0.9"]), "data": {"source": "photos/", "format": "images"}}
    assert read_tree(node_of(project)).task is Task.CLASSIFICATION


@pytest.mark.parametrize("key", ["model", "data", "gate"])
def test_a_missing_key_is_named(key: str) -> None:
    project = {name: value for name, value in with_keys().items() if name != key}
    problems = refusals_of(project)
    assert any(f"{key} is missing" in problem for problem in problems)


def test_a_table_without_a_target_is_refused() -> None:
    assert any("data.target is missing" in each for each in refusals_of({**with_keys(), "data": {"source": "data/"}}))


@pytest.mark.parametrize("wrong", [{"modle": "m"}, {"gates": ["r2 >= 0.8"]}, {"data": {"source": "x", "tagret": "y"}}])
def test_a_mistyped_key_is_one_problem_and_not_also_a_missing_one(wrong: dict[str, Any]) -> None:
    right = {"modle": "model", "gates": "gate", "data": "data"}[next(iter(wrong))]
    project = {name: value for name, value in with_keys().items() if name != right} | wrong
    assert len(refusals_of(project)) == 1


def test_one_mistake_is_one_problem() -> None:
    assert len(refusals(alerts=[{"mail": "a@b.c"}])) == 1
    assert len(refusals(data={"format": "cvs"})) == 1
    assert len(refusals(task="forcast")) == 1
    assert len(refusals(data={"target": "${UNSET_VARIABLE}"})) == 1


def test_promotion_from_an_environment_with_another_mistake_is_not_called_wrong() -> None:
    environments = {"staging": {"endpoint": "a b"}, "production": {"promote_from": "staging"}}
    assert len(refusals(environments=environments)) == 1


def test_a_machine_without_time_zones_is_told_what_to_install() -> None:
    schedule = node_of(with_keys(triggers=[{"schedule": "0 0 * * SAT", "timezone": "Europe/Paris"}]))
    with pytest.raises(ProjectError, match="tzdata"):
        project_of(schedule, {}, frozenset, Reading(file="everfit.yaml"))


def test_retrain_means_no_promotion() -> None:
    project = read_tree(node_of(with_keys(environments={"production": {"promote_from": "retrain"}})))
    assert project.environments["production"].promote_from is None


def refusals_of(project: dict[str, Any]) -> list[str]:
    try:
        read_tree(node_of(project))
    except ProjectError as error:
        return [str(problem) for problem in error.problems]
    return []


def parts_with_defaults() -> list[tuple[str, Key, object]]:
    parts = [("data", DATA, Data(source="x")), ("train", TRAIN, Train()), ("serve", SERVE, Serve())]
    return [
        (f"{name}.{key.name}", key, getattr(values, key.name))
        for name, section, values in parts
        for key in section.keys
        if key.default is not None and isinstance(key.kind, Single)
    ]


@pytest.mark.parametrize(("name", "key", "value"), parts_with_defaults())
def test_a_default_is_what_the_reference_says(name: str, key: Key, value: object) -> None:
    assert key.default is not None
    if value is None:
        assert key.default.startswith(("none", "found out"))
    else:
        said = key.kind.read(node_of(key.default), name, Reading(file="x"))
        assert said == (value.value if isinstance(value, Enum) else value)
