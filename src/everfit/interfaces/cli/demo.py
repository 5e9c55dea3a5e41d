"""``everfit demo``: the whole story on real data, with a client that never stops to call."""

import importlib.util
import time
from pathlib import Path

import click

from everfit.application.overview import run_report
from everfit.application.releases import roll_back
from everfit.application.retraining import Request, environment_of, retrain
from everfit.domain.errors import RunFailedError
from everfit.domain.run import Outcome, Run
from everfit.interfaces.cli import exit_codes
from everfit.interfaces.cli.demo_client import Client
from everfit.interfaces.cli.demo_project import FIRST, SECOND, SPOILED, Batches, write_demo
from everfit.interfaces.cli.options import Opened, opened
from everfit.interfaces.cli.progress import Lines
from everfit.interfaces.cli.render import show_run


@click.command("demo")
@click.argument("folder", type=click.Path(path_type=Path), default=Path("everfit-demo"))
@click.option("--keep", is_flag=True, help="Leave the endpoint answering afterwards.")
def demo_command(folder: Path, *, keep: bool) -> int:
    """Deploy, improve, turn away and roll back a classifier of handwritten digits, in FOLDER."""
    if importlib.util.find_spec("sklearn") is None or importlib.util.find_spec("pandas") is None:
        raise RunFailedError("The demo needs scikit-learn and pandas: pip install 'everfit[demo]'")
    begun = time.monotonic()
    write_demo(folder)
    project = opened(folder, Lines(with_output=True), trains=True)
    try:
        _tell_story(project, Batches(folder))
    finally:
        if not keep:
            project.ports.endpoints.stop()
    _say(f"The end, after {time.monotonic() - begun:.0f} seconds. Where to look:")
    for command in ("history", "runs", "why 2", "why 3", "status"):
        print(f"  everfit {command} -C {folder}")
    if not keep:
        print("The endpoint host is stopped; the next `everfit predict` there starts it again, with version 1.")
    return exit_codes.OK


def _tell_story(project: Opened, batches: Batches) -> None:
    rows = batches.write("batch-1.csv", 0, FIRST)
    _say(f"1. {rows} rows of handwritten digits arrive. Nothing serves yet.")
    first = _run(project, Outcome.DEPLOYED)
    endpoint = project.ports.endpoints.describe(environment_of(project.workspace, None).endpoint)
    if endpoint is None:
        raise RunFailedError(f"Run {first.id} deployed, but no endpoint answers.")
    print(f"A client starts to call {endpoint.url} and does not stop.")
    with Client(endpoint.url, batches.request()) as client:
        rows = batches.write("batch-2.csv", FIRST, SECOND)
        _say(f"2. {rows} more rows arrive. Does a new model do better on rows that neither has seen?")
        _run(project, Outcome.DEPLOYED)
        print(f"The client: {client.words()}.")
        rows = batches.write("batch-3.csv", FIRST + SECOND, SPOILED, shift=3)
        _say(f"3. {rows} rows arrive whose labels are wrong. They look right to every rule about columns.")
        _run(project, Outcome.REJECTED)
        print(f"The client: {client.words()}.")
        _say("4. Suppose version 2 turns out badly after all: everfit rollback")
        _go_back(project)
        client.wait_for("1")
    print(f"The client, in all: {client.words()}.")
    if client.failed:
        raise RunFailedError(f"{client.failed} requests failed; that must never happen.")


def _run(project: Opened, expected: Outcome) -> Run:
    run = retrain(Request(actor=project.actor), project.workspace, project.ports)
    show_run(run_report(run, project.workspace, project.ports))
    if run.outcome is not expected:
        raise RunFailedError(f"The demo expected this run to end as {expected.value}.")
    return run


def _go_back(project: Opened) -> None:
    begun = time.monotonic()
    environment = environment_of(project.workspace, None)
    way = roll_back(environment, project.workspace, project.ports, actor=project.actor)
    seconds = time.monotonic() - begun
    print(
        f"{environment.endpoint} went from version {way.before} back to version {way.after} in {seconds * 1000:.0f} ms."
    )


def _say(words: str) -> None:
    print(f"\n{words}")
