"""A stack that was applied: what the next plan says, and what the next apply does to it.

One stack serves all these tests, as making one takes seconds; each leaves it as it was.
"""

from collections.abc import Iterator

import pytest

from everfit.domain.errors import BackendError, RefusedError
from everfit.domain.stack_plan import ChangeKind
from tests.aws.bench.client import Bench, until
from tests.aws.blueprints import PLAIN
from tests.aws.stacks import BASE, STACK, StackWorld, opened

WATCHED = PLAIN + "triggers: [{data: {quiet_for: 5m}}, {schedule: rate(1 day)}]\n"


@pytest.fixture(scope="module")
def made(bench_server: Bench, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StackWorld]:
    bench_server.reset()
    with pytest.MonkeyPatch.context() as variables:
        for name, value in bench_server.environment().items():
            variables.setenv(name, value)
        world = StackWorld(bench_server, tmp_path_factory.mktemp("project") / "churn")
        world.apply(PLAIN)
        yield world


@pytest.fixture
def world(made: StackWorld) -> StackWorld:
    made.project(PLAIN)
    made.said.clear()
    return made


def test_an_apply_makes_bucket_and_stack_and_puts_the_project_in_force(world: StackWorld) -> None:
    assert world.apply() == 0
    outputs = world.bench.client("cloudformation").describe_stacks(StackName=STACK)["Stacks"][0]["Outputs"]
    assert any(each["OutputValue"].endswith(":stateMachine:everfit-churn-production") for each in outputs)
    assert world.status(BASE) == "CREATE_COMPLETE"
    assert world.in_force()["text"] == PLAIN
    assert any(key.startswith("everfit/code/") for key in world.stored())


def test_a_project_file_that_changes_no_resource_comes_into_force(world: StackWorld) -> None:
    # The gate is drawn on the dashboard by the metric's name alone.
    changed = PLAIN.replace("mape < 20", "mape < 10")
    assert world.apply(changed) == 0
    assert world.in_force()["text"] == changed
    world.apply(PLAIN)


def test_a_plan_of_a_change_says_what_changes_and_changes_nothing(world: StackWorld) -> None:
    keys, status = world.stored(), world.status()
    world.project(WATCHED.replace("bucket: everfit-bench", "bucket: everfit-bench, logs: 90d"))
    found = {change.resource: change for change in world.plan().stacks[1].changes}
    assert found["Queue"].kind is ChangeKind.ADDED
    assert found["Schedule1"].kind is ChangeKind.ADDED
    assert found["StepLogs"].kind is ChangeKind.CHANGED
    assert "RetentionInDays" in found["StepLogs"].properties
    assert (world.status(), world.stored()) == (status, keys)
    assert world.bench.client("cloudformation").list_change_sets(StackName=STACK)["Summaries"] == []


def test_what_is_not_wanted_any_more_is_removed(world: StackWorld) -> None:
    assert world.apply(WATCHED) > 0
    world.project(PLAIN)
    kinds = {change.resource: change.kind for change in world.plan().stacks[1].changes}
    assert kinds["Queue"] is ChangeKind.REMOVED
    world.apply()
    assert not world.plan().has_changes


def test_a_renamed_thing_is_replaced_and_the_plan_names_the_property(world: StackWorld) -> None:
    world.project(PLAIN.replace("bucket: everfit-bench", "bucket: everfit-bench, names: {state_machine: churn-loop}"))
    found = {change.resource: change for change in world.plan().stacks[1].changes}
    assert found["Machine"].kind is ChangeKind.REPLACED
    assert found["Machine"].replaced_by == ("StateMachineName",)


def test_what_was_changed_by_hand_is_told_with_both_values(world: StackWorld) -> None:
    group, logs = "/aws/lambda/everfit-churn-production-step", world.bench.client("logs")
    logs.put_retention_policy(logGroupName=group, retentionInDays=3)
    (drift,) = world.plan().stacks[1].drift
    logs.put_retention_policy(logGroupName=group, retentionInDays=30)
    assert drift.resource == "StepLogs"
    assert ("RetentionInDays", "30", "3") in drift.differences


def test_a_change_that_fails_leaves_the_old_project_in_force(world: StackWorld) -> None:
    world.bench.set(stack_failure="Queue")
    with pytest.raises(BackendError, match="Everything is as it was before"):
        world.apply(WATCHED)
    world.bench.set(stack_failure="")
    assert world.status() == "UPDATE_ROLLBACK_COMPLETE"
    assert world.in_force()["text"] == PLAIN


def test_a_template_above_the_limit_goes_by_way_of_the_bucket_and_leaves_nothing_there(world: StackWorld) -> None:
    schedules = "".join(f'  - schedule: "{minute} 3 * * *"\n' for minute in range(40))
    world.project(f"{PLAIN}triggers:\n{schedules}")
    added = [each for each in world.plan().stacks[1].changes if each.type == "AWS::Scheduler::Schedule"]
    assert len(added) == 40
    newest = world.bench.calls("cloudformation", "CreateChangeSet")[-2:]
    assert any("TemplateURL" in call["params"] for call in newest)
    assert not any("templates" in key for key in world.stored())


def test_destroy_refuses_while_a_run_is_under_way(world: StackWorld) -> None:
    world.bench.set(wait_factor=10.0)
    states = world.bench.client("stepfunctions")
    machine = states.list_state_machines()["stateMachines"][0]["stateMachineArn"]
    execution = states.start_execution(stateMachineArn=machine, name="run-1", input='{"run": "nobody"}')["executionArn"]
    with pytest.raises(RefusedError, match=r"A run is under way \(run-1\)"):
        opened(world.folder).destroy(world.said.append, data=False)
    states.stop_execution(executionArn=execution)
    until(lambda: states.describe_execution(executionArn=execution)["status"] != "RUNNING", "the end of the run")
    world.bench.set(wait_factor=0.01)
    assert world.status() is not None
