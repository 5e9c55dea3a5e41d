"""The mask recommender: tags deploy to staging and to production, each by itself, besides a weekly retraining."""

from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any, cast

import pytest

from everfit.adapters.local.repositories import LocalRepositories
from everfit.application.dispatch import dispatch
from everfit.application.journal import drive
from everfit.application.ports import Outbox
from everfit.application.sources.git import GitSource
from everfit.bootstrap import open_ports, open_workspace, state_folder
from everfit.domain.run import Run
from everfit.domain.trigger import EventEnd
from everfit.settings import read_settings
from tests.fakes import Silent
from tests.git_projects import ALONE, GitProject
from tests.projects import INFERENCE, TRAIN, LineProject
from tests.projects import PROJECT as LINE
from tests.watching import KeptOutbox

RULES = (
    LINE.replace("model: line", "model: mask-recommender")
    + """\
triggers:
  - schedule: "0 5 * * SAT"
environments:
  staging: {endpoint: mask-staging, tag: "staging-recommender-v*"}
  production: {endpoint: mask, tag: "production-recommender-v*"}
"""
)


class MaskRecommender:
    """A bare repository, a clone of it as the project folder, and the parts of the service that tags go through."""

    def __init__(self, folder: Path) -> None:
        self.passed = timedelta(0)
        self.git = GitProject(folder, below="recommender")
        self.project = LineProject(self.git.folder)
        self.project.write("everfit.yaml", RULES)
        for name, text in (("inference.py", INFERENCE), ("train.py", TRAIN)):
            self.git.commit(name, text)
        self.project.add_rows("a.csv")
        settings = read_settings({})
        self.workspace = open_workspace(self.git.folder, settings)
        self.ports = open_ports(self.workspace, settings, Silent())
        repositories = LocalRepositories(state_folder(self.git.folder, settings))
        self.source = GitSource(self.ports.inbox, cast("Outbox", KeptOutbox()), repositories)
        self.source.keep([self.workspace])
        self.turn()

    def release(self, tag: str, note: str) -> str:
        """Commit a change of the code, tag it, push both, and let the service take its turn."""
        commit = self.git.commit("train.py", f"{TRAIN}# {note}\n")
        self.git.tag(tag)
        self.turn()
        return commit

    def turn(self) -> None:
        """Look at the repository whatever the time, and take what it starts to its end."""
        self.source.keep([self.workspace])
        self.source.look(self.ports.clock.now() + self.passed)
        self.passed += timedelta(minutes=1)
        for environment in self.workspace.project.environments:
            run = dispatch(self.workspace.model, environment, self.workspace, self.ports)
            if isinstance(run, Run):
                drive(run.id, self.workspace, self.ports)

    def history(self, environment: str) -> list[int]:
        found = self.project.everfit("history", "--env", environment, "--json").json
        return [row["version"] for row in found][::-1]

    def made_of(self, version: int) -> tuple[str, str]:
        lineage = self.project.everfit("why", str(version), "--json").json["lineage"]
        return lineage["commit"], lineage["release"]


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Any]]:
    """What was seen on the way, by name."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ALONE.items():
            patch.setenv(name, value)
        mask = MaskRecommender(tmp_path_factory.mktemp("mask"))
        try:
            yield dict(told(mask))
        finally:
            mask.project.down()


def told(mask: MaskRecommender) -> Iterator[tuple[str, Any]]:
    yield "before", (mask.history("staging"), mask.history("production"))
    commit = mask.release("staging-recommender-v0.1.2", "first")
    yield "staged", (mask.history("staging"), mask.history("production"), mask.made_of(1) == (commit, "0.1.2"))
    (mask.git.folder / "train.py").write_text("this is being worked on\n")
    mask.git.tag("production-recommender-v0.1.2")
    mask.turn()
    yield "released", (mask.history("staging"), mask.history("production"), mask.made_of(2) == (commit, "0.1.2"))
    (mask.git.folder / "train.py").write_text(TRAIN)
    mask.git.tag("staging-recommender-vX")
    mask.turn()
    yield "refused", mask.ports.inbox.events(end=EventEnd.SKIPPED)
    mask.release("staging-recommender-v0.1.3", "second")
    mask.release("production-recommender-v0.2.0-rc.1", "third")
    yield "both", (mask.history("staging"), mask.history("production"), mask.made_of(4)[1])
    codes = [mask.project.everfit("rollback", "--env", name).code for name in ("staging", "production")]
    yield "back", (codes, mask.history("staging"), mask.history("production"))
    yield "runs", mask.project.everfit("runs", "--json").json
    yield "shown", (mask.project.everfit("runs").out, mask.project.everfit("why", "4").out)
    mask.turn()
    yield "events", mask.ports.inbox.events()


def test_what_was_pushed_before_the_first_look_starts_nothing(story: Mapping[str, Any]) -> None:
    assert story["before"] == ([], [])


def test_a_staging_tag_deploys_exactly_its_commit_to_staging_and_nothing_to_production(
    story: Mapping[str, Any],
) -> None:
    """Push a tag into a local git repository: staging deploys, production does not."""
    assert story["staged"] == ([1], [], True)


def test_a_production_tag_deploys_its_commit_whatever_lies_in_the_folder(story: Mapping[str, Any]) -> None:
    assert story["released"] == ([1], [2], True)


def test_a_tag_without_a_version_is_recorded_as_skipped(story: Mapping[str, Any]) -> None:
    """A tag staging-recommender-vX is recorded as skipped with the reason."""
    (record,) = story["refused"]
    assert (record.event.environment, record.end) == ("staging", EventEnd.SKIPPED)
    assert "'X' is where a semantic version such as 1.2.3 belongs" in record.reason


def test_each_environment_has_a_history_of_its_own_and_goes_back_by_itself(story: Mapping[str, Any]) -> None:
    assert story["both"] == ([1, 3], [2, 4], "0.2.0-rc.1")
    assert story["back"] == ([0, 0], [1, 3, 1], [2, 4, 2])


def test_every_tag_ended_once_and_every_run_names_its_release(story: Mapping[str, Any]) -> None:
    ends = [record.end for record in story["events"]]
    assert sorted(end.value for end in ends) == ["ran"] * 4 + ["skipped"]
    assert [run["release"] for run in story["runs"]] == ["0.2.0-rc.1", "0.1.3", "0.1.2", "0.1.2"]
    runs, why = story["shown"]
    assert "v0.1.3 at " in runs
    assert "v0.2.0-rc.1 at commit" in why
