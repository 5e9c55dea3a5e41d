"""``everfit logs``: what a run's jobs have printed."""

import sys
from datetime import timedelta
from pathlib import Path

import click

from everfit.application.ports import Ports
from everfit.domain.errors import NotFoundError
from everfit.domain.job import JobState
from everfit.domain.run import RunId
from everfit.interfaces.cli.options import opened, project_option

STEPS = ("prepare", "train", "evaluate")


@click.command("logs")
@click.argument("run", required=False)
@project_option
@click.option("--step", type=click.Choice(STEPS), default="train", show_default=True, help="Which job.")
@click.option("-f", "--follow", is_flag=True, help="Go on until the job has ended.")
def logs_command(run: str | None, folder: Path, step: str, *, follow: bool) -> None:
    """Print what a job of RUN (default: the newest) has printed."""
    project = opened(folder)
    ports = project.ports
    if run is None:
        newest = ports.store.runs(project.workspace.model, limit=1)
        if not newest:
            raise NotFoundError("There is no run yet. Start one: everfit run")
        run = newest[0].id
    job = f"{ports.store.run(RunId(run)).id}-{step}"
    status = ports.jobs.observe(job)
    if status.state is JobState.UNKNOWN:
        raise NotFoundError(f"The run {run} has started no {step} job.")
    shown = _show(ports, job, 0)
    while follow and status.state is JobState.RUNNING:
        status = ports.jobs.wait(job, timedelta(seconds=0.5))
        shown = _show(ports, job, shown)


def _show(ports: Ports, job: str, start: int) -> int:
    for output in ports.jobs.log(job, start):
        sys.stdout.buffer.write(output)
        start += len(output)
    sys.stdout.buffer.flush()
    return start
