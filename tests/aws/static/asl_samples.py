"""State machines: one right in JSONPath, one right in JSONata, the others wrong in one way each."""

import copy
from collections.abc import Callable, Mapping
from typing import Any, Final

Definition = dict[str, Any]

IN_JSONPATH: Final[Definition] = {
    "StartAt": "Train",
    "States": {
        "Train": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sagemaker:createTrainingJob.sync",
            "TimeoutSeconds": 3600,
            "Parameters": {
                "TrainingJobName.$": "$$.Execution.Name",
                "RoleArn": "arn:aws:iam::123456789012:role/train",
                "AlgorithmSpecification": {"TrainingImage": "image", "TrainingInputMode": "File"},
                "OutputDataConfig": {"S3OutputPath": "s3://bucket/output"},
                "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 5},
                "StoppingCondition": {"MaxRuntimeInSeconds": 60},
            },
            "ResultPath": "$.job",
            "Retry": [{"ErrorEquals": ["States.TaskFailed"], "MaxAttempts": 2}],
            "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Failed"}],
            "Next": "Gate",
        },
        "Gate": {
            "Type": "Choice",
            "Choices": [{"Variable": "$.score", "NumericGreaterThan": 0.8, "Next": "Done"}],
            "Default": "Failed",
        },
        "Done": {"Type": "Succeed"},
        "Failed": {"Type": "Fail", "Error": "Gate", "Cause": "not good enough"},
    },
}

IN_JSONATA: Final[Definition] = {
    "QueryLanguage": "JSONata",
    "StartAt": "Measure",
    "States": {
        "Measure": {"Type": "Pass", "Assign": {"best": "{% $max($states.input.scores) %}"}, "Next": "Gate"},
        "Gate": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $best > 0.8 %}", "Next": "Tell"}],
            "Default": "Tell",
        },
        "Tell": {
            "Type": "Task",
            "Resource": "arn:aws:states:::sns:publish",
            "Arguments": {
                "TopicArn": "${Topic}",
                "Message": "{% $join($map($states.input.scores, function($score) { $string($score) }), ', ') %}",
            },
            "End": True,
        },
    },
}


def _changed(base: Definition, change: Callable[[dict[str, Any]], object]) -> Definition:
    definition = copy.deepcopy(base)
    change(definition["States"])
    return definition


def _train(change: Callable[[dict[str, Any]], object]) -> Definition:
    return _changed(IN_JSONPATH, lambda states: change(states["Train"]))


def _resource(arn: str) -> Definition:
    return _train(lambda train: train.update(Resource=arn))


WRONG: Final[Mapping[str, Definition]] = {
    "next state that is not there": _train(lambda train: train.update(Next="Nowhere")),
    "start at a state that is not there": {**IN_JSONPATH, "StartAt": "Nowhere"},
    "type that there is not": _train(lambda train: train.update(Type="Tusk")),
    "neither next nor end": _train(lambda train: train.pop("Next")),
    "state that nothing leads to": _changed(IN_JSONPATH, lambda states: states.update(Orphan={"Type": "Succeed"})),
    "catch that leads nowhere": _train(lambda train: train["Catch"][0].update(Next="Nowhere")),
    "operator that there is not": _changed(
        IN_JSONPATH, lambda states: states["Gate"]["Choices"][0].update(NumericGreater=1)
    ),
    "path that cannot be read": _train(lambda train: train.update(ResultPath="job..x[")),
    "field that there is not": _train(lambda train: train.update(Retries=[])),
    "States.ALL that is not last": _train(
        lambda train: train.update(Retry=[{"ErrorEquals": ["States.ALL"]}, {"ErrorEquals": ["States.Timeout"]}])
    ),
    "path without a dollar": _train(lambda train: train["Parameters"].update({"TrainingJobName.$": "Execution.Name"})),
    "action that there is not": _resource("arn:aws:states:::sagemaker:createTrainingJobs.sync"),
    "action of an sdk that there is not": _resource("arn:aws:states:::aws-sdk:sagemaker:createTrainingJobb"),
    "action that is only in the sdk": _resource("arn:aws:states:::sagemaker:stopTrainingJob"),
    "wait for an end in the sdk": _resource("arn:aws:states:::aws-sdk:sagemaker:createTrainingJob.sync"),
    "parameter that there is not": _train(lambda train: train["Parameters"].update(TrainingInstance="ml.m5.large")),
    "parameter that is missing": _train(lambda train: train["Parameters"].pop("OutputDataConfig")),
    "instance type that there is not": _train(
        lambda train: train["Parameters"]["ResourceConfig"].update(InstanceType="ml.m5.tiny")
    ),
    "expression that cannot be read": _changed(
        IN_JSONATA, lambda states: states["Measure"]["Assign"].update(best="{% $max($states.input.scores %}")
    ),
    "field of the other language": _changed(IN_JSONATA, lambda states: states["Measure"].update(ResultPath="$.x")),
    "variable that nothing sets": _changed(
        IN_JSONATA, lambda states: states["Tell"]["Arguments"].update(Message="{% $nope %}")
    ),
}
