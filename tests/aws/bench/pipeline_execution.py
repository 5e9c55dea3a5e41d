"""One execution of a pipeline: its steps in the order of their needs, their jobs, its events."""

import json
import uuid
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from botocore.exceptions import ClientError

from tests.aws.bench.call import Document
from tests.aws.bench.events import emit
from tests.aws.bench.objects import split
from tests.aws.bench.pipeline_callbacks import ask, tell
from tests.aws.bench.pipeline_values import ValueFailureError, Values, references
from tests.aws.bench.world import World, now

EVENT = "SageMaker Model Building Pipeline Execution Status Change"
STEP_EVENT = "SageMaker Model Building Pipeline Execution Step Status Change"
GOING = {"Executing", "Stopping"}


class StepFailureError(Exception):
    """A step failed; the message is its reason."""


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
            RUNNERS[step["Type"]](self, step, entry)
        except (StepFailureError, ValueFailureError, ClientError) as error:
            status = "Stopped" if self.is_stopped.is_set() else "Failed"
            entry.update(StepStatus=status, FailureReason=str(error), EndTime=now())
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

    def job(self, step: Document, entry: Document) -> None:
        """Run the job of a step to its end; stop it when the execution is stopped."""
        kind = f"{step['Type']}Job"
        verb = {"TrainingJob": "training_job", "ProcessingJob": "processing_job"}[kind]
        short = f"pipelines-{self.values.execution['PipelineExecutionId']}-{step['Name']}"[:52]
        name = f"{short}-{uuid.uuid4().hex[:10]}"
        sagemaker = self.client("sagemaker")
        arguments = {**self.values.of(step["Arguments"]), f"{kind}Name": name}
        arn = getattr(sagemaker, f"create_{verb}")(**arguments)[f"{kind}Arn"]
        entry["Metadata"] = {kind: {"Arn": arn}}
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
            raise StepFailureError(reason)
        self.values.steps[step["Name"]] = {**told, "_files": step.get("PropertyFiles", [])}

    def condition(self, step: Document, entry: Document) -> None:
        given = step["Arguments"]
        is_so = all(self.values.holds(each) for each in given["Conditions"])
        entry["Metadata"] = {"Condition": {"Outcome": "True" if is_so else "False"}}
        self._run_all(given["IfSteps" if is_so else "ElseSteps"])

    def callback(self, step: Document, entry: Document) -> None:
        """Wait for an answer, also when the execution is to stop: then a second message asks for it.

        (API reference, StopPipelineExecution: it "won't stop while a callback step is running".)
        """
        arguments, execution = self.values.of(step["Arguments"]), str(self.shown["PipelineExecutionArn"])
        token, callback = ask(self.world, self.region, self.role, step, arguments, execution)
        told: Document = {"CallbackToken": token, "SqsQueueUrl": step["SqsQueueUrl"], "OutputParameters": []}
        entry["Metadata"] = {"Callback": told}
        is_told_to_stop = False
        while not callback.is_answered.is_set():
            self.world.pause(self.world.settings.step)
            if self.is_stopped.is_set() and not is_told_to_stop:
                is_told_to_stop = True
                message = {"token": token, "arguments": arguments, "pipelineExecutionArn": execution}
                tell(self.world, self.region, self.role, step, message, "Stopping")
        if callback.failure is not None:
            raise StepFailureError(callback.failure)
        told["OutputParameters"] = [{"Name": name, "Value": value} for name, value in callback.given.items()]
        self.values.steps[step["Name"]] = {"OutputParameters": callback.given}

    def fail(self, step: Document, entry: Document) -> None:
        del entry
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
    "Callback": Execution.callback,
    "Fail": Execution.fail,
}


def needs(step: Document) -> set[str]:
    """Return the steps that *step* waits for."""
    named = {path.split(".")[1] for path in references(step) if path.startswith("Steps.")}
    return {*step.get("DependsOn", []), *named} - {step["Name"]}
