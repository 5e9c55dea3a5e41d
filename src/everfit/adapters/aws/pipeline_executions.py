"""The calls about pipelines: the one of an environment is made and changed, an execution is started, read, answered.

Each may be lost or repeated: tokens make a start the same start, and a refused answer is settled by looking.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import MISSING, code_of, explained
from everfit.adapters.aws.job_requests import Setting, tag_list
from everfit.domain.errors import RequestError

EXECUTING: Final = "Executing"
STOPPING: Final = "Stopping"
STOPPED: Final = "Stopped"
LOOKED_AT: Final = 20
"""Older executions that are looked at when one starts: those of before were looked at then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSeen:
    """What SageMaker says of a step.

    Args:
        job: name of its job; None before there is one, and of a step that has none.
        token: of a callback step, when SageMaker tells it here; the queue is where it is promised.
    """

    status: str
    job: str | None = None
    token: str | None = None

    @property
    def is_going(self) -> bool:
        """Whether it has not ended."""
        return self.status in ("Starting", "Executing", "Stopping")


class Executions:
    """The pipeline of one environment and its executions."""

    def __init__(self, clients: Clients, setting: Setting) -> None:
        self._clients = clients
        self._setting = setting
        self._name = str(setting.place.names.pipeline)

    def start(self, run: str, definition: str, values: Mapping[str, str]) -> str:
        """Start the execution of a run, once; return its ARN."""
        self._settle(definition)
        with explained(f"start the pipeline {self._name}"):
            started = self._client.start_pipeline_execution(
                PipelineName=self._name,
                PipelineExecutionDisplayName=run,
                PipelineParameters=[{"Name": name, "Value": value} for name, value in sorted(values.items())],
                # "An idempotent operation completes no more than once" (API reference, StartPipelineExecution).
                ClientRequestToken=_token(self._setting.place.home, run, definition),
            )
        return str(started["PipelineExecutionArn"])

    def older(self, execution: str) -> Iterator[tuple[str, str]]:
        """Yield run and ARN of the executions that go on and were started before this one."""
        with explained(f"list the executions of the pipeline {self._name}"):
            told = self._client.list_pipeline_executions(
                PipelineName=self._name, SortBy="CreationTime", SortOrder="Descending", MaxResults=LOOKED_AT
            )
        found: list[Mapping[str, Any]] = told["PipelineExecutionSummaries"]
        arns = [str(each["PipelineExecutionArn"]) for each in found]
        for each in found[arns.index(execution) + 1 :] if execution in arns else []:
            if each["PipelineExecutionStatus"] in (EXECUTING, STOPPING):
                yield str(each.get("PipelineExecutionDisplayName") or ""), str(each["PipelineExecutionArn"])

    def status(self, execution: str) -> str:
        """Return how an execution stands; one that is not known any more has stopped."""
        with explained("look at the execution of a pipeline"):
            try:
                told = self._client.describe_pipeline_execution(PipelineExecutionArn=execution)
            except ClientError as error:
                if code_of(error) not in MISSING:
                    raise
                return STOPPED
        return str(told["PipelineExecutionStatus"])

    def steps(self, execution: str) -> Mapping[str, StepSeen]:
        """Return the steps that have begun, by their names."""
        with explained("look at the steps of a pipeline"):
            pages = self._client.get_paginator("list_pipeline_execution_steps")
            listed = [
                each
                for page in pages.paginate(PipelineExecutionArn=execution)
                for each in page["PipelineExecutionSteps"]
            ]
        return {str(each["StepName"]): _seen(each) for each in listed}

    def succeed(self, token: str, outputs: Mapping[str, str]) -> bool:
        """Answer a callback step; False when it takes no answer, as when it has one."""
        given = [{"Name": name, "Value": value} for name, value in sorted(outputs.items())]
        with explained("answer a step of a pipeline"):
            return self._answered("send_pipeline_execution_step_success", CallbackToken=token, OutputParameters=given)

    def fail(self, token: str, reason: str) -> bool:
        """Let a callback step fail; False when it takes no answer."""
        # FailureReason has at most 256 characters (API reference, SendPipelineExecutionStepFailure).
        with explained("end a step of a pipeline"):
            return self._answered(
                "send_pipeline_execution_step_failure", CallbackToken=token, FailureReason=reason[:256]
            )

    def stop(self, execution: str) -> None:
        """Ask an execution and its jobs to end; one that has ended is left alone."""
        with explained("stop the execution of a pipeline"):
            try:
                self._client.stop_pipeline_execution(
                    PipelineExecutionArn=execution, ClientRequestToken=_token(execution, "stop")
                )
            except ClientError as error:
                if code_of(error) not in (*MISSING, "ValidationException", "ConflictException"):
                    raise

    def _answered(self, call: str, **given: Any) -> bool:
        try:
            getattr(self._client, call)(**given, ClientRequestToken=_token(given["CallbackToken"], call))
        except ClientError as error:
            # Its code for a step that has its answer is not documented; whoever asked looks at the step again.
            if code_of(error) not in (*MISSING, "ValidationException", "ConflictException"):
                raise
            return False
        return True

    def _settle(self, definition: str) -> None:
        """Make the pipeline be there as it is wanted now."""
        with explained(f"make the pipeline {self._name}"):
            found = self._found()
            if found is None:
                found = self._made(definition)
            if found is None:
                return
            if found.get("PipelineDescription") != self._owner:
                raise RequestError(
                    f"There is a pipeline {self._name} already that is not of {self._setting.place.model} in "
                    f"{self._setting.environment.name}; delete it, or give aws.names.pipeline of this environment "
                    "another name."
                )
            role = self._setting.role
            if json.loads(found["PipelineDefinition"]) != json.loads(definition) or found["RoleArn"] != role:
                self._client.update_pipeline(
                    PipelineName=self._name, PipelineDefinition=definition, RoleArn=self._setting.role
                )

    def _found(self) -> Mapping[str, Any] | None:
        try:
            found: Mapping[str, Any] = self._client.describe_pipeline(PipelineName=self._name)
        except ClientError as error:
            if code_of(error) not in MISSING:
                raise
            return None
        return found

    def _made(self, definition: str) -> Mapping[str, Any] | None:
        """Make the pipeline; return the one that somebody else has made meanwhile."""
        try:
            self._client.create_pipeline(
                PipelineName=self._name,
                PipelineDefinition=definition,
                PipelineDescription=self._owner,
                RoleArn=self._setting.role,
                ClientRequestToken=_token(self._name, self._owner, definition),
                Tags=tag_list(self._setting.place.all_tags),
            )
        except ClientError as error:
            found = self._found() if code_of(error) in ("ValidationException", "ConflictException") else None
            if found is None:
                raise
            return found
        return None

    @property
    def _owner(self) -> str:
        """By which the pipeline is known to be this environment's: its name may be anybody's."""
        place = self._setting.place
        return f"Everfit keeps {place.model} fresh in {place.environment}: {place.home}"

    @property
    def _client(self) -> Any:
        return self._clients("sagemaker")


def _seen(told: Mapping[str, Any]) -> StepSeen:
    metadata: Mapping[str, Any] = told.get("Metadata") or {}
    arns = [metadata[kind].get("Arn") for kind in ("TrainingJob", "ProcessingJob") if kind in metadata]
    return StepSeen(
        status=str(told["StepStatus"]),
        job=str(arns[0]).rpartition("/")[2] if arns and arns[0] else None,
        token=metadata.get("Callback", {}).get("CallbackToken"),
    )


def _token(*parts: str) -> str:
    return hashlib.sha256("|".join(parts).encode()).hexdigest()
