"""Executions in Step Functions: one at a time for each run, whoever starts them and whatever answer is lost."""

import json
from typing import TYPE_CHECKING

import pytest

from everfit.adapters.aws.executions import StepFunctionsExecutions, machine_arn
from everfit.domain.aws import aws_place
from everfit.domain.errors import NotFoundError, RequestError
from everfit.domain.run import RunId
from tests.service import until

if TYPE_CHECKING:
    from everfit.adapters.aws.clients import Clients
    from tests.aws.bench.client import Bench

RUN = RunId("20261121-093112-a1b2c3d4")
PLACE = aws_place("line", "production", {"region": "us-east-1", "bucket": "everfit-bench"}, {})
ASKS = {"StartAt": "Asks", "States": {"Asks": {"Type": "Wait", "Seconds": 86_400, "End": True}}}
ROLE = "arn:aws:iam::123456789012:role/everfit-line-production-machine"


def machine(clients: "Clients") -> str:
    """Make a state machine whose executions go on until they are stopped; return its ARN."""
    made = clients("stepfunctions").create_state_machine(
        name=PLACE.names.state_machine, definition=json.dumps(ASKS), roleArn=ROLE
    )
    return str(made["stateMachineArn"])


@pytest.fixture
def executions(bench: "Bench", aws_clients: "Clients") -> StepFunctionsExecutions:
    bench.role("everfit-line-production-machine", "states")
    arn = machine(aws_clients)
    assert arn == machine_arn(PLACE, aws_clients.account())
    return StepFunctionsExecutions(aws_clients, arn)


def stop(clients: "Clients", name: str) -> None:
    arn = machine_arn(PLACE, "123456789012").replace(":stateMachine:", ":execution:")
    clients("stepfunctions").stop_execution(executionArn=f"{arn}:{name}")


def has_failed(executions: StepFunctionsExecutions) -> bool:
    newest = executions.newest(RUN)
    return newest is not None and newest.ended is not None and newest.has_failed


def names(bench: "Bench") -> list[str]:
    found = bench.client("stepfunctions").list_executions(stateMachineArn=machine_arn(PLACE, "123456789012"))
    return sorted(each["name"] for each in found["executions"])


def test_a_run_has_one_execution_however_often_it_is_started(
    executions: StepFunctionsExecutions, bench: "Bench"
) -> None:
    assert executions.newest(RUN) is None
    for _ in range(3):
        executions.start(RUN)
    assert names(bench) == [RUN]
    newest = executions.newest(RUN)
    assert newest is not None
    assert (newest.number, newest.ended) == (1, None)


def test_one_that_has_ended_is_followed_by_the_next_and_never_started_again(
    executions: StepFunctionsExecutions, bench: "Bench", aws_clients: "Clients"
) -> None:
    assert executions.start(RUN)
    stop(aws_clients, RUN)
    assert until(lambda: has_failed(executions)), "to stop takes a moment"
    assert not executions.start(RUN)
    assert executions.start(RUN, 2)
    assert names(bench) == [RUN, f"{RUN}-2"]
    assert executions.newest(RUN) is not None


def test_an_answer_that_is_lost_starts_nothing_twice(executions: StepFunctionsExecutions, bench: "Bench") -> None:
    bench.lose_answer("stepfunctions", "StartExecution")
    assert executions.start(RUN)
    assert names(bench) == [RUN]


def test_a_permission_that_is_missing_is_named(executions: StepFunctionsExecutions, bench: "Bench") -> None:
    bench.deny("stepfunctions", "StartExecution")
    with pytest.raises(RequestError, match="StartExecution"):
        executions.start(RUN)


def test_a_stack_that_is_not_there_is_a_sentence_that_says_what_to_do(aws_clients: "Clients") -> None:
    executions = StepFunctionsExecutions(aws_clients, machine_arn(PLACE, "123456789012"))
    with pytest.raises(NotFoundError, match="everfit apply"):
        executions.start(RUN)


def test_a_way_back_is_begun_once_under_whatever_name_it_is_asked_for(
    executions: StepFunctionsExecutions, bench: "Bench"
) -> None:
    name = "alarm:line-5xx:" + "2026-11-21T09:00:00+00:00 " * 5
    for _ in range(2):
        executions.begin(name, {"rollback": {"before": 2}})
    (begun,) = names(bench)
    assert begun.startswith("alarm-line-5xx-2026-11-21T09-00-00")
    assert len(begun) <= 80
