"""A variable that has no value hides as little as it can, and what it hides is told in a sentence."""

import pytest

from everfit.adapters.local.yaml_document import read_document
from everfit.domain.document import Reading
from everfit.domain.errors import ProjectError
from everfit.domain.project import Project
from everfit.domain.project_reader import project_of

LEAVES = """\
model: leaves
data: {source: data/, format: images}
gate: [accuracy >= 0.8]
train:
  sagemaker:
    instance: ${INSTANCE}
    image: ${ACCOUNT}.dkr.ecr.us-east-1.amazonaws.com/leaves:${TAG}
environments:
  local: {}
  production: {backend: sagemaker, endpoint: leaves, data: {source: "s3://${BUCKET}/leaves/"}}
aws: {region: us-east-1, bucket: leaves, role: "${ROLE}"}
"""


def read(text: str) -> Project:
    """Read a project as who only looks or goes back."""
    reading = Reading(file="everfit.yaml", needs_variables=False)
    return project_of(read_document(text.encode(), reading), {}, frozenset, reading)


def test_a_project_can_be_looked_at_without_what_only_a_training_needs() -> None:
    assert list(read(LEAVES).environments) == ["local", "production"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (LEAVES.replace("region: us-east-1", "region: '${REGION}'"), "cannot be found without aws.region"),
        (LEAVES.replace("bucket: leaves", "bucket: '${BUCKET}'"), "cannot be found without aws.bucket"),
        (LEAVES.replace("model: leaves", "model: ${NAME}"), "model has no value"),
    ],
    ids=["region", "bucket", "model"],
)
def test_what_cannot_be_done_without_is_told_in_a_sentence(text: str, words: str) -> None:
    with pytest.raises(ProjectError) as raised:
        read(text)
    (problem,) = raised.value.problems
    assert (words in problem.message, "${" in str(problem.found), problem.line is not None) == (True, True, True)
