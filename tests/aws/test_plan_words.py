"""What CloudFormation says becomes words that tell what happens, to what, and why."""

from typing import Any

import pytest

from everfit.adapters.aws.stack.changes import changes_of, drift_of, first_cause, kept_resources
from everfit.adapters.aws.stack.price_list import own_prices
from everfit.domain.cost import Usage, estimate
from everfit.domain.stack_plan import Change, ChangeKind, PlannedStack, Removal, StackPlan
from everfit.interfaces.cli.stack_words import plan_lines, removal_lines
from tests.aws.blueprints import ACCOUNT, PLAIN, project_of

STACK = f"arn:aws:cloudformation:us-east-1:{ACCOUNT}:stack/everfit-churn-production/1"


def changed(action: str = "Modify", **more: Any) -> dict[str, Any]:
    given = {"Action": action, "LogicalResourceId": "Queue", "ResourceType": "AWS::SQS::Queue", **more}
    return {"Type": "Resource", "ResourceChange": given}


def detail(name: str, recreation: str = "Never") -> dict[str, Any]:
    return {"Target": {"Attribute": "Properties", "Name": name, "RequiresRecreation": recreation}}


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        (changed("Add"), ChangeKind.ADDED),
        (changed("Remove"), ChangeKind.REMOVED),
        (changed(Replacement="False"), ChangeKind.CHANGED),
        (changed(Replacement="True"), ChangeKind.REPLACED),
        (changed(Replacement="Conditional"), ChangeKind.MAYBE_REPLACED),
    ],
)
def test_each_change_is_told_by_what_becomes_of_the_resource(given: dict[str, Any], kind: ChangeKind) -> None:
    (change,) = changes_of([given], frozenset())
    assert change.kind is kind


def test_a_resource_that_the_stack_lets_go_of_but_keeps_is_not_called_removed() -> None:
    template = {"Resources": {"Queue": {"DeletionPolicy": "RetainExceptOnCreate"}, "Other": {}}}
    (change,) = changes_of([changed("Remove")], kept_resources(template))
    assert change.kind is ChangeKind.KEPT


def test_a_replacement_names_the_properties_that_force_it() -> None:
    given = changed(Replacement="True", Details=[detail("QueueName", "Always"), detail("VisibilityTimeout")])
    (change,) = changes_of([given], frozenset())
    assert (change.replaced_by, change.properties) == (("QueueName",), ("QueueName", "VisibilityTimeout"))


def event(name: str, status: str, reason: str = "", **more: Any) -> dict[str, Any]:
    return {
        "LogicalResourceId": name,
        "ResourceType": "AWS::Lambda::Function",
        "ResourceStatus": status,
        "ResourceStatusReason": reason,
        "StackId": STACK,
        "PhysicalResourceId": name,
        **more,
    }


def test_the_first_failure_is_told_and_not_what_followed_from_it() -> None:
    events = [
        event("Queue", "CREATE_COMPLETE"),
        event("TickFunction", "CREATE_FAILED", "Resource creation cancelled"),
        event("StepFunction", "CREATE_FAILED", "The role may not be\n assumed"),
        event("Machine", "CREATE_FAILED", "Resource creation cancelled"),
        event("everfit", "ROLLBACK_IN_PROGRESS", "The following failed: StepFunction", PhysicalResourceId=STACK),
    ]
    assert first_cause(events) == "StepFunction (AWS::Lambda::Function): The role may not be assumed"


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("everfit-churn-production-step already exists in stack arn:aws:…", "choose another name under aws.names"),
        ("User: arn:aws:iam::1:user/me is not authorized to perform: iam:CreateRole", "everfit doctor --aws"),
        ("Access Denied", "everfit doctor --aws"),
    ],
)
def test_a_failure_that_people_can_mend_says_how(reason: str, advice: str) -> None:
    assert advice in (first_cause([event("StepFunction", "CREATE_FAILED", reason)]) or "")


def test_without_a_failure_there_is_no_cause() -> None:
    assert first_cause([event("Queue", "CREATE_COMPLETE")]) is None


def test_what_was_changed_by_hand_is_told_with_both_values() -> None:
    described: list[dict[str, Any]] = [
        {
            "LogicalResourceId": "Queue",
            "ResourceType": "AWS::SQS::Queue",
            "StackResourceDriftStatus": "MODIFIED",
            "PropertyDifferences": [
                {"PropertyPath": "/VisibilityTimeout", "ExpectedValue": "720", "ActualValue": "30"}
            ],
        },
        {"LogicalResourceId": "Topic", "ResourceType": "AWS::SNS::Topic", "StackResourceDriftStatus": "DELETED"},
        {"LogicalResourceId": "Same", "ResourceType": "AWS::SNS::Topic", "StackResourceDriftStatus": "IN_SYNC"},
    ]
    stack = PlannedStack(name="everfit", status="UPDATE_COMPLETE", changes=(), drift=drift_of(described))
    lines = list(plan_lines(a_plan(stack)))
    assert "  ? changed by hand: SQS Queue Queue VisibilityTimeout is 30 instead of 720" in lines
    assert "  ? deleted by hand: SNS Topic Topic" in lines


def a_plan(*stacks: PlannedStack, text: str = PLAIN) -> StackPlan:
    project = project_of(text)
    environment = project.environments["production"]
    return StackPlan(
        model="churn",
        environment="production",
        account=ACCOUNT,
        region="us-east-1",
        stacks=stacks,
        rights=(),
        unprotected=("Alarms tell nobody.",),
        cost=estimate(project, environment, own_prices(), Usage(), alarms=4, memory=512),
    )


def test_a_plan_says_what_changes_and_what_forces_a_replacement() -> None:
    change = Change(
        kind=ChangeKind.REPLACED,
        resource="Queue",
        type="AWS::SQS::Queue",
        name="https://sqs.us-east-1.amazonaws.com/1/everfit-data",
        replaced_by=("QueueName",),
    )
    text = "\n".join(plan_lines(a_plan(PlannedStack(name="everfit", status="UPDATE_COMPLETE", changes=(change,)))))
    assert "! replaced SQS Queue Queue everfit-data\n      because of QueueName" in text
    assert "Not protected:\n  Alarms tell nobody." in text
    assert "assumed: prices of" in text


def test_a_price_that_is_missing_is_said_and_not_taken_for_nothing() -> None:
    text = PLAIN.replace("gate:", "serve: {sagemaker: {instance: ml.p9.huge}}\ngate:")
    lines = "\n".join(plan_lines(a_plan(text=text)))
    assert "Cost, estimated: unknown a month" in lines
    assert "not in the price list: endpoint churn, 1 × ml.p9.huge" in lines


def test_a_removal_says_what_goes_and_what_stays() -> None:
    removal = Removal(removed=("the stack x",), kept=("the bucket b",))
    assert list(removal_lines(removal, is_done=False)) == ["would remove the stack x", "would keep the bucket b"]
    assert list(removal_lines(Removal(removed=(), kept=()), is_done=True)) == ["There is nothing to remove."]
