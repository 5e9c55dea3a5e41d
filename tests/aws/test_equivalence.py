"""The same inputs give the same decisions and the same end state, wherever the work is done."""

import fcntl
import json
import os
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from tests.aws.stages import Stage
from tests.aws.stages_made import by_controller, here, serverless
from tests.aws.stories import STORIES, Story

Reference = Callable[[str], Mapping[str, Any]]
BACKENDS = ("local", "controller", "serverless")


@pytest.fixture(scope="session")
def in_memory(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """How each story ends in memory, told once for all processes of a session of tests."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def ending(name: str) -> Mapping[str, Any]:
        kept = shared / f"ending-{name.replace(' ', '-')}.json"
        with kept.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            known = file.read()
            if not known:
                with here(STORIES[name], tmp_path_factory.mktemp("memory") / "line", in_memory=True) as stage:
                    STORIES[name].tell(stage)
                    known = json.dumps(stage.ending())
                file.write(known)
        found: Mapping[str, Any] = json.loads(known)
        return found

    return ending


def stage_on(backend: str, story: Story, folder: Path, request: pytest.FixtureRequest) -> AbstractContextManager[Stage]:
    if backend == "local":
        return here(story, folder, in_memory=False)
    bench, clients = request.getfixturevalue("bench"), request.getfixturevalue("aws_clients")
    return (by_controller if backend == "controller" else serverless)(story, folder, bench, clients)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("story", STORIES)
def test_a_story_ends_as_it_does_in_memory(
    story: str, backend: str, in_memory: Reference, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with stage_on(backend, STORIES[story], tmp_path / "line", request) as stage:
        STORIES[story].tell(stage)
        ended = stage.ending()
    assert ended == in_memory(story)
