"""Turn bad data and scripts that can never run away before money is spent on training."""

from collections.abc import Iterator

from everfit.application.facts import Facts
from everfit.application.step import Answer, AwaitJob, Context, Done, End
from everfit.application.steps.job import settled
from everfit.application.steps.train import requirements_text
from everfit.domain.errors import RunFailedError
from everfit.domain.job import JobKind, JobSpec
from everfit.domain.run import Outcome
from everfit.domain.script import Script, handler_trouble, needed_packages, read_script

SHOWN = 5


def check(context: Context) -> Answer:
    """End the run when a data rule does not pass, with the column and the figures; fail it when a script cannot run."""
    report = context.result("prepare").below("report")
    broken = [finding for finding in report.objects("findings") if finding.text("result") != "pass"]
    rules = len(report.items("findings"))
    if broken:
        reasons = "; ".join(f"{finding.text('rule')}: {finding.text('reason')}" for finding in broken[:SHOWN])
        meant = "; if the data is meant to look so now: everfit run --accept-schema" if _is_break(broken) else ""
        more = f"; and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
        return End(
            outcome=Outcome.REJECTED,
            reason=f"the data was turned away before training: {reasons}{more}{meant}",
            result={"rules": rules, "broken": len(broken)},
        )
    if context.run.promote is not None:
        return Done(result={"rules": rules})
    return check_scripts(context) or Done(result={"rules": rules})


def _is_break(broken: list[Facts]) -> bool:
    return any(finding.text("rule") in ("schema", "labels") for finding in broken)


def check_scripts(context: Context) -> AwaitJob | None:
    """Read the user's scripts, and look for the packages that they import where they will run.

    Raises:
        RunFailedError: a script cannot run; the message says which and why.
    """
    folder = context.result("snapshot").text("code_folder")
    scripts = list(_scripts(context, folder))
    for script in scripts:
        trouble = script.trouble or (handler_trouble(script) if script.path == context.project.serve.script else None)
        if trouble is not None:
            raise RunFailedError(trouble)
    own = context.ports.code.modules(folder)
    packages = {name: script.path for script in scripts for name in needed_packages(script, own)}
    if not packages:
        return None
    job = settled(context, _look_for(sorted(packages), context), repeatable=True)
    if isinstance(job, AwaitJob):
        return job
    report = Facts("modules.json", context.ports.jobs.report(job[0], "modules.json"))
    missing = [str(name) for name in report.items("missing")]
    if missing:
        words = "; ".join(f"{packages[name]} imports {name}" for name in missing)
        raise RunFailedError(f"{words}, which is not installed; add it to train.requirements in everfit.yaml")
    return None


def _scripts(context: Context, folder: str) -> Iterator[Script]:
    project = context.project
    for path in dict.fromkeys(filter(None, (project.train.script, project.serve.script, project.evaluate))):
        if path.endswith(".py"):
            yield read_script(path, context.ports.code.text(folder, path))


def _look_for(modules: list[str], context: Context) -> JobSpec:
    return JobSpec(
        name=f"{context.run.id}-check",
        kind=JobKind.PREPARE,
        run=context.run.id,
        program="everfit.jobs.find_modules",
        requirements=requirements_text(context),
        parameters={"modules": modules},
        hidden=context.project.secrets,
    )
