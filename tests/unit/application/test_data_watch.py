"""What a watch on data promises."""

from datetime import timedelta
from pathlib import Path

import pytest

from everfit.domain.trigger import Amount
from tests.watching import Watched

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


@pytest.fixture
def known(watched: Watched) -> Watched:
    """A project whose two files were reported."""
    watched.write("a.csv")
    watched.write("b/c.csv")
    watched.settle()
    watched.inbox.accepted.clear()
    return watched


def test_the_first_data_of_a_model_that_was_never_trained_is_reported(watched: Watched) -> None:
    watched.write("a.csv")
    watched.settle()
    assert watched.subjects == ["1 file new"]
    watched.settle()
    assert watched.subjects == ["1 file new"]


def test_new_replaced_and_deleted_files_are_one_event(known: Watched) -> None:
    known.write("d.csv")
    known.write("a.csv", "x,y\n1,2\n3,4\n")
    (known.data / "b" / "c.csv").unlink()
    known.settle()
    assert known.subjects == ["1 file new, 1 replaced, 1 deleted"]
    assert known.amount == Amount(files=3, bytes=8 + 4)
