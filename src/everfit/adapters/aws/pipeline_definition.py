"""The pipeline of a model as SageMaker wants it: the jobs of a run, and before each what the loop has to say first.

A pipeline is fixed when it starts, and the loop decides half-way. So before each job but the first there is a callback
step: it waits until the loop wants that job, and brings what was not known before. One text does for all runs.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final

from everfit.adapters.aws.job_requests import Request, Setting, tag_list
from everfit.adapters.aws.job_work import CHALLENGER, CHAMPION, Side, Work, asking, judging, preparing
from everfit.adapters.aws.pipeline_slots import Template, expressed, slot, slots_in
from everfit.adapters.aws.processing_request import Processing, processing_request
from everfit.adapters.aws.training_request import Training, training_request
from everfit.application.steps.train import script_job, secret_names
from everfit.domain.gate_rule import Subject
from everfit.domain.job import JobKind, JobSpec
from everfit.domain.project import Task

VERSION: Final = "2020-12-01"
RUN: Final = "run"
GO: Final = "go"
YES: Final = "yes"
NO: Final = "no"
INSTANCE: Final = "instance_type"
MODEL: Final = "model_type"
THRESHOLD: Final = "accuracy_threshold"
_SHOWN_LIMITS: Final = ("r2", "accuracy")


class Stage(Enum):
    """A job of a pipeline, by the name of its step."""

    PREPARE = "Prepare"
    TRAIN = "Train"
    CHALLENGER = "ScoreChallenger"
    CHAMPION = "ScoreChampion"
    JUDGE = "Judge"
    JUDGE_ALONE = "JudgeAlone"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What has to happen before a job of the pipeline.

    Args:
        gate: the callback step that is answered for it.
        go: the answer; one gate may lead to two jobs.
        after: the stage that must have been wanted before.
    """

    gate: str
    go: str
    after: Stage


OPENINGS: Final[Mapping[Stage, Opening]] = {
    Stage.TRAIN: Opening(gate="Check", go=YES, after=Stage.PREPARE),
    Stage.CHALLENGER: Opening(gate="Pack", go=YES, after=Stage.TRAIN),
    Stage.CHAMPION: Opening(gate="Champion", go=YES, after=Stage.CHALLENGER),
    Stage.JUDGE: Opening(gate="Answers", go=YES, after=Stage.CHAMPION),
    Stage.JUDGE_ALONE: Opening(gate="Champion", go=NO, after=Stage.CHALLENGER),
}
GATES: Final = tuple(dict.fromkeys(opening.gate for opening in OPENINGS.values()))


def is_pipelined(setting: Setting) -> bool:
    """Tell whether runs of the environment are executions of a pipeline.

    A definition can be read by everybody who may look at the pipeline, so no value of a secret may get into it; and
    what promotes trains nothing.
    """
    has_secrets = bool(secret_names(setting.project))
    return setting.place.names.pipeline is not None and not has_secrets and setting.environment.promote_from is None


def templates(setting: Setting, *, has_wheels: bool) -> Mapping[Stage, Template]:
    """Return the request of each stage, with slots for what only a run knows.

    Args:
        setting: where jobs run.
        has_wheels: whether Everfit's own jobs bring its packages with them.
    """
    found = {Stage.PREPARE: _processing(_prepare_work(setting), setting, has_wheels=has_wheels)}
    found[Stage.TRAIN] = _training(setting)
    if setting.project.task is Task.CUSTOM:
        # The user's own scorer runs beside; what it makes of the versions is not asked for in steps.
        return found
    score = _processing(_score_work(setting), setting, has_wheels=False)
    found |= {Stage.CHALLENGER: score, Stage.CHAMPION: score}
    for stage, sides in ((Stage.JUDGE, (CHALLENGER, CHAMPION)), (Stage.JUDGE_ALONE, (CHALLENGER,))):
        found[stage] = _processing(_judge_work(setting, sides), setting, has_wheels=has_wheels)
    return found


def bare(request: Request, setting: Setting) -> Request:
    """Return a request as it stands in a step: SageMaker names the job, and its tags are those of every run."""
    names = ("TrainingJobName", "ProcessingJobName")
    kept = {name: value for name, value in request.items() if name not in names}
    return {**kept, "Tags": tag_list(setting.place.all_tags)}


def parameters(setting: Setting) -> Mapping[str, str | float]:
    """Return the parameters that a person may know, with the values that the project gives them."""
    found: dict[str, str | float] = {INSTANCE: setting.training_instance}
    kind = setting.project.train.hyperparameters.get(MODEL)
    if isinstance(kind, str):
        found[MODEL] = json.dumps(kind)[1:-1]
    rules = setting.project.rules_in(setting.environment)
    limits = [each.offset for each in rules if each.name in _SHOWN_LIMITS and not each.is_relative]
    if limits and all(each.subject is not Subject.CLAIM for each in rules if each.name in _SHOWN_LIMITS):
        found[THRESHOLD] = limits[0]
    return found


def output_name(stage: Stage, name: str) -> str:
    """Return the name of the output parameter, or of the parameter, that brings the value of a slot."""
    return f"{stage.value}_{name}"


def definition(found: Mapping[Stage, Template], given: Mapping[str, str | float], queue: str) -> str:
    """Return the definition of the pipeline.

    Args:
        found: the template of each stage.
        given: parameters that a person may know, with their defaults.
        queue: URL of the queue that the callback steps write to.
    """
    document = {
        "Version": VERSION,
        "Parameters": [
            {"Name": RUN, "Type": "String"},
            *({"Name": output_name(Stage.PREPARE, each), "Type": "String"} for each in _open(found, Stage.PREPARE)),
            *(_parameter(name, value) for name, value in given.items()),
        ],
        "Steps": _steps(found, queue),
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":"))


