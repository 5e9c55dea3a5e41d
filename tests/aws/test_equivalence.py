"""The same inputs give the same decisions and the same end state, wherever the work is done."""

from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.aws.references import Reference, in_memory
from tests.aws.stages import Stage
from tests.aws.stages_made import by_controller, here, serverless
from tests.aws.stories import OF_AWS, STORIES, Story

__all__ = ["in_memory"]

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
BACKENDS = ("local", "controller", "serverless")
TOLD_ELSEWHERE = {
    ("troubles", "serverless"),
    ("champions", "serverless"),
    ("a life", "controller"),
    ("a life", "serverless"),
    ("people", "controller"),
}
"""A life is told there of those who are killed in its middle; the stories that stay have what is special to being
serverless, and what people do on AWS."""


def stage_on(backend: str, story: Story, folder: Path, request: pytest.FixtureRequest) -> AbstractContextManager[Stage]:
    if backend == "local":
        return here(story, folder, in_memory=False)
    bench, clients = request.getfixturevalue("bench"), request.getfixturevalue("aws_clients")
    return (by_controller if backend == "controller" else serverless)(story, folder, bench, clients)


@pytest.mark.parametrize(
    ("story", "backend"),
    [
        pytest.param(story, backend, marks=[pytest.mark.soak] if (story, backend) in TOLD_ELSEWHERE else [])
        for story in STORIES
        for backend in BACKENDS
    ],
)
def test_a_story_ends_as_it_does_in_memory(
    story: str, backend: str, in_memory: Reference, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    with stage_on(backend, STORIES[story], tmp_path / "line", request) as stage:
        STORIES[story].tell(stage)
        ended = stage.ending()
    assert ended == in_memory(story)


def test_what_aws_tells_of_twice_and_in_another_order_ends_as_if_a_person_had_done_it(
    in_memory: Reference, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    story = OF_AWS["people on AWS"]
    with stage_on("serverless", story, tmp_path / "line", request) as stage:
        request.getfixturevalue("bench").set(duplicate_events=2, reorder_events=4)
        story.tell(stage)
        ended = stage.ending()
    assert ended == in_memory("people on AWS")
