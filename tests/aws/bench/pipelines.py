"""SageMaker Pipelines: executions that really run the jobs of their steps, one after another."""

import json
import uuid
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from botocore.exceptions import ClientError

from tests.aws.bench.account import need_role
from tests.aws.bench.call import Call, Document
from tests.aws.bench.errors import AwsError, invalid
from tests.aws.bench.events import emit
from tests.aws.bench.objects import split
from tests.aws.bench.operations import operation
from tests.aws.bench.pipeline_values import PARAMETERS, ValueFailureError, Values, read_definition, references
from tests.aws.bench.tags import keep_tags
from tests.aws.bench.world import World, now

EVENT = "SageMaker Model Building Pipeline Execution Status Change"
STEP_EVENT = "SageMaker Model Building Pipeline Execution Step Status Change"
GOING = {"Executing", "Stopping"}
NAMES = ("PipelineDisplayName", "PipelineDescription", "RoleArn", "ParallelismConfiguration")


class StepFailureError(Exception):
    """A step failed; the message is its reason.

    Args:
        metadata: what ListPipelineExecutionSteps tells about the job.
    """

    def __init__(self, message: str, metadata: Document | None = None) -> None:
        super().__init__(message)
        self.metadata = metadata or {}


def missing(world: World, call: Call) -> AwsError:
    del world
    arn = call.arn(f"pipeline/{call.params.get('PipelineName', '')}")
    return AwsError("ResourceNotFound", f"Pipeline '{arn}' does not exist.")


def pipeline_of(world: World, call: Call) -> Document:
    name = str(call.params["PipelineName"]).rpartition("/")[2]
    found = world.table("sagemaker.pipelines", call.region).get(name)
    if found is None:
        raise missing(world, call)
    return found


def definition_text(world: World, call: Call) -> str:
    given = call.params
    if "PipelineDefinition" in given:
        return str(given["PipelineDefinition"])
    place = given["PipelineDefinitionS3Location"]
    s3 = world.client("s3", call.region, world.identities.role_of(call.key))
    return str(s3.get_object(Bucket=place["Bucket"], Key=place["ObjectKey"])["Body"].read().decode())


@operation("sagemaker", "CreatePipeline", is_locked=False)
def create(world: World, call: Call) -> Document:
    given, pipelines = call.params, world.table("sagemaker.pipelines", call.region)
    name, arn = given["PipelineName"], call.arn(f"pipeline/{given['PipelineName']}")
    if name in pipelines:
        if pipelines[name]["_token"] == given.get("ClientRequestToken"):
            return {"PipelineArn": arn}
        raise invalid(
            "Pipeline names must be unique within an AWS account and region. Pipeline with name "
            f"({name}) already exists."
        )
    need_role(given["RoleArn"], "sagemaker.amazonaws.com")
    text = definition_text(world, call)
    read_definition(text)
    pipelines[name] = {
        "PipelineName": name,
        "PipelineArn": arn,
        "PipelineDisplayName": name,
        "PipelineStatus": "Active",
        "PipelineDefinition": text,
        "CreationTime": now(),
        "LastModifiedTime": now(),
        **{member: given[member] for member in NAMES if member in given},
        "_token": given.get("ClientRequestToken"),
    }
    keep_tags(world, call.region, arn, given.get("Tags", []))
    return {"PipelineArn": arn}


@operation("sagemaker", "UpdatePipeline", is_locked=False)
def update(world: World, call: Call) -> Document:
    pipeline, given = pipeline_of(world, call), call.params
    if "PipelineDefinition" in given or "PipelineDefinitionS3Location" in given:
        text = definition_text(world, call)
        read_definition(text)
        pipeline["PipelineDefinition"] = text
    if "RoleArn" in given:
        need_role(given["RoleArn"], "sagemaker.amazonaws.com")
    pipeline.update({member: given[member] for member in NAMES if member in given})
    pipeline["LastModifiedTime"] = now()
    return {"PipelineArn": pipeline["PipelineArn"]}


@operation("sagemaker", "DescribePipeline")
def describe(world: World, call: Call) -> Document:
    return pipeline_of(world, call)


