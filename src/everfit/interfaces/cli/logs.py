"""``everfit logs``: what a run's jobs have printed."""

import sys
from datetime import timedelta
from pathlib import Path

import click

from everfit.application.ports import Ports
from everfit.domain.errors import NotFoundError
from everfit.domain.job import JobState
from everfit.domain.run import RunId
from everfit.interfaces.cli.options import Opened, opened, opened_for, project_option

LOOK_BACK = 50
STEPS = ("prepare", "train", "evaluate")


@click.command("logs")
@click.argument("run", required=False)
@project_option
@click.option("--step", type=click.Choice(STEPS), default="train", show_default=True, help="Which job.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended.")
def logs_command(run: str | None, folder: Path, step: str, *, follow: bool) -> None:
    """Print what a job of RUN has printed; default: the newest run that has started such a job."""
    project = opened(folder) if run is None else opened_for(run, folder)
    ports = project.ports
    run = _newest_with(step, project) if run is None else ports.store.run(RunId(run)).id
    job = f"{run}-{step}"
    status = ports.jobs.observe(job)
    if status.state is JobState.UNKNOWN:
        raise NotFoundError(f"The run {run} has started no {step} job.")
    shown = _show(ports, job, 0)
    while follow and status.state is JobState.RUNNING:
        status = ports.jobs.wait(job, timedelta(seconds=0.5))
        shown = _show(ports, job, shown)


def _newest_with(step: str, project: Opened) -> RunId:
    """Return the newest run that has started such a job; one that was skipped has not."""
    ports = project.ports
    runs = ports.store.runs(project.workspace.model, limit=LOOK_BACK)
    if not runs:
        raise NotFoundError("There is no run yet. Start one: everfit run")
    found = next((run for run in runs if ports.jobs.observe(f"{run.id}-{step}").state is not JobState.UNKNOWN), None)
    if found is None:
        raise NotFoundError(f"None of the newest {len(runs)} runs has started a {step} job. Start one: everfit run")
    return found.id


def _show(ports: Ports, job: str, start: int) -> int:
    for output in ports.jobs.log(job, start):
        sys.stdout.buffer.write(output)
        start += len(output)
    sys.stdout.buffer.flush()
    return start
