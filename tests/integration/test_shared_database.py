"""Processes that share one Postgres: the one that wakes late cannot deploy, and a restarted server costs no run."""

import os
import random
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from everfit.adapters.local.clock import SystemClock
from everfit.adapters.local.endpoints import LocalEndpoints
from everfit.adapters.local.postgres_address import postgres_address
from everfit.adapters.local.postgres_database import PostgresDatabase
from everfit.adapters.sql.registry import SqlRegistry
from everfit.adapters.sql.run_store import SqlRunStore
from everfit.application.journal import LEASE
from everfit.application.ports import Claim
from everfit.domain.errors import FencedError
from everfit.domain.version import release
from tests.postgres import PostgresServer
from tests.projects import TRAIN, LineProject

WAITING = "open({begun!r}, 'w').close(); open({fifo!r}).read()\n"
PLACE = ("line", "production")


@pytest.fixture
def project(tmp_path: Path) -> Iterator[LineProject]:
    project = LineProject(tmp_path / "line")
    project.add_rows("a.csv")
    yield project
    project.down()


@pytest.fixture
def variables(own_postgres_server: PostgresServer, project: LineProject) -> dict[str, str]:
    """What every process of the installation is started with."""
    return {
        "EVERFIT_DATABASE": own_postgres_server.migrated_database(),
        "EVERFIT_HOME": str(project.folder / ".everfit"),
    }


def halted(project: LineProject, variables: dict[str, str]) -> "tuple[subprocess.Popen[str], Path]":
    """Start a run whose training goes on when something is written into the returned pipe."""
    begun, fifo = project.folder.parent / "begun", project.folder.parent / "fifo"
    os.mkfifo(begun)
    os.mkfifo(fifo)
    project.write("train.py", WAITING.format(begun=str(begun), fifo=str(fifo)) + TRAIN)
    running = project.start("run", **variables)
    begun.read_text()
    return running, fifo


def test_a_process_that_wakes_late_cannot_deploy(
    project: LineProject, variables: dict[str, str], own_postgres_server: PostgresServer
) -> None:
    paused, fifo = halted(project, variables)
    paused.send_signal(signal.SIGSTOP)
    database = variables["EVERFIT_DATABASE"].rpartition("/")[2]
    [(owner,)] = own_postgres_server.ask("select owner from lease", database)
    # As if half a minute had gone by.
    own_postgres_server.ask(
        "update lease set renewed = '2020-01-01T00:00:00+00:00', expires = '2020-01-01T00:00:00+00:00'", database
    )
    fifo.write_text("")
    assert project.everfit("run", "--resume", **variables).code == 0
    paused.send_signal(signal.SIGCONT)
    _, said = paused.communicate(timeout=60)
    assert paused.returncode == 1
    assert "has lost line in production" in said
    history = project.everfit("history", "--json", **variables).json
    assert [row["version"] for row in history] == [1]
    refused_everywhere(variables, str(owner))


def refused_everywhere(variables: dict[str, str], owner: str) -> None:
    """Whatever the late one might still ask for: store, registry and endpoint refuse it."""
    with closing(PostgresDatabase(postgres_address(variables["EVERFIT_DATABASE"]))) as database:
        store, registry = SqlRunStore(database, SystemClock()), SqlRegistry(database, SystemClock())
        run = store.runs(PLACE[0])[0].id
        late = Claim(model=PLACE[0], environment=PLACE[1], owner=owner, fence=1, run=run)
        proof = release(registry.version(PLACE[0], 1), registry.placement(*PLACE, 1))
        endpoints = LocalEndpoints(Path(variables["EVERFIT_HOME"]), None)
        with pytest.raises(FencedError):
            store.renew(late, LEASE)
        with pytest.raises(FencedError):
            registry.served(late, proof, reason="late", actor=owner)
        with pytest.raises(FencedError):
            endpoints.shift("line", {1: 1.0}, [proof], fence=1)


def test_a_server_that_is_restarted_during_a_step_costs_nothing(
    project: LineProject, variables: dict[str, str], own_postgres_server: PostgresServer
) -> None:
    running, fifo = halted(project, variables)
    own_postgres_server.stop()
    own_postgres_server.start()
    fifo.write_text("")
    _, said = running.communicate(timeout=60)
    assert running.returncode == 0, said
    assert [row["version"] for row in project.everfit("history", "--json", **variables).json] == [1]


@pytest.mark.slow
def test_a_server_that_crashes_again_and_again_loses_no_run_and_doubles_none(
    project: LineProject, variables: dict[str, str], own_postgres_server: PostgresServer
) -> None:
    """Each restart cuts off whatever is being said; the run is resumed until it has ended."""
    chance = random.Random(7)
    words: tuple[str, ...] = ("run",)
    code = -1
    for crashes in (6, 6, 6, 0):
        running = project.start(*words, **variables)
        ended = threading.Event()
        waiter = threading.Thread(target=lambda one=running, event=ended: (one.communicate(), event.set()))
        waiter.start()
        for _ in range(crashes):
            if ended.wait(chance.uniform(0.05, 0.5)):
                break
            own_postgres_server.stop(at_once=True)
            own_postgres_server.start()
        waiter.join()
        code = running.returncode
        if code == 0:
            break
        has_begun = project.everfit("runs", "--json", **variables).json
        words = ("run", "--resume") if has_begun else ("run",)
    assert code == 0
    runs, history = (project.everfit(what, "--json", **variables).json for what in ("runs", "history"))
    assert [run["outcome"] for run in runs] == ["deployed"]
    assert [row["version"] for row in history] == [1]
