"""An estimate counts what the project says, names what it assumes, and never takes an unknown price for none."""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from everfit.adapters.aws.stack.price_list import own_prices
from everfit.domain.cost import Estimate, Usage, estimate, read_prices, runs_a_month, total
from everfit.domain.errors import RequestError
from tests.aws.places import PROJECT, a_project

LISTED = Path("src/everfit/adapters/aws/stack/prices.json")


def prices(**changed: Any) -> dict[str, Any]:
    return {**json.loads(LISTED.read_text()), **changed}


def estimated(
    text: str = PROJECT, usage: Usage | None = None, listed: Mapping[str, Any] | None = None, name: str = "staging"
) -> Estimate:
    project = a_project(text)
    found = own_prices() if listed is None else read_prices(listed)
    return estimate(project, project.environments[name], found, usage or Usage(), alarms=4, memory=512)


def serving(text: str) -> str:
    return PROJECT.replace("gate:", f"serve: {{sagemaker: {text}}}\ngate:")


def test_an_endpoint_costs_its_instances_for_every_hour_of_the_month() -> None:
    found = estimated(serving("{instance: ml.m5.large, count: 3}"))
    assert found.month[0].amount == pytest.approx(3 * 0.115 * 730)
    assert found.month[0].what == "endpoint churn-staging, 3 × ml.m5.large"


def test_a_function_costs_its_requests() -> None:
    text = PROJECT.replace("endpoint: churn-staging", "endpoint: churn-staging, hosting: function")
    assert estimated(text).month[0].what == "function churn-staging, 100,000 requests"
    few, many = (estimated(text, Usage(requests=count)).month[0].amount for count in (1e5, 1e6))
    assert few is not None
    assert many == pytest.approx(10 * few)


def test_an_instance_that_is_not_in_the_list_makes_the_sum_unknown() -> None:
    found = estimated(serving("{instance: ml.p9.huge}"))
    assert found.month[0].amount is None
    assert found.per_month is None
    assert total(found.run) is None


def test_another_region_costs_by_its_factor_and_an_unlisted_one_is_told_of() -> None:
    here = estimated()
    there = estimated(PROJECT.replace("us-east-1", "eu-central-1"))
    assert there.month[0].amount == pytest.approx((here.month[0].amount or 0) * 1.2)
    assert (
        "those of xx-east-9 are not in the list" in estimated(PROJECT.replace("us-east-1", "xx-east-9")).assumptions[0]
    )


def test_a_run_costs_at_most_what_its_longest_training_does() -> None:
    short = estimated(PROJECT.replace("script: train.py", "script: train.py, timeout: 10m"))
    long = estimated(PROJECT.replace("script: train.py", "script: train.py, timeout: 10h"))
    assert short.longest_run == pytest.approx(total(short.run) or 0)
    assert (long.longest_run or 0) > (total(long.run) or 0) > (total(short.run) or 0)


@pytest.mark.parametrize(
    ("line", "runs"), [("cron(0 9 ? * SUN *)", 4), ("rate(1 hour)", 730), ("0 0 1 * *", 0), ("0 0 2 * *", 1)]
)
def test_runs_are_counted_by_the_schedule(line: str, runs: float) -> None:
    project = a_project(PROJECT + f'triggers: [{{schedule: "{line}"}}]\n')
    assert runs_a_month(project.triggers)[0] == runs


def test_runs_for_another_reason_are_assumed_and_said() -> None:
    project = a_project(PROJECT + "triggers: [{data: {quiet_for: 5m}}]\n")
    runs, words = runs_a_month(project.triggers)
    assert 4 < runs < 5
    assert "one a week for another reason" in words


def test_what_is_assumed_can_be_given() -> None:
    assert "50 runs a month" in estimated(usage=Usage(runs=50)).assumptions


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"alarm_month": "dear"}, "'dear' at alarm_month"),
        ({"alarm_month": True}, "True at alarm_month"),
        ({"alarm_month": -1}, "-1 at alarm_month"),
        ({"instance_hour": {"ml.m5.large": None}}, "None at instance_hour.ml.m5.large"),
        ({"regions": 3}, "no names with numbers at regions"),
    ],
)
def test_a_price_list_that_is_wrong_is_refused_with_its_place(changed: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=words.replace(".", r"\.")):
        read_prices(prices(**changed))


def test_a_price_list_that_lacks_something_is_refused() -> None:
    listed = prices()
    del listed["alarm_month"]
    with pytest.raises(RequestError, match="has no alarm_month"):
        read_prices(listed)
    with pytest.raises(RequestError, match="no JSON object"):
        read_prices([])


def test_the_price_list_of_everfit_says_when_it_was_right_and_that_it_is_not_checked() -> None:
    listed = own_prices()
    assert listed.as_of
    assert "Check them" in listed.note
    assert {field.name for field in dataclasses.fields(listed)} == set(prices())
