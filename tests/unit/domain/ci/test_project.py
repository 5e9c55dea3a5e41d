"""What a workflow needs to know is read without the value of any variable."""

import pytest

from everfit.domain.errors import ProjectError, RequestError
from tests.unit.domain.ci.projects import AWS, MASK, ci


def test_only_environments_on_aws_get_a_workflow() -> None:
    assert [each.name for each in ci(MASK).environments] == ["staging", "production"]


def test_each_environment_keeps_its_own_triggers() -> None:
    staging, production = ci(MASK).environments
    assert (staging.tags, production.tags) == (["staging-recommender-v*"], ["production-recommender-v*"])
    assert ([each.branch for each in staging.pushes], list(production.pushes)) == (["main"], [])
    assert (staging.takes_data, production.takes_data) == (False, True)


def test_variables_are_named_once_and_need_no_value() -> None:
    text = "model: m\nalerts: [{email: '${WHO}'}, {slack: '${WHO}/${ROOM} $${NOT_ONE}'}]\n"
    project = ci(f"{text}environments: {{production: {{backend: sagemaker}}}}\naws: {{region: '${{REGION}}'}}\n")
    assert project.variables == ("REGION", "ROOM", "WHO")
    assert project.environments[0].region == "${REGION}"


def test_the_region_of_an_environment_goes_before_that_of_the_project() -> None:
    text = "model: m\nenvironments: {eu: {backend: sagemaker, aws: {region: eu-west-1}}, us: {backend: sagemaker}}\n"
    assert [each.region for each in ci(text + AWS).environments] == ["eu-west-1", "us-east-1"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model: ${NAME}\n" + AWS, "the model must be named here"),
        ("model: 'a b; c'\n" + AWS, "expected a name of at most 63"),
        ("model: m\nenvironments: {'x; rm': {backend: sagemaker}}\n" + AWS, "expected a name of at most 63"),
        ("model: m\nenvironments: {prod: {backend: sagemaker}}\n", "needs aws.region"),
        ("model: m\ntriggers: [{schedule: often}]\n" + AWS, "triggers[0].schedule"),
        ("model: m\nenvironments: {a: {tag: 'v*'}, b: {backend: sagemaker, tag: 'v*'}}\n" + AWS, "one tag could fit"),
        ("- model\n", "the file has no keys"),
    ],
    ids=["variable", "name", "environment", "region", "schedule", "tags", "list"],
)
def test_what_cannot_be_read_is_told(text: str, words: str) -> None:
    with pytest.raises(ProjectError) as raised:
        ci(text)
    assert any(words in str(problem) for problem in raised.value.problems), raised.value.problems


def test_a_project_without_an_environment_on_aws_is_refused() -> None:
    with pytest.raises(RequestError, match=r"No environment of everfit\.yaml has backend: sagemaker"):
        ci("model: m\n")


def test_one_environment_can_be_chosen_and_a_wrong_name_is_answered_with_the_nearest() -> None:
    assert [each.name for each in ci(MASK).only("staging").environments] == ["staging"]
    with pytest.raises(RequestError, match="Did you mean production"):
        ci(MASK).only("prodction")
