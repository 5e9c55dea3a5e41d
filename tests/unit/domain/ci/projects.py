"""Small project files for the tests of workflows."""

from everfit.adapters.local.yaml_document import read_document
from everfit.domain.ci.project import CiProject, ci_project
from everfit.domain.document import Reading

AWS = "aws: {region: us-east-1, bucket: b-1}\n"
MASK = (
    """\
model: mask-recommender
triggers:
  - schedule: "0 0 * * SAT"
    timezone: America/New_York
  - push: {branch: main, paths: ["train.py", "src", "/shared/**"]}
    environments: [staging]
  - data: {quiet_for: 5m}
    environments: [production]
environments:
  laptop: {}
  staging: {backend: sagemaker, tag: "staging-recommender-v*"}
  production: {backend: sagemaker, tag: "production-recommender-v*"}
"""
    + AWS
)


def ci(text: str, folder: str = "") -> CiProject:
    reading = Reading(file="everfit.yaml", needs_variables=False)
    return ci_project(read_document(text.encode(), reading), folder, reading)
