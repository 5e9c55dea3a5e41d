"""The state machine, executed: whatever the steps answer, and however they fail, the run comes to an end."""

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import pytest

from everfit.adapters.aws.stack.state_machine import MOST_WAITS, state_machine
from everfit.application.loop import LOOP
from tests.aws.bench.client import Bench, until
from tests.aws.test_bench_functions import Functions

STEPS = [step.name for step in LOOP]
# Answers by the script that the run's id is; how often each step was asked stays while the process is warm.
STEP = """
import base64, json
COUNTS = {}
def handler(event, context):
    name = event.get("step") or next(kind for kind in ("broken", "rollback", "after") if kind in event)
    if event.get("after") == "crash":
        raise RuntimeError("nobody looks")
    text = event.get("run") or event.get("rollback", {}).get("script")
    answers = json.loads(base64.b64decode(text)).get(name, []) if text else []
    COUNTS[name] = COUNTS.get(name, 0) + 1
    if not answers:
        return {"answer": "ended" if name == "broken" else "done"}
    answer = answers[min(COUNTS[name], len(answers)) - 1]
    if answer == "crash":
        raise RuntimeError("the disk is full")
    return answer
"""


class Told:
    """An execution that has ended, and what it called."""

    def __init__(self, described: Mapping[str, Any], history: Sequence[Mapping[str, Any]]) -> None:
        self.status, self.error = described["status"], described.get("error")
        self.cause = str(described.get("cause", ""))
        scheduled = [each["taskScheduledEventDetails"] for each in history if each["type"] == "TaskScheduled"]
        waits = [number for number, each in enumerate(history) if each["type"] == "WaitStateEntered"]
        self.events_of_a_wait = waits[1] - waits[0] if len(waits) > 1 else 0
        self.calls = [json.loads(each["parameters"])["Payload"] for each in scheduled]

    @property
    def names(self) -> list[str]:
        kinds = ("broken", "rollback", "after")
        return [each.get("step") or next(kind for kind in kinds if kind in each) for each in self.calls]


class Machine:
    """The product's own definition with a function that answers by a script."""

    def __init__(self, bench: Bench, most_waits: int = MOST_WAITS) -> None:
        self.states = bench.client("stepfunctions")
        functions = Functions(bench)
        for name in ("step", "tick"):
            functions.make(STEP, name)
        definition = json.dumps(state_machine(STEPS, most_waits=most_waits))
        for name, function in (("StepFunctionArn", "step"), ("TickFunctionArn", "tick")):
            definition = definition.replace(f"${{{name}}}", function)
        given = {"name": "loop", "definition": definition, "roleArn": bench.role("machine", "states")}
        self.arn = self.states.create_state_machine(**given)["stateMachineArn"]

    def run(self, answers: Mapping[str, Sequence[Any]], name: str = "run-1") -> Told:
        return self.told({"run": script(answers)}, name)

    def told(self, given: Mapping[str, Any], name: str = "run-1") -> Told:
        started = self.states.start_execution(stateMachineArn=self.arn, name=name, input=json.dumps(given))
        execution = started["executionArn"]
        until(lambda: self.states.describe_execution(executionArn=execution)["status"] != "RUNNING", "the end")
        history = self.states.get_execution_history(executionArn=execution, maxResults=1000)["events"]
        return Told(self.states.describe_execution(executionArn=execution), history)


def script(answers: Mapping[str, Sequence[Any]]) -> str:
    return base64.b64encode(json.dumps(answers).encode()).decode()


@pytest.fixture
def machine(bench: Bench) -> Machine:
    bench.set(wait_factor=0.0005)
    return Machine(bench)


def test_every_step_is_taken_once_in_the_order_of_the_loop_and_then_what_waits_is_looked_for(machine: Machine) -> None:
    told = machine.run({"record": [{"answer": "ended"}]})
    assert (told.status, told.names) == ("SUCCEEDED", [*STEPS, "after"])
    assert {each["run"] for each in told.calls[:-1]} == {script({"record": [{"answer": "ended"}]})}


def test_a_step_that_waits_is_asked_again_and_its_answer_counts(machine: Machine) -> None:
    waits = {"answer": "waits", "seconds": 60}
    told = machine.run({"train": [waits, waits, {"answer": "done"}], "deploy": [waits, {"answer": "done"}]})
    assert told.names.count("train") == 3
    assert told.names.count("deploy") == 2
    assert told.names[-1] == "after"


@pytest.mark.parametrize("seconds", [None, -3, 1e9])
def test_a_wait_without_a_sensible_time_is_a_wait_all_the_same(machine: Machine, seconds: float | None) -> None:
    told = machine.run({"check": [{"answer": "waits", "seconds": seconds}, {"answer": "ended"}]})
    assert (told.status, told.names) == ("SUCCEEDED", ["snapshot", "prepare", "check", "check", "after"])