@operation("sagemaker", "DeletePipeline")
def delete(world: World, call: Call) -> Document:
    pipeline = pipeline_of(world, call)
    del world.table("sagemaker.pipelines", call.region)[pipeline["PipelineName"]]
    return {"PipelineArn": pipeline["PipelineArn"]}


@operation("sagemaker", "ListPipelines")
def list_pipelines(world: World, call: Call) -> Document:
    prefix = call.params.get("PipelineNamePrefix", "")
    kept = world.table("sagemaker.pipelines", call.region).values()
    return {"PipelineSummaries": [each for each in kept if each["PipelineName"].startswith(prefix)]}


@operation("sagemaker", "StartPipelineExecution")
def start_execution(world: World, call: Call) -> Document:
    """Start it; the same token again is the same execution (API reference, ClientRequestToken)."""
    pipeline, given = pipeline_of(world, call), call.params
    executions = world.table("sagemaker.executions", call.region)
    token = given.get("ClientRequestToken")
    for kept in executions.values():
        if token is not None and kept["_token"] == token and kept["PipelineArn"] == pipeline["PipelineArn"]:
            return {"PipelineExecutionArn": kept["PipelineExecutionArn"]}
    definition = read_definition(pipeline["PipelineDefinition"])
    parameters = parameter_values(definition, given.get("PipelineParameters", []))
    name = uuid.uuid4().hex[:12]
    arn = f"{pipeline['PipelineArn']}/execution/{name}"
    shown: Document = {
        "PipelineArn": pipeline["PipelineArn"],
        "PipelineExecutionArn": arn,
        "PipelineExecutionDisplayName": given.get("PipelineExecutionDisplayName", f"execution-{name}"),
        "PipelineExecutionDescription": given.get("PipelineExecutionDescription", ""),
        "PipelineExecutionStatus": "Executing",
        "CreationTime": now(),
        "LastModifiedTime": now(),
        "_token": token,
        "_parameters": given.get("PipelineParameters", []),
        "_definition": pipeline["PipelineDefinition"],
    }
    run = Execution(world=world, region=call.region, shown=shown, role=pipeline["RoleArn"], definition=definition)
    run.values = Values(
        parameters=parameters,
        execution={"PipelineExecutionId": name, "PipelineExecutionArn": arn, "PipelineName": pipeline["PipelineName"]},
        read_file=run.property_file,
    )
    shown["_run"] = run
    executions[arn] = shown
    world.background(run.go)
    return {"PipelineExecutionArn": arn}


def parameter_values(definition: Document, given: list[Document]) -> Document:
    """Return the value of every parameter in its type."""
    told = {each["Name"]: each["Value"] for each in given}
    declared = {parameter["Name"]: parameter for parameter in definition.get("Parameters", [])}
    unknown = sorted(set(told) - set(declared))
    if unknown:
        raise invalid(f"Unknown parameters: {unknown}")
    values: Document = {}
    for name, parameter in declared.items():
        if name not in told and "DefaultValue" not in parameter:
            raise invalid(f"Parameter {name} has no value and no default.")
        value = told.get(name, parameter.get("DefaultValue"))
        try:
            values[name] = PARAMETERS[parameter["Type"]](value)
        except ValueError as error:
            raise invalid(f"Parameter {name} is {value!r}, which is no {parameter['Type']}.") from error
        if "EnumValues" in parameter and values[name] not in parameter["EnumValues"]:
            raise invalid(f"Parameter {name} must be one of {parameter['EnumValues']}.")
    return values


