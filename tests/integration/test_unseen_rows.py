"""No row that a training has seen is ever in the holdout, whatever arrives later."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.projects import LineProject


@pytest.fixture
def project(tmp_path: Path) -> Iterator[LineProject]:
    project = LineProject(tmp_path / "line")
    yield project
    project.down()


def sides(project: LineProject, run: str) -> dict[str, set[str]]:
    """Return the ids of the rows on each side of a run."""
    output = project.folder / ".everfit" / "runs" / run / f"{run}-prepare" / "ml" / "output"
    found: dict[str, set[str]] = {}
    for side in ("train", "validation", "holdout"):
        found[side] = set()
        for file in (output / side).glob("*.csv"):
            with file.open(newline="") as rows:
                found[side] |= {row["id"] for row in csv.DictReader(rows)}
    return found


@pytest.mark.parametrize("by", ["hash", "time"])
def test_what_a_training_has_seen_is_never_held_out_later(project: LineProject, by: str) -> None:
    """The holdout is never seen by training, and a row never changes sides between snapshots."""
    if by == "time":
        project.edit("everfit.yaml", "  id: id\n", "  id: id\n  time: day\n")
    seen: set[str] = set()
    held_out: set[str] = set()
    for number in range(3):
        lines = ["id,x,y,day"]
        for row in range(number * 200, number * 200 + 200):
            lines.append(f"{row},{1 + row % 20},{2 * (1 + row % 20)}.5,{2000 + row // 12}-{1 + row % 12:02}-01")
        project.write(f"data/part-{number}.csv", "\n".join(lines) + "\n")
        report = project.everfit("run", "--force", "--json").json
        assert report["outcome"] in ("deployed", "rejected"), report["reason"]
        now = sides(project, report["run"])
        assert sum(map(len, now.values())) == 200 * (number + 1)
        assert not (now["train"] | now["validation"]) & now["holdout"]
        assert not seen & now["holdout"]
        assert by == "time" or held_out <= now["holdout"]
        seen |= now["train"] | now["validation"]
        held_out |= now["holdout"]