def test_a_run_that_asks_a_person_ends_its_execution_and_starts_nothing(machine: Machine) -> None:
    told = machine.run({"approve": [{"answer": "asks"}]})
    assert (told.status, told.names) == ("SUCCEEDED", STEPS[: STEPS.index("approve") + 1])


def test_a_run_that_has_ended_early_goes_no_farther(machine: Machine) -> None:
    told = machine.run({"gate": [{"answer": "ended", "outcome": "rejected"}]})
    assert told.names == [*STEPS[: STEPS.index("gate") + 1], "after"]


def test_a_step_that_fails_a_while_is_tried_again(machine: Machine) -> None:
    told = machine.run({"prepare": ["crash", "crash", {"answer": "ended"}]})
    assert (told.status, told.names) == ("SUCCEEDED", ["snapshot", "prepare", "prepare", "prepare", "after"])


def test_a_step_that_never_works_ends_its_run_with_the_cause(machine: Machine) -> None:
    told = machine.run({"prepare": ["crash"]})
    assert told.status == "SUCCEEDED"
    assert told.names == ["snapshot", *["prepare"] * 9, "broken", "after"]
    broken = next(each for each in told.calls if "broken" in each)
    assert "the disk is full" in broken["broken"]


@pytest.mark.parametrize("answer", [{"answer": "perhaps"}, None, {"answer": "waits", "seconds": "soon"}])
def test_an_answer_that_is_not_known_ends_the_run_with_words_about_it(machine: Machine, answer: Any) -> None:
    told = machine.run({"check": [answer]})
    assert told.status == "SUCCEEDED"
    assert told.names[-2:] == ["broken", "after"]
    assert next(each for each in told.calls if "broken" in each)["broken"]


def test_a_run_that_somebody_else_drives_is_ended_when_that_is_over(machine: Machine) -> None:
    told = machine.run({"check": ["crash"], "broken": [{"answer": "waits", "seconds": 5}, {"answer": "ended"}]})
    assert (told.names.count("broken"), told.names[-1]) == (2, "after")


def test_an_execution_that_cannot_even_end_its_run_fails_and_so_raises_the_alarm(machine: Machine) -> None:
    told = machine.run({"check": ["crash"], "broken": ["crash"]})
    assert (told.status, told.error) == ("FAILED", "Everfit.NotEnded")
    assert "the disk is full" in told.cause


def test_a_failing_look_for_what_waits_does_not_spoil_the_run(machine: Machine) -> None:
    told = machine.run({"snapshot": [{"answer": "ended"}]}, name="crash")
    assert (told.status, told.names) == ("SUCCEEDED", ["snapshot", *["after"] * 9])


def test_a_rollback_is_asked_for_until_it_is_over(machine: Machine) -> None:
    answers = {"rollback": [{"answer": "waits", "seconds": 5}, {"answer": "ended"}]}
    back = {"actor": "alarm", "before": None, "to": 3, "reason": 'latency_p99 > "500ms"', "script": script(answers)}
    told = machine.told({"rollback": back})
    assert (told.status, told.names) == ("SUCCEEDED", ["rollback", "rollback", "after"])
    assert told.calls[0]["rollback"] == back


def test_a_rollback_that_never_works_fails_and_so_raises_the_alarm(machine: Machine) -> None:
    told = machine.told({"rollback": {"actor": "alarm", "script": script({"rollback": ["crash"]})}})
    assert (told.status, told.error) == ("FAILED", "Everfit.NotRolledBack")


def test_a_rollback_that_waits_for_ever_is_no_success_and_raises_the_alarm(bench: Bench) -> None:
    bench.set(wait_factor=0.0005)
    answers = script({"rollback": [{"answer": "waits", "seconds": 5}]})
    told = Machine(bench, most_waits=2).told({"rollback": {"actor": "alarm", "script": answers}})
    assert (told.status, told.error, told.names) == ("FAILED", "Everfit.NotRolledBack", ["rollback"] * 3)


def test_what_breaks_while_a_person_is_asked_leaves_the_run_to_the_person(machine: Machine) -> None:
    told = machine.run({"approve": ["crash"], "broken": [{"answer": "asks"}]})
    assert (told.status, told.names[-1]) == ("SUCCEEDED", "broken")


def test_a_wait_that_goes_on_for_ever_is_handed_on_before_the_history_is_full(bench: Bench) -> None:
    bench.set(wait_factor=0.0005)
    told = Machine(bench, most_waits=2).run({"train": [{"answer": "waits", "seconds": 60}]})
    assert (told.status, told.names[-3:], "broken" in told.names) == ("SUCCEEDED", ["train"] * 3, False)
    # 25,000 events end an execution (Step Functions quotas).
    assert MOST_WAITS * told.events_of_a_wait < 25_000 - 1_000
