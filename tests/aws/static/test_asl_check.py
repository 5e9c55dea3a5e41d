"""The checkers of state machines find every seeded error and raise no false alarm."""

from typing import Any

import pytest

from tests.aws.static.asl_check import forgotten_timeouts, problems
from tests.aws.static.asl_samples import IN_JSONATA, IN_JSONPATH, WRONG


@pytest.mark.parametrize("definition", [IN_JSONPATH, IN_JSONATA], ids=["JSONPath", "JSONata"])
def test_a_right_definition_is_let_pass(definition: dict[str, Any]) -> None:
    assert problems(definition) == []


@pytest.mark.parametrize("name", WRONG)
def test_each_seeded_error_is_found(name: str) -> None:
    assert problems(WRONG[name]) != []


def test_what_is_inside_a_map_is_checked_as_well() -> None:
    each = {
        "StartAt": "One",
        "States": {"One": {"Type": "Task", "Resource": "arn:aws:states:::sns:shout", "End": True}},
    }
    outer = {
        "StartAt": "All",
        "States": {"All": {"Type": "Map", "ItemProcessor": each, "End": True}},
    }
    assert any(words.startswith("All/One: sns has no action") for words in problems(outer))


def test_a_substitution_of_cloudformation_stands_for_any_value() -> None:
    machine = {
        "StartAt": "Step",
        "States": {"Step": {"Type": "Task", "Resource": "${StepFunctionArn}", "TimeoutSeconds": 60, "End": True}},
    }
    assert problems(machine) == []


def test_a_task_that_may_wait_for_a_year_is_named() -> None:
    train = {key: value for key, value in IN_JSONPATH["States"]["Train"].items() if key != "TimeoutSeconds"}
    machine = {**IN_JSONPATH, "States": {**IN_JSONPATH["States"], "Train": train}}
    assert (forgotten_timeouts(IN_JSONPATH), forgotten_timeouts(machine)) == ([], ["Train"])
