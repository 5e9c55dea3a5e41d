"""Jobs as steps of one execution of a pipeline: what is started, looked at and stopped is the step's own job.

What the loop asks for is compared with what the step would do. Where they differ, and where the execution is over, the
job is started by itself, as without a pipeline: a pipeline shows the work of a run and never decides about it.
"""

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.job_calls import JobCalls, Seen, Service
from everfit.adapters.aws.job_files import STARTED, JobFiles
from everfit.adapters.aws.job_requests import MARK, Request, Setting, job_prefix
from everfit.adapters.aws.pipeline_definition import (
    GATES,
    GO,
    OPENINGS,
    RUN,
    Stage,
    bare,
    definition,
    output_name,
    outputs_of,
    parameters,
    templates,
)
from everfit.adapters.aws.pipeline_executions import EXECUTING, STOPPED, STOPPING, Executions, StepSeen
from everfit.adapters.aws.pipeline_slots import Template, values_for
from everfit.adapters.aws.pipeline_tokens import Tokens
from everfit.domain.errors import EverfitError, NotFoundError

_STAGES: Final[Sequence[tuple[str, tuple[Stage, ...]]]] = (
    ("-prepare", (Stage.PREPARE,)),
    ("-train", (Stage.TRAIN,)),
    ("-evaluate-new", (Stage.CHALLENGER,)),
    ("-evaluate-old", (Stage.CHAMPION,)),
    ("-evaluate", (Stage.JUDGE, Stage.JUDGE_ALONE)),
)
"""What the name of a job ends with -> what it may be in a pipeline; an attempt after the first ends otherwise."""
LONGEST_OUTPUT: Final = 1024
"""Characters of an output parameter (API reference, OutputParameter)."""
NOTHING: Final = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A job that the loop wants.

    Args:
        request: that would start it by itself.
        outputs: what its gate is told; nothing for the first job, which has none.
    """

    stage: Stage
    request: Request
    outputs: Mapping[str, str]

    @property
    def mark(self) -> str:
        """The digest by which the job is known."""
        return str(self.request["Environment"][MARK])


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """The execution of a run, as it was started.

    Args:
        execution: its ARN.
        first: what it was started with.
    """

    run: str
    execution: str
    templates: Mapping[Stage, Template]
    parameters: Mapping[str, str | float]
    first: Wish

    @property
    def last(self) -> frozenset[str]:
        """The steps after which there are no more."""
        ends = {Stage.JUDGE, Stage.JUDGE_ALONE} & set(self.templates) or {Stage.TRAIN}
        return frozenset(stage.value for stage in ends)


class PipelineCalls(JobCalls):
    """Creates, describes and stops jobs, as steps of a pipeline where they are such."""

    def __init__(self, clients: Clients, setting: Setting) -> None:
        super().__init__(clients)
        self._setting = setting
        self._files = JobFiles(clients, setting.place)
        self._executions = Executions(clients, setting)
        self._tokens = Tokens(clients, setting.place, self._files)
        self._prefix = job_prefix(setting.place)
        # Written once and never changed.
        self._records: dict[str, Record] = {}
        self._wishes: dict[tuple[str, Stage], Wish] = {}
        self._jobs: dict[str, str] = {}

    def create(self, service: Service, request: Request) -> None:
        """Have the job's step do it, unless it is none or the execution is not there for it any more."""
        run, stages = self._known(str(request[service.name_key]))
        record = self._record(run) if stages else None
        if Stage.PREPARE in stages:
            if record is None and not self._begin(run, request):
                super().create(service, request)
            return
        wish = None if record is None else self._wish_for(record, stages, request)
        if record is None or wish is None:
            self._leave(record)
            super().create(service, request)
            return
        self._files.write_once(self._wish_place(run, wish.stage), _wish_to_json(wish))
        self._wishes[run, wish.stage] = wish
        self._answer(record, wish, self._executions.steps(record.execution))

    def describe(self, service: Service, name: str) -> Seen | None:
        """Return what SageMaker says of the job, whether it is a step's or was started by itself."""
        run, stages = self._known(name)
        record = self._record(run) if stages and name not in self._jobs else None
        if record is not None and (seen := self._on_its_way(service, name, record, stages)) is not None:
            return seen
        seen = super().describe(service, self._jobs.get(name, name))
        if seen is not None and name in self._jobs:
            # An ARN may have the name in lower case; where the job's files and words lie, it is as it was given.
            self._jobs[name] = seen.name
        return seen

    def stop(self, service: Service, name: str) -> None:
        """End the execution that the job is part of, or the job."""
        run, stages = self._known(name)
        self._leave(self._record(run) if stages else None, even_last=True)
        super().stop(service, self._jobs.get(name, name))

    def name_of(self, service: Service, name: str) -> str:
        """Return the name that SageMaker has given to the job."""
        run, stages = self._known(name)
        record = self._record(run) if stages and name not in self._jobs else None
        if record is not None and self._find(name, self._executions.steps(record.execution), stages):
            self.describe(service, name)
        return self._jobs.get(name, name)

    def ended(self, run: str) -> None:
        """Let nothing of a run that has ended wait for ever."""
        # The end of the run is kept by now, whatever becomes of this; the next run that starts tries again.
        with suppress(EverfitError):
            self._leave(self._record(run))

    def _begin(self, run: str, request: Request) -> bool:
        """Start the execution whose first job it is; False when the pipeline would do something else."""
        has_wheels = any(each["InputName"] == "wheels" for each in request["ProcessingInputs"])
        found, given = templates(self._setting, has_wheels=has_wheels), parameters(self._setting)
        values = values_for(found[Stage.PREPARE], bare(request, self._setting))
        if values is None:
            return False
        told = {output_name(Stage.PREPARE, name): value for name, value in values.items()}
        texts = {name: str(value) for name, value in given.items()}
        text = definition(found, given, self._tokens.queue())
        execution = self._executions.start(run, text, {**told, **texts, RUN: run})
        record = {
            "execution": execution,
            "templates": {stage.value: template for stage, template in found.items()},
            "parameters": given,
            "request": request,
        }
        self._files.write_once(self._files.url(f"{run}/pipeline/{STARTED}"), json.dumps(record).encode())
        for other, older in self._executions.older(execution):
            self._end(other, older, self._executions.steps(older))
        return True

    def _wish_for(self, record: Record, stages: Sequence[Stage], request: Request) -> Wish | None:
        """Return what a gate has to be told; None when no step of the execution is this job."""
        stage = self._stage(record.run, stages)
        opening = OPENINGS[stage]
        if stage not in record.templates or self._wish(record, opening.after) is None:
            return None
        values = values_for(record.templates[stage], bare(request, self._setting))
        if values is None or any(len(value) > LONGEST_OUTPUT for value in values.values()):
            return None
        if any(values.get(name, str(value)) != str(value) for name, value in record.parameters.items()):
            return None
        if self._executions.status(record.execution) != EXECUTING:
            return None
        told = {output_name(stage, name): value for name, value in values.items() if name not in record.parameters}
        outputs = {**dict.fromkeys(outputs_of(record.templates, opening.gate), NOTHING), **told, GO: opening.go}
        return Wish(stage=stage, request=request, outputs=outputs)

    def _stage(self, run: str, stages: Sequence[Stage]) -> Stage:
        """Return which of several it is: a judge compares when a champion was asked."""
        if len(stages) == 1:
            return stages[0]
        record = self._record(run)
        is_compared = record is not None and self._wish(record, Stage.CHAMPION) is not None
        return Stage.JUDGE if is_compared else Stage.JUDGE_ALONE

    def _on_its_way(self, service: Service, name: str, record: Record, stages: Sequence[Stage]) -> Seen | None:
        """Bring the execution nearer to the job; None when the job can be looked at itself, or is none of its own."""
        wish = next((each for stage in stages if (each := self._wish(record, stage)) is not None), None)
        if wish is None:
            return None
        # In this order: the steps of an execution that is over do not change any more.
        status = self._executions.status(record.execution)
        steps = self._executions.steps(record.execution)
        if self._find(name, steps, stages):
            return None
        if status == EXECUTING:
            self._answer(record, wish, steps)
        elif status == STOPPING:
            self._end(record.run, record.execution, steps)
        elif status != STOPPED:
            # It failed before it came to the job, as when a version could not be asked: the loop goes on by itself.
            super().create(service, wish.request)
            self._jobs[name] = name
            return None
        if status == STOPPED:
            return Seen(name=name, mark=wish.mark, status="Stopped", reason="the execution of the pipeline was stopped")
        return Seen(name=name, mark=wish.mark, status="InProgress")

    def _answer(self, record: Record, wish: Wish, steps: Mapping[str, StepSeen]) -> None:
        """Open the gate of a job, when the execution waits there."""
        gate = OPENINGS[wish.stage].gate if wish.stage in OPENINGS else None
        if gate is None or gate not in steps or not steps[gate].is_going:
            return
        token = self._tokens.token(record.run, record.execution, gate)
        if token is not None:
            self._executions.succeed(token, wish.outputs)

    def _end(self, run: str, execution: str, steps: Mapping[str, StepSeen]) -> None:
        """End an execution: at the step that waits for an answer, or else wherever it is."""
        gate = next((gate for gate in GATES if gate in steps and steps[gate].is_going), None)
        # Whoever has started one by hand has given it no run, and its messages lie with none.
        token = None if gate is None else steps[gate].token or self._tokens.token(run, execution, gate)
        reason = f"The run {run} goes no further here; everfit why {run} tells more."
        if token is None or not self._executions.fail(token, reason):
            self._executions.stop(execution)

    def _leave(self, record: Record | None, *, even_last: bool = False) -> None:
        """End an execution that nobody goes on with.

        Args:
            even_last: also while its last job is at work or has just ended.
        """
        if record is None or self._executions.status(record.execution) not in (EXECUTING, STOPPING):
            return
        steps = self._executions.steps(record.execution)
        if not even_last and record.last & set(steps):
            return
        self._end(record.run, record.execution, steps)

    def _find(self, name: str, steps: Mapping[str, StepSeen], stages: Sequence[Stage]) -> bool:
        """Learn the name of a step's job; False when there is none yet."""
        found = (steps[stage.value].job for stage in stages if stage.value in steps)
        job = next((each for each in found if each is not None), None)
        if job is not None:
            self._jobs[name] = job
        return job is not None

    def _known(self, name: str) -> tuple[str, tuple[Stage, ...]]:
        """Return the run of a job and what it may be in a pipeline; nothing for a job that is in none."""
        if name.startswith(self._prefix):
            for ending, stages in _STAGES:
                if name.endswith(ending):
                    return name.removeprefix(self._prefix).removesuffix(ending), stages
        return "", ()

    def _record(self, run: str) -> Record | None:
        if run not in self._records:
            try:
                told: dict[str, Any] = json.loads(self._files.read(self._files.url(f"{run}/pipeline/{STARTED}")))
            except NotFoundError:
                return None
            self._records[run] = Record(
                run=run,
                execution=str(told["execution"]),
                templates={Stage(stage): template for stage, template in told["templates"].items()},
                parameters=told["parameters"],
                first=Wish(stage=Stage.PREPARE, request=told["request"], outputs={}),
            )
        return self._records[run]

    def _wish(self, record: Record, stage: Stage) -> Wish | None:
        if stage is Stage.PREPARE:
            return record.first
        if (record.run, stage) not in self._wishes:
            try:
                told: dict[str, Any] = json.loads(self._files.read(self._wish_place(record.run, stage)))
            except NotFoundError:
                return None
            self._wishes[record.run, stage] = Wish(stage=stage, request=told["request"], outputs=told["outputs"])
        return self._wishes[record.run, stage]

    def _wish_place(self, run: str, stage: Stage) -> str:
        return self._files.url(f"{run}/pipeline/{stage.value}.json")


def _wish_to_json(wish: Wish) -> bytes:
    return json.dumps({"request": wish.request, "outputs": dict(wish.outputs)}).encode()
