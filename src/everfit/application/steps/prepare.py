"""Check the data, split it and profile it, in a job of its own."""

from collections.abc import Mapping
from datetime import timedelta

from everfit.application.facts import Facts
from everfit.application.step import Answer, Context, Done
from everfit.application.steps.job import settled
from everfit.application.steps.snapshot import champion_of
from everfit.domain.job import JobKind, JobSpec
from everfit.domain.project import Data
from everfit.domain.snapshot import SnapshotId
from everfit.domain.version import Version

SEED = 20_210_704
"""Of everything in a run that is drawn by chance; it is part of the lineage."""


def prepare(context: Context) -> Answer:
    """Run the prepare job on the frozen data."""
    job = settled(context, _spec(context), repeatable=True)
    if not isinstance(job, tuple):
        return job
    name, status = job
    report = context.ports.jobs.report(name, "report.json")
    return Done(
        result={
            "job": name,
            "output": status.output,
            "seconds": status.seconds,
            "new_rows": _new_rows(Facts("report.json", report), champion_of(context)),
            "report": report,
        }
    )


def reference(context: Context) -> Mapping[str, object] | None:
    """Return the columns and labels that the data is held to; None when this run learns them anew."""
    return None if context.run.accept_schema else context.ports.registry.learnt(context.project.model)


def _new_rows(report: Facts, champion: Version | None) -> int | None:
    """Return how many rows more there are than what the champion learnt from; None for data without rows."""
    total = report.below("rows").whole_or_none("total")
    if total is None or champion is None:
        return total
    before = Facts("The champion's lineage", champion.lineage).below("rows").whole_or_none("total")
    return total - (before or 0)


def _spec(context: Context) -> JobSpec:
    snapshot = SnapshotId(context.result("snapshot").text("snapshot"))
    data = context.project.data_in(context.environment)
    parameters = {
        **context.ports.data.location(snapshot),
        **data_parameters(data),
        "task": context.project.task.value,
        "content_type": context.project.serve.content_type,
        "reference": reference(context),
        "cutoff": _cutoff(context),
        "sample": context.sample,
        "seed": SEED,
        "now": context.run.started.isoformat(),
    }
    return JobSpec(
        name=f"{context.run.id}-prepare",
        kind=JobKind.PREPARE,
        run=context.run.id,
        program="everfit.jobs.prepare",
        parameters=parameters,
        hidden=context.project.secrets,
        timeout=timedelta(hours=24),
    )


def data_parameters(data: Data) -> dict[str, object]:
    """Return how the data is laid out and what it must be, as the prepare job wants it."""
    return {
        "format": data.format.value,
        "target": data.target,
        "time": data.time,
        "id": data.id,
        "holdout": data.holdout,
        "validation": data.validation,
        "encoding": data.encoding,
        "delimiter": data.delimiter,
        "checks": [rule.text for rule in data.checks],
    }


def _cutoff(context: Context) -> str | None:
    """Return the newest cutoff of the versions that will be scored, so that neither has seen a row of the holdout."""
    versions = [champion_of(context)]
    if context.run.promote is not None:
        versions.append(context.ports.registry.version(context.project.model, context.run.promote))
    cutoffs = [version.lineage.get("cutoff") for version in versions if version is not None]
    return max((cutoff for cutoff in cutoffs if isinstance(cutoff, str)), default=None)
