"""Score challenger and champion on the same unseen rows, each through its own serving code."""

from collections.abc import Mapping
from datetime import timedelta

from everfit.application.step import Answer, Context, Done
from everfit.application.steps.job import settled
from everfit.application.steps.prepare import SEED
from everfit.application.steps.snapshot import champion_of
from everfit.application.steps.train import secret_names
from everfit.domain.errors import NotFoundError, RefusedError
from everfit.domain.gate import comparisons_needed, slices_needed
from everfit.domain.job import JobKind, JobSpec
from everfit.domain.version import Version


def evaluate(context: Context) -> Answer:
    """Run the evaluate job on the packed artifacts: what is judged is what would be shipped."""
    champion = champion_of(context)
    job = settled(context, _spec(context, champion), repeatable=True)
    if not isinstance(job, tuple):
        return job
    name, status = job
    return Done(
        result={
            "job": name,
            "seconds": status.seconds,
            "champion": None if champion is None else champion.number,
            "evaluation": context.ports.jobs.report(name, "evaluation.json"),
        }
    )


def _spec(context: Context, champion: Version | None) -> JobSpec:
    project, prepared, trained = context.project, context.result("prepare"), context.result("train")
    data, report = project.data_in(context.environment), prepared.below("report")
    asks = context.environment.approval.when
    rules = (*project.rules_in(context.environment), *(() if asks is None else (asks,)))
    code = context.result("snapshot").text("code_folder")
    parameters: dict[str, object] = {
        "holdout": f"{prepared.text('output')}/output/holdout",
        "format": data.format.value,
        "encoding": data.encoding,
        "delimiter": data.delimiter,
        "columns": report.items("columns"),
        "labels": report.items("labels") or None,
        "task": project.task.value,
        "target": data.target,
        "time": data.time,
        "id": data.id,
        "content_type": project.serve.content_type,
        "challenger": _challenger(context),
        "champion": None if champion is None else _side(context, champion),
        "evaluate": None if project.evaluate is None else f"{code}/{project.evaluate}",
        "python": trained.text("python"),
        "slices": slices_needed(rules),
        "comparisons": comparisons_needed(rules),
        "resamples": 1000,
        "confidence": 0.95,
        "seed": SEED,
    }
    return JobSpec(
        name=f"{context.run.id}-evaluate",
        kind=JobKind.EVALUATE,
        run=context.run.id,
        program="everfit.jobs.evaluate",
        parameters=parameters,
        environment=project.train.environment,
        secrets=secret_names(project),
        hidden=project.secrets,
        timeout=timedelta(hours=24),
    )


def _challenger(context: Context) -> Mapping[str, object]:
    trained = context.result("train")
    return {
        "model": context.ports.artifacts.unpacked(trained.text("artifact")),
        "python": trained.text("python"),
        "script": trained.text_or_none("script"),
        "version": context.run.promote,
    }


def _side(context: Context, version: Version) -> Mapping[str, object] | None:
    """Return the champion for scoring; no relative rule survives one that is damaged or gone."""
    try:
        folder = context.ports.artifacts.unpacked(version.artifact)
    except (NotFoundError, RefusedError) as error:
        return {"model": "", "python": "", "script": None, "version": version.number, "error": str(error)}
    return {
        "model": folder,
        "python": version.lineage.get("python"),
        "script": version.lineage.get("script"),
        "version": version.number,
    }