def outputs_of(found: Mapping[Stage, Template], gate: str) -> list[str]:
    """Return the names of all that may be told to a callback step."""
    stages = [stage for stage, opening in OPENINGS.items() if opening.gate == gate and stage in found]
    return [GO, *(output_name(stage, name) for stage in stages for name in _open(found, stage))]


def _steps(found: Mapping[Stage, Template], queue: str) -> list[object]:
    steps: list[object] = [_job(found, Stage.PREPARE), _gate(found, "Check", queue, Stage.PREPARE.value)]
    steps.append(_job(found, Stage.TRAIN))
    if Stage.CHALLENGER not in found:
        return steps
    steps += [_gate(found, "Pack", queue, Stage.TRAIN.value), _job(found, Stage.CHALLENGER)]
    steps.append(_gate(found, "Champion", queue, Stage.CHALLENGER.value))
    compared = [
        _job(found, Stage.CHAMPION),
        _gate(found, "Answers", queue, Stage.CHAMPION.value),
        _job(found, Stage.JUDGE),
    ]
    is_there = {"Type": "Equals", "LeftValue": _told("Champion", GO), "RightValue": YES}
    branches = {"Conditions": [is_there], "IfSteps": compared, "ElseSteps": [_job(found, Stage.JUDGE_ALONE)]}
    steps.append({"Name": "HasChampion", "Type": "Condition", "Arguments": branches, "DependsOn": ["Champion"]})
    return steps


def _job(found: Mapping[Stage, Template], stage: Stage) -> dict[str, object]:
    def path(name: str) -> str:
        if name in (INSTANCE, MODEL):
            return f"Parameters.{name}"
        if stage is Stage.PREPARE:
            return f"Parameters.{output_name(stage, name)}"
        return f"Steps.{OPENINGS[stage].gate}.OutputParameters['{output_name(stage, name)}']"

    step: dict[str, object] = {
        "Name": stage.value,
        "Type": "Training" if stage is Stage.TRAIN else "Processing",
        "Arguments": expressed(found[stage], path),
    }
    # In a branch the condition has waited for the gate already.
    if stage in OPENINGS and stage not in (Stage.CHAMPION, Stage.JUDGE_ALONE):
        step["DependsOn"] = [OPENINGS[stage].gate]
    return step


def _gate(found: Mapping[Stage, Template], gate: str, queue: str, after: str) -> dict[str, object]:
    # As the SageMaker Python SDK writes a CallbackStep (sagemaker.workflow.callback_step, to_request).
    return {
        "Name": gate,
        "Type": "Callback",
        "Arguments": {RUN: {"Get": f"Parameters.{RUN}"}, "gate": gate},
        "SqsQueueUrl": queue,
        "OutputParameters": [{"OutputName": name, "OutputType": "String"} for name in outputs_of(found, gate)],
        "DependsOn": [after],
    }


def _told(gate: str, name: str) -> dict[str, str]:
    return {"Get": f"Steps.{gate}.OutputParameters['{name}']"}


def _parameter(name: str, value: str | float) -> dict[str, object]:
    return {"Name": name, "Type": "String" if isinstance(value, str) else "Float", "DefaultValue": value}


def _open(found: Mapping[Stage, Template], stage: Stage) -> list[str]:
    return [name for name in slots_in(found[stage]) if name not in (INSTANCE, MODEL)]


def _training(setting: Setting) -> Template:
    project = setting.project
    spec = script_job(
        project, setting.environment, run=RUN, code="", requirements=project.train.requirements, output=slot("prepared")
    )
    training = Training(name=slot("name"), spec=spec, digest=slot("mark"), source=slot("source"), folder=slot("folder"))
    request = training_request(training, setting)
    request["ResourceConfig"]["InstanceType"] = slot(INSTANCE)
    if MODEL in parameters(setting):
        request["HyperParameters"][MODEL] = f'"{slot(MODEL)}"'
    return bare(request, setting)


def _processing(work: Work, setting: Setting, *, has_wheels: bool) -> Template:
    names = [*work.inputs, "programs", "config", *(["wheels"] if has_wheels else [])]
    job = Processing(
        name="",
        run="",
        digest=slot("mark"),
        image=work.image,
        instance=work.instance,
        inputs={name: slot(f"input_{name.replace('-', '_')}") for name in names},
        output=slot("output"),
        timeout=work.timeout,
        environment=work.environment,
    )
    return bare(processing_request(job, setting), setting)


def _prepare_work(setting: Setting) -> Work:
    return preparing(_spec("everfit.jobs.prepare", JobKind.PREPARE, manifest="manifest", objects="objects"), setting)


def _score_work(setting: Setting) -> Work:
    side = Side(name=CHALLENGER, archive="model", image=slot("image"), script=None)
    return asking(side, "requests", _spec("everfit.jobs.evaluate", JobKind.EVALUATE), setting, {})


def _judge_work(setting: Setting, sides: tuple[str, ...]) -> Work:
    spec = _spec("everfit.jobs.evaluate", JobKind.EVALUATE, holdout="holdout")
    return judging(spec, setting, {side: {"answered": side} for side in sides}, has_holdout=True)


def _spec(program: str, kind: JobKind, **given: object) -> JobSpec:
    return JobSpec(name=RUN, kind=kind, run=RUN, program=program, parameters=given)
