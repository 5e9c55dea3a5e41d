"""From a change of the data to the runs that learn from it."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from everfit.application.dispatch import Held, dispatch
from everfit.application.journal import drive
from everfit.domain.run import Outcome, Run
from everfit.domain.snapshot import Snapshot
from everfit.domain.trigger import Amount
from everfit.domain.triggers import Pace
from tests.fakes import FixedData
from tests.watching import Watched


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    made = Watched(tmp_path)
    made.trigger = replace(made.trigger, pace=Pace())
    made.watch = made.started()
    return made


def arrives(watched: Watched, name: str) -> None:
    """Have a file arrive, of which the snapshots of this world take note as well."""
    watched.write(name)
    watched.world.data.rows += 1
    watched.settle()


def due(watched: Watched) -> Run | Held | None:
    return dispatch("line", "production", watched.workspace(), watched.world.ports())


def driven(watched: Watched, run: Run | Held | None) -> Outcome | None:
    assert isinstance(run, Run)
    return drive(run.id, watched.workspace(), watched.world.ports()).outcome


def test_a_file_that_arrives_while_a_run_is_under_way_starts_one_more_after_it(watched: Watched) -> None:
    held: list[Run | Held | None] = []

    def meanwhile() -> None:
        for name in ("b.csv", "c.csv"):
            arrives(watched, name)
            held.append(due(watched))

    arrives(watched, "a.csv")
    first = due(watched)
    watched.world.data = LateData(rows=watched.world.data.rows, meanwhile=meanwhile)
    assert driven(watched, first) is Outcome.DEPLOYED
    assert [type(each) for each in held] == [Held, Held]
    assert driven(watched, due(watched)) is Outcome.DEPLOYED
    assert due(watched) is None


@dataclass
class LateData(FixedData):
    """Data of which more arrives just after it was frozen."""

    meanwhile: Callable[[], None] | None = None

    def freeze(self, source: str) -> Snapshot:
        frozen = super().freeze(source)
        meanwhile, self.meanwhile = self.meanwhile, None
        if meanwhile is not None:
            meanwhile()
        return frozen


def test_data_of_a_rejected_run_still_counts_as_new(watched: Watched) -> None:
    pace = Pace(at_least=Amount(files=2))
    watched.trigger = replace(watched.trigger, pace=pace)
    watched.watch = watched.started()
    arrives(watched, "a.csv")
    assert isinstance(due(watched), Held)
    arrives(watched, "b.csv")
    watched.world.mae = 99.0
    assert driven(watched, due(watched)) is Outcome.REJECTED
    watched.world.mae = 1.0
    arrives(watched, "c.csv")
    assert driven(watched, due(watched)) is Outcome.DEPLOYED


def test_a_change_that_two_senders_tell_of_trains_once(watched: Watched) -> None:
    arrives(watched, "a.csv")
    assert driven(watched, due(watched)) is Outcome.DEPLOYED
    (event,) = watched.accepted
    watched.inbox.accept([replace(event, id="s3:bucket/a.csv#@1")])
    assert driven(watched, due(watched)) is Outcome.SKIPPED
