"""``everfit rollback --offline``: the way back that needs neither the database nor a project file that can be read."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.projects import LineProject


@pytest.fixture
def project(tmp_path: Path) -> Iterator[LineProject]:
    project = LineProject(tmp_path / "line")
    yield project
    project.down()


def test_the_last_good_version_comes_back_without_database_and_project_file_and_status_says_what_answers(
    project: LineProject,
) -> None:
    """One step back to the last good version at any time; what every command shows then is true."""
    for name in ("a.csv", "b.csv"):
        project.add_rows(name)
        assert project.everfit("run", "--json").json["outcome"] == "deployed"
    state, whole = project.folder / ".everfit" / "state.db", (project.folder / "everfit.yaml").read_text()
    state.rename(state.with_name("away"))
    project.write("everfit.yaml", f"{whole}\nhalf: [")
    named = project.everfit("rollback", "--offline", "--env", "production")
    assert (named.code, "this is not YAML" in named.err) == (2, True)
    went = project.everfit("rollback", "--offline", "--reason", "nonsense", "--json").json
    assert (went["endpoint"], went["from"], went["to"]) == ("line", 2, 1)
    state.with_name("away").rename(state)
    project.write("everfit.yaml", whole)
    shown = project.everfit("status").out
    assert "version 2 belongs behind line, but version 1 answers" in shown
    assert "nonsense" in shown
    assert project.everfit("rollback", "--json").json["to"] == 1
    assert "version 1 serves behind line" in project.everfit("status").out
    assert [row["version"] for row in project.everfit("history", "--json").json] == [1, 2, 1]
    project.write("everfit.yaml", f"{whole}\nhalf: [")
    assert project.everfit("down").out == "The endpoint host is stopped.\n"
    assert "this is not YAML" in project.everfit("down").err
