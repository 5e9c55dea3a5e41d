"""Real processes that are killed, and that fight, over one state file."""

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from everfit.adapters.local.sqlite_database import SqliteDatabase
from everfit.adapters.memory.clock import SettableClock
from everfit.adapters.sql.outbox import SqlOutbox
from everfit.adapters.sql.registry import SqlRegistry
from everfit.domain.run import Outcome, RunState, StepOutcome
from everfit.domain.trigger import Amount, EventEnd
from everfit.domain.version import Standing
from tests.integration.journal_worker import PLACE, STEPS
from tests.kept import SqlKept
from tests.stored import quick_folder

ROOT = Path(__file__).parents[2]
KILLS = 160


@contextmanager
def started(*words: object) -> Generator["subprocess.Popen[str]", None, None]:
    """Start a program, and see to it that nothing of it is left."""
    command = [sys.executable, "-m", "tests.integration.journal_worker", *map(str, words)]
    environment = {"PYTHONPATH": f"{ROOT}/src:{ROOT}", "PYTHONWARNINGS": "error"}
    process = subprocess.Popen(
        command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def ended(process: "subprocess.Popen[str]") -> None:
    _, errors = process.communicate(timeout=100)
    assert process.returncode == 0, errors


@dataclass(frozen=True)
class Aftermath:
    store: SqlKept
    registry: SqlRegistry
    outbox: SqlOutbox
    trace: list[list[str]]

    def told(self, word: str) -> list[list[str]]:
        return [line[1:] for line in self.trace if line[0] == word]


def looked_at(folder: Path, database: SqliteDatabase) -> Aftermath:
    clock = SettableClock()
    trace = [line.split() for line in (folder / "trace").read_text().splitlines()]
    return Aftermath(SqlKept(database, clock), SqlRegistry(database, clock), SqlOutbox(database, clock), trace)


@pytest.fixture(scope="module", params=[7, 2026])
def killed(request: pytest.FixtureRequest) -> Iterator[Aftermath]:
    with quick_folder() as name:
        folder = Path(name)
        with started("kill", folder, request.param, KILLS) as process:
            ended(process)
        database = SqliteDatabase(folder / "state.db")
        yield looked_at(folder, database)
        database.close()


def test_every_event_of_a_killed_worker_ended_exactly_once(killed: Aftermath) -> None:
    """Each accepted trigger has exactly one recorded end."""
    records = killed.store.events(*PLACE)
    told = [name for (name,) in killed.told("accepted")]
    assert len(told) == len(set(told))
    assert set(told) <= {record.event.id for record in records}
    ends = Counter((record.run, record.end) for record in records)
    assert EventEnd.PENDING not in {end for _, end in ends}
    assert all(ends[run, EventEnd.RAN] == 1 for run, _ in ends)


def test_every_end_of_a_killed_worker_is_to_be_told_exactly_once(killed: Aftermath) -> None:
    """The notice is written in the transaction that ends the run."""
    ends = [f"run:{run.id}:deployed" for run in killed.store.runs(*PLACE, limit=10_000)]
    assert [notice.id for notice in killed.outbox.unaddressed(limit=10_000)] == ends[::-1]


def test_a_killed_worker_leaves_nothing_waiting_and_nothing_unconsumed(killed: Aftermath) -> None:
    """The sums beside the events say the same as the events."""
    waiting = killed.store.inbox.waiting(*PLACE)
    assert (waiting.count, waiting.unconsumed, killed.store.inbox.joining(*PLACE)) == (0, Amount(), [])


def test_every_run_of_a_killed_worker_ended_with_every_step(killed: Aftermath) -> None:
    """Killing the service at any moment, then starting it again: the deployment that was owed happens, once."""
    runs = killed.store.runs(*PLACE, limit=10_000)
    assert len(runs) > 5
    for run in runs:
        assert (run.state, run.outcome) == (RunState.ENDED, Outcome.DEPLOYED)
        steps = killed.store.steps(run.id)
        assert [step.name for step in steps] == list(STEPS)
        assert {step.outcome for step in steps} == {StepOutcome.DONE}


def test_every_run_of_a_killed_worker_made_and_served_one_version(killed: Aftermath) -> None:
    runs = [run.id for run in killed.store.runs(*PLACE, limit=10_000)][::-1]
    versions = killed.registry.versions(PLACE[0])
    assert [version.run for version in versions] == runs
    assert [version.number for version in versions] == list(range(1, len(runs) + 1))
    assert [served.run for served in killed.registry.history(*PLACE)] == runs[::-1]


def test_kills_leave_one_champion_and_a_history_without_gaps(killed: Aftermath) -> None:
    history = killed.registry.history(*PLACE)
    serving = [one.version for one in killed.registry.placements(*PLACE) if one.standing is Standing.SERVING]
    assert serving == [killed.registry.champion(*PLACE)] == [history[0].version]
    assert [one.until for one in history] == [None, *(one.since for one in history[:-1])]


def test_a_step_is_told_when_it_may_have_happened_before(killed: Aftermath) -> None:
    first = Counter((run, step) for run, step, attempt in killed.told("started") if attempt == "1")
    again = [step for _, step, attempt in killed.told("started") if attempt != "1"]
    assert set(first.values()) == {1}
    assert again


def test_the_fence_grows_with_every_take_over_after_a_kill(killed: Aftermath) -> None:
    fences = [int(fence) for (fence,) in killed.told("claimed")]
    assert fences == sorted(set(fences))
    assert len(fences) > 10


def test_processes_that_fight_for_the_lease_hold_it_one_at_a_time(tmp_path: Path) -> None:
    """Two runs that finish together: one champion, no lost update."""
    names, rounds = ("one", "two", "three"), 15
    with ExitStack() as fighting:
        for process in [fighting.enter_context(started("fight", tmp_path, name, rounds)) for name in names]:
            ended(process)
    database = SqliteDatabase(tmp_path / "state.db")
    after = looked_at(tmp_path, database)
    versions, history = after.registry.versions(PLACE[0]), after.registry.history(*PLACE)
    assert not after.told("crowded")
    assert not after.told("unfenced")
    assert sorted(int(fence) for (fence,) in after.told("claimed")) == list(range(1, rounds * len(names) + 1))
    assert [version.number for version in versions] == list(range(1, rounds * len(names) + 1))
    assert len(history) == len(versions)
    assert [one.until for one in history] == [None, *(one.since for one in history[:-1])]
    database.close()
