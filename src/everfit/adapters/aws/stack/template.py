"""The template of one environment, put together from its parts."""

from typing import Final

from everfit.adapters.aws.stack.blueprint import Blueprint
from everfit.adapters.aws.stack.functions import functions, log_group
from everfit.adapters.aws.stack.happenings import happenings
from everfit.adapters.aws.stack.pieces import GetAtt, Ref, Resource, Template, Tree, as_tree
from everfit.adapters.aws.stack.state_machine import state_machine
from everfit.adapters.aws.stack.watching import watching
from everfit.application.loop import LOOP

DIRECT_BYTES: Final = 51_200
"""A larger template has to lie in S3 (CloudFormation quotas)."""
MOST_BYTES: Final = 1_000_000

PACKAGE_GROUP: Final = "PackageGroup"
TOPIC: Final = "Topic"


def environment_template(blueprint: Blueprint) -> Template:
    """Return the template of an environment's stack.

    Endpoints, their configurations and models, and a serving function's versions are not in it: they change with
    every deployment, which would be drift.
    """
    resources = {
        **functions(blueprint),
        **_machine(blueprint),
        **happenings(blueprint),
        **watching(blueprint),
        **_package_group(blueprint),
    }
    return Template(
        description=f"Everfit keeps {blueprint.place.model} fresh in {blueprint.place.environment}.",
        resources=resources,
        outputs=_outputs(blueprint, resources),
        tags=blueprint.place.all_tags,
    )


def _machine(blueprint: Blueprint) -> dict[str, Resource]:
    name = blueprint.place.names.state_machine
    return {
        # Log groups of Step Functions must be named so (its Developer Guide, "Logging in CloudWatch Logs").
        "MachineLogs": log_group(blueprint, f"/aws/vendedlogs/states/{name}"),
        "Machine": Resource(
            type="AWS::StepFunctions::StateMachine",
            properties={
                "StateMachineName": name,
                "RoleArn": GetAtt("MachineRole"),
                "Definition": as_tree(state_machine([step.name for step in LOOP], blueprint.partition)),
                "DefinitionSubstitutions": {
                    "StepFunctionArn": GetAtt("StepFunction"),
                    "TickFunctionArn": GetAtt("TickFunction"),
                },
                "LoggingConfiguration": {
                    "Level": "ERROR",
                    "IncludeExecutionData": False,
                    "Destinations": [{"CloudWatchLogsLogGroup": {"LogGroupArn": GetAtt("MachineLogs")}}],
                },
            },
        ),
    }


def _package_group(blueprint: Blueprint) -> dict[str, Resource]:
    if PACKAGE_GROUP in blueprint.outside:
        return {}
    return {
        PACKAGE_GROUP: Resource(
            type="AWS::SageMaker::ModelPackageGroup",
            properties={
                "ModelPackageGroupName": blueprint.place.names.package_group,
                "ModelPackageGroupDescription": f"Versions of {blueprint.place.model}, kept by Everfit.",
            },
            is_data=True,
        )
    }


def _outputs(blueprint: Blueprint, resources: dict[str, Resource]) -> dict[str, Tree]:
    outputs: dict[str, Tree] = {
        "StateMachine": Ref("Machine"),
        "TriggerFunction": GetAtt("TriggerFunction"),
        "EventsFunction": GetAtt("EventsFunction"),
        "TickFunction": GetAtt("TickFunction"),
        "DeadLetters": Ref("DeadLetters"),
        "Endpoint": blueprint.environment.endpoint,
    }
    if "Queue" in resources:
        outputs["Queue"] = Ref("Queue")
    if "JobRole" in resources:
        outputs["JobRole"] = GetAtt("JobRole")
    if blueprint.topic is not None:
        outputs["Topic"] = blueprint.topic
    return outputs
