"""A real service and tags that are pushed while it runs, and while it does not."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.git_projects import ALONE, GitProject
from tests.integration.test_deploy_by_tag import RULES
from tests.projects import INFERENCE, TRAIN, LineProject
from tests.service import RunningService, until


@pytest.fixture
def git(tmp_path: Path) -> GitProject:
    return GitProject(tmp_path / "mask", below="recommender")


@pytest.fixture
def mask(git: GitProject) -> Iterator[LineProject]:
    project = LineProject(git.folder)
    project.write("everfit.yaml", RULES)
    for name, text in (("inference.py", INFERENCE), ("train.py", TRAIN)):
        git.commit(name, text)
    project.add_rows("a.csv")
    yield project
    project.down()


def rows(project: LineProject, sql: str) -> list[tuple[Any, ...]]:
    database = project.folder / ".everfit" / "state.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def served(project: LineProject) -> list[tuple[Any, ...]]:
    return rows(project, "select environment, version from served order by version")


def test_tags_deploy_while_the_service_runs_and_after_it_was_killed(git: GitProject, mask: LineProject) -> None:
    """Push a tag into a local git repository: staging deploys, production does not."""
    with RunningService(mask.folder, **ALONE) as service:
        until(lambda: rows(mask, "select 1 from mark where key like 'git:%'"))
        git.tag("staging-recommender-v0.1.2")
        until(lambda: served(mask) == [("staging", 1)])
        service.kill()
        git.tag("production-recommender-v0.1.2")
        git.tag("staging-recommender-vX")
        service.start()
        until(lambda: served(mask) == [("staging", 1), ("production", 2)])
        until(lambda: not rows(mask, "select 1 from event where state = 'pending'"))
        assert len(rows(mask, "select 1 from event")) == 3
