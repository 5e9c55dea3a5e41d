"""Train the challenger with the user's own script, and pack it; or take the bytes that are to be promoted."""

from everfit.application.step import Answer, Context, Done
from everfit.application.steps.job import settled
from everfit.application.steps.prepare import SEED
from everfit.domain.job import JobKind, JobSpec, JobStatus
from everfit.domain.project import Environment, Project


def train(context: Context) -> Answer:
    """Run the training job and pack what it made, with its serving code, as one immutable artifact."""
    if context.run.promote is not None:
        return _take(context, context.run.promote)
    job = settled(context, training_spec(context), repeatable=False)
    if not isinstance(job, tuple):
        return job
    name, status = job
    return Done(result={"job": name, **_packed(context, status)})


def training_spec(context: Context) -> JobSpec:
    """Return the job of the user's script, by SageMaker's training contract."""
    return script_job(
        context.project,
        context.environment,
        run=context.run.id,
        code=context.result("snapshot").text("code_folder"),
        requirements=requirements_text(context),
        output=context.result("prepare").text("output"),
    )


def script_job(
    project: Project, environment: Environment, *, run: str, code: str, requirements: str | None, output: str
) -> JobSpec:
    """Return the job of the user's script.

    Args:
        output: of the prepare job.
    """
    training, data = project.train, project.data_in(environment)
    channels = {"train": f"{output}/output/train"}
    if data.validation > 0:
        channels[training.validation_channel] = f"{output}/output/validation"
    return JobSpec(
        name=f"{run}-train",
        kind=JobKind.TRAIN,
        run=run,
        code=code,
        program=training.script,
        requirements=requirements,
        hyperparameters=training.hyperparameters,
        channels=channels,
        environment={"EVERFIT_SEED": str(SEED), **training.environment},
        secrets=secret_names(project),
        hidden=project.secrets,
        metric_definitions=training.metric_definitions,
        checkpoints=True,
        timeout=training.timeout,
        grace=training.grace,
    )


def secret_names(project: Project) -> frozenset[str]:
    """Return the variables of the training that hold a secret."""
    variables = project.train.environment.items()
    return frozenset(name for name, value in variables if any(secret in value for secret in project.secrets))


def requirements_text(context: Context) -> str | None:
    """Return what the project's requirements file said when the code was frozen."""
    name = context.project.train.requirements
    if name is None:
        return None
    return context.ports.code.text(context.result("snapshot").text("code_folder"), name)


def _packed(context: Context, status: JobStatus) -> dict[str, object]:
    needs_code = context.project.serve.script is not None
    code = context.result("snapshot").text("code_folder") if needs_code else None
    artifact = context.ports.artifacts.pack(f"{status.output}/model", code, requirements_text(context))
    return {
        "artifact": artifact.digest,
        "size": artifact.size,
        "claims": dict(status.claims),
        "python": status.python,
        "python_version": status.python_version,
        "packages": dict(status.packages),
        "script": context.project.serve.script,
        "seconds": status.seconds,
        "peak_memory": status.peak_memory,
    }


def _take(context: Context, number: int) -> Answer:
    version = context.ports.registry.version(context.project.model, number)
    return Done(
        result={
            "artifact": version.artifact,
            "size": version.size,
            "claims": version.claims,
            "python": version.lineage.get("python"),
            "script": version.lineage.get("script"),
            "seconds": 0.0,
        }
    )