@dataclass(slots=True, kw_only=True)
class Execution:
    """One execution on its way."""

    world: World
    region: str
    shown: Document
    role: str
    definition: Document
    values: Values = field(init=False)
    steps: list[Document] = field(default_factory=list[Document])
    is_stopped: Event = field(default_factory=Event)

    def client(self, service: str) -> Any:
        return self.world.client(service, self.region, self.role)

    def go(self) -> None:
        """Run the steps; those that wait for others come after them."""
        self.tell("Executing", "Executing")
        try:
            self._run_all(self.definition["Steps"])
        except (StepFailureError, ValueFailureError, ClientError) as error:
            if self.is_stopped.is_set():
                self.move("Stopped")
                return
            self.shown["FailureReason"] = f"Step failure: One or multiple steps failed. {error}"
            self.move("Failed")
        else:
            self.move("Stopped" if self.is_stopped.is_set() else "Succeeded")

    def move(self, status: str) -> None:
        before, self.shown["PipelineExecutionStatus"] = self.shown["PipelineExecutionStatus"], status
        self.shown["LastModifiedTime"] = now()
        self.tell(before, status)

    def tell(self, before: str, status: str) -> None:
        """Send the event (SageMaker guide, "Events that Amazon SageMaker AI sends to Amazon EventBridge")."""
        shown = self.shown
        detail = {
            "pipelineExecutionDisplayName": shown["PipelineExecutionDisplayName"],
            "pipelineExecutionDescription": shown["PipelineExecutionDescription"],
            "previousPipelineExecutionStatus": before,
            "currentPipelineExecutionStatus": status,
            "executionStartTime": shown["CreationTime"].strftime("%Y-%m-%dT%H:%M:%SZ"),
            "pipelineArn": shown["PipelineArn"],
            "pipelineExecutionArn": shown["PipelineExecutionArn"],
        }
        if status not in GOING:
            detail["executionEndTime"] = now().strftime("%Y-%m-%dT%H:%M:%SZ")
        places = [shown["PipelineArn"], shown["PipelineExecutionArn"]]
        emit(self.world, self.region, "aws.sagemaker", EVENT, detail, places)

    def _run_all(self, steps: list[Document]) -> None:
        waiting = list(steps)
        while waiting and not self.is_stopped.is_set():
            names = {step["Name"] for step in waiting}
            ready = [step for step in waiting if not needs(step) & names]
            if not ready:
                raise StepFailureError(f"Steps {sorted(names)} wait for each other.")
            for step in ready:
                if not self.is_stopped.is_set():
                    self._run(step)
                waiting.remove(step)

    def _run(self, step: Document) -> None:
        entry: Document = {"StepName": step["Name"], "StepStatus": "Executing", "StartTime": now(), "AttemptCount": 1}
        self.steps.append(entry)
        self._tell_step(entry, step["Type"], "Starting")
        try:
            entry["Metadata"] = RUNNERS[step["Type"]](self, step)
        except (StepFailureError, ValueFailureError, ClientError) as error:
            status = "Stopped" if self.is_stopped.is_set() else "Failed"
            entry.update(StepStatus=status, FailureReason=str(error), EndTime=now())
            entry.setdefault("Metadata", getattr(error, "metadata", {}))
            self._tell_step(entry, step["Type"], "Executing")
            raise
        entry.update(StepStatus="Succeeded", EndTime=now())
        self._tell_step(entry, step["Type"], "Executing")

    def _tell_step(self, entry: Document, kind: str, before: str) -> None:
        detail = {
            "stepName": entry["StepName"],
            "stepType": kind,
            "previousStepStatus": before,
            "currentStepStatus": entry["StepStatus"],
            "pipelineArn": self.shown["PipelineArn"],
            "pipelineExecutionArn": self.shown["PipelineExecutionArn"],
        }
        detail |= {"failureReason": entry["FailureReason"]} if "FailureReason" in entry else {}
        emit(self.world, self.region, "aws.sagemaker", STEP_EVENT, detail, [self.shown["PipelineArn"]])

    def job(self, step: Document) -> Document:
        """Run the job of a step to its end; stop it when the execution is stopped."""
        kind = f"{step['Type']}Job"
        verb = {"TrainingJob": "training_job", "ProcessingJob": "processing_job"}[kind]
        short = f"pipelines-{self.values.execution['PipelineExecutionId']}-{step['Name']}"[:52]
        name = f"{short}-{uuid.uuid4().hex[:10]}"
        sagemaker = self.client("sagemaker")
        arguments = {**self.values.of(step["Arguments"]), f"{kind}Name": name}
        arn = getattr(sagemaker, f"create_{verb}")(**arguments)[f"{kind}Arn"]
        told: Document = {}
        is_told_to_stop = False
        while told.get(f"{kind}Status", "InProgress") in {"InProgress", "Stopping"}:
            self.world.pause(self.world.settings.step)
            told = getattr(sagemaker, f"describe_{verb}")(**{f"{kind}Name": name})
            if self.is_stopped.is_set() and not is_told_to_stop and told[f"{kind}Status"] == "InProgress":
                is_told_to_stop = True
                getattr(sagemaker, f"stop_{verb}")(**{f"{kind}Name": name})
        if told[f"{kind}Status"] != "Completed":
            reason = told.get("FailureReason") or f"{kind} {name} was {told[f'{kind}Status']}."
            raise StepFailureError(reason, {kind: {"Arn": arn}})
        self.values.steps[step["Name"]] = {**told, "_files": step.get("PropertyFiles", [])}
        return {kind: {"Arn": arn}}

    def condition(self, step: Document) -> Document:
        given = step["Arguments"]
        is_so = all(self.values.holds(each) for each in given["Conditions"])
        self._run_all(given["IfSteps" if is_so else "ElseSteps"])
        return {"Condition": {"Outcome": "True" if is_so else "False"}}

    def fail(self, step: Document) -> Document:
        raise StepFailureError(str(self.values.of(step["Arguments"]["ErrorMessage"])))

    def property_file(self, step: str, name: str) -> Any:
        """Return the content of a file that a processing step declared."""
        told = self.values.steps.get(step, {})
        declared = [each for each in told.get("_files", []) if each["PropertyFileName"] == name]
        if not declared:
            raise ValueFailureError(f"Step {step} has no property file {name}.")
        outputs = told["ProcessingOutputConfig"]["Outputs"]
        uri = next(each["S3Output"]["S3Uri"] for each in outputs if each["OutputName"] == declared[0]["OutputName"])
        bucket, key = split(f"{uri.rstrip('/')}/{declared[0]['FilePath']}")
        return json.loads(self.client("s3").get_object(Bucket=bucket, Key=key)["Body"].read())


