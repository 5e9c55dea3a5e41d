"""What a pipeline is made of: requests that SageMaker takes, values that come from where they are known, no secrets."""

import json
from dataclasses import replace
from typing import Any

import botocore.session
import pytest
from botocore.validate import ParamValidator
from hypothesis import given
from hypothesis import strategies as st

from everfit.adapters.aws.job_requests import Setting
from everfit.adapters.aws.pipeline_definition import (
    Stage,
    definition,
    is_pipelined,
    outputs_of,
    parameters,
    templates,
)
from everfit.adapters.aws.pipeline_slots import expressed, slot, slots_in, values_for
from everfit.domain.aws import aws_place
from everfit.domain.gate_rule import parse_rule
from everfit.domain.project import Backend, Data, Environment, Project, Serve, Task, Train
from tests.aws.bench.pipeline_values import Values, all_steps, read_definition

QUEUE = "https://sqs.us-east-1.amazonaws.com/111122223333/everfit-line-production-pipeline"
FRAMEWORK = {"framework": "sklearn", "version": "1.4-2"}


def setting(task: Task = Task.REGRESSION, **train: Any) -> Setting:
    own = {"region": "us-east-1", "bucket": "everfit-bench", "names": {"pipeline": "line-pipeline"}}
    place = aws_place("line", "production", {}, own)
    project = Project(
        model="line",
        task=task,
        data=Data(source="s3://everfit-bench/rows/", target="y", validation=0.1),
        train=Train(script="train.py", sagemaker=FRAMEWORK, hyperparameters={"model_type": "trees"}),
        serve=Serve(script="inference.py", sagemaker=FRAMEWORK),
        gate=(parse_rule("r2 >= 0.95"), parse_rule("rmse <= champion * 1.05")),
    )
    project = replace(project, train=replace(project.train, **train))
    environment = Environment(name="production", endpoint="line", backend=Backend.SAGEMAKER, aws=place)
    return Setting(
        place=place, project=project, environment=environment, role="arn:aws:iam::111122223333:role/line-job"
    )


def steps_of(where: Setting) -> dict[str, Any]:
    text = definition(templates(where, has_wheels=True), parameters(where), QUEUE)
    found = read_definition(text)
    return {"definition": found, "steps": {step["Name"]: step for step in all_steps(found["Steps"])}}


def test_the_arguments_of_each_job_are_a_request_that_sagemaker_takes() -> None:
    where = setting()
    found = steps_of(where)
    declared = {each["Name"]: each.get("DefaultValue", "s3://b/k") for each in found["definition"]["Parameters"]}
    values = Values(parameters=declared, execution={}, read_file=lambda step, name: None)
    all_templates = templates(where, has_wheels=True)
    for gate in ("Check", "Pack", "Champion", "Answers"):
        told = dict.fromkeys(outputs_of(all_templates, gate), "s3://b/k")
        values.steps[gate] = {"OutputParameters": told}
    model = botocore.session.Session().get_service_model("sagemaker")
    for stage in Stage:
        step = found["steps"][stage.value]
        kind = f"{step['Type']}Job"
        request = {**values.of(step["Arguments"]), f"{kind}Name": "a-name"}
        shape = model.operation_model(f"Create{kind}").input_shape
        assert shape is not None
        report = ParamValidator().validate(request, shape)
        assert not report.has_errors(), (stage, report.generate_report())


def test_a_person_finds_the_parameters_that_were_promised_with_the_values_of_the_project() -> None:
    shown = {each["Name"]: each.get("DefaultValue") for each in steps_of(setting())["definition"]["Parameters"]}
    assert shown.items() >= {"instance_type": "ml.m5.large", "model_type": "trees", "accuracy_threshold": 0.95}.items()
    train = steps_of(setting())["steps"]["Train"]["Arguments"]
    assert train["ResourceConfig"]["InstanceType"] == {"Get": "Parameters.instance_type"}
    assert {"Get": "Parameters.model_type"} in train["HyperParameters"]["model_type"]["Std:Join"]["Values"]


def test_the_same_project_is_the_same_definition_and_every_run_has_it() -> None:
    texts = {definition(templates(setting(), has_wheels=True), parameters(setting()), QUEUE) for _ in range(3)}
    assert len(texts) == 1
    assert "everfit:run" not in texts.pop()


def test_no_callback_step_has_more_outputs_than_an_answer_may_have() -> None:
    # SendPipelineExecutionStepSuccess takes 50 (API reference).
    found = templates(setting(), has_wheels=True)
    assert max(len(outputs_of(found, gate)) for gate in ("Check", "Pack", "Champion", "Answers")) <= 50


def test_what_the_users_own_program_judges_is_judged_beside_the_pipeline() -> None:
    assert list(steps_of(setting(Task.CUSTOM))["steps"]) == ["Prepare", "Check", "Train"]


def test_no_secret_gets_into_a_definition_and_what_promotes_has_none() -> None:
    where = setting(environment={"TOKEN": "s3cret"})
    assert is_pipelined(where)
    assert not is_pipelined(replace(where, project=replace(where.project, secrets=frozenset({"s3cret"}))))
    assert not is_pipelined(replace(where, environment=replace(where.environment, promote_from="staging")))


@given(st.text(max_size=20), st.text(min_size=1, max_size=20), st.text(max_size=20))
def test_what_is_taken_out_of_a_request_makes_it_again(before: str, value: str, after: str) -> None:
    template = {"a": [f"{before}{slot('x')}{after}"], "b": 1, "c": slot("x")}
    request = {"a": [f"{before}{value}{after}"], "b": 1, "c": value}
    assert slots_in(template) == ["x"]
    assert values_for(template, request) == {"x": value}
    filled = Values(parameters={"x": value}, execution={}, read_file=lambda step, name: None)
    assert filled.of(expressed(template, lambda name: f"Parameters.{name}")) == request


@pytest.mark.parametrize(
    "other",
    [
        {"a": "s3://b/1", "b": ["s3://b/2/"], "n": 1},
        {"a": "s3://b/1", "b": ["s3://b/1"], "n": 1},
        {"a": "s3://b/1", "b": ["s3://b/1/", "s3://b/1/"], "n": 1},
        {"a": "s3://b/1", "b": ["s3://b/1/"], "n": 2},
        {"a": "s3://b/1", "b": ["s3://b/1/"]},
        {"a": 1, "b": ["s3://b/1/"], "n": 1},
    ],
)
def test_another_request_is_told_from_what_a_step_would_do(other: Any) -> None:
    template = {"a": slot("url"), "b": [f"{slot('url')}/"], "n": 1}
    assert values_for(template, {"a": "s3://b/1", "b": ["s3://b/1/"], "n": 1}) == {"url": "s3://b/1"}
    assert values_for(template, json.loads(json.dumps(other))) is None