RUNNERS: dict[str, Any] = {
    "Training": Execution.job,
    "Processing": Execution.job,
    "Condition": Execution.condition,
    "Fail": Execution.fail,
}


def needs(step: Document) -> set[str]:
    """Return the steps that *step* waits for."""
    named = {path.split(".")[1] for path in references(step) if path.startswith("Steps.")}
    return {*step.get("DependsOn", []), *named} - {step["Name"]}


def execution_of(world: World, call: Call) -> Document:
    arn = str(call.params["PipelineExecutionArn"])
    found = world.table("sagemaker.executions", call.region).get(arn)
    if found is None:
        raise AwsError("ResourceNotFound", f"Pipeline execution with ARN {arn} does not exist")
    return found


@operation("sagemaker", "DescribePipelineExecution")
def describe_execution(world: World, call: Call) -> Document:
    return execution_of(world, call)


@operation("sagemaker", "ListPipelineExecutions")
def list_executions(world: World, call: Call) -> Document:
    arn = pipeline_of(world, call)["PipelineArn"]
    kept = world.table("sagemaker.executions", call.region).values()
    found = [{**each, "StartTime": each["CreationTime"]} for each in kept if each["PipelineArn"] == arn]
    return {"PipelineExecutionSummaries": list(reversed(found))}


@operation("sagemaker", "ListPipelineExecutionSteps")
def list_steps(world: World, call: Call) -> Document:
    run: Execution = execution_of(world, call)["_run"]
    steps = list(run.steps)
    return {"PipelineExecutionSteps": steps if call.params.get("SortOrder") == "Ascending" else steps[::-1]}


@operation("sagemaker", "ListPipelineParametersForExecution")
def list_parameters(world: World, call: Call) -> Document:
    return {"PipelineParameters": execution_of(world, call)["_parameters"]}


@operation("sagemaker", "DescribePipelineDefinitionForExecution")
def describe_definition(world: World, call: Call) -> Document:
    shown = execution_of(world, call)
    return {"PipelineDefinition": shown["_definition"], "CreationTime": shown["CreationTime"]}


@operation("sagemaker", "StopPipelineExecution")
def stop(world: World, call: Call) -> Document:
    shown = execution_of(world, call)
    run: Execution = shown["_run"]
    if shown["PipelineExecutionStatus"] == "Executing":
        run.move("Stopping")
        run.is_stopped.set()
    return {"PipelineExecutionArn": shown["PipelineExecutionArn"]}
