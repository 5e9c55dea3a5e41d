"""A project whose environments are on the bench."""

import tempfile
from pathlib import Path

from everfit.adapters.local.project_file import read_project
from everfit.domain.project import Project
from tests.aws_bench import BUCKET, REGION

IMAGE = f"123456789012.dkr.ecr.{REGION}.amazonaws.com/prophet:1"
PROJECT = f"""\
model: churn
task: regression
data: {{source: "s3://{BUCKET}/raw/", target: y, id: id}}
train: {{script: train.py, sagemaker: {{image: "{IMAGE}"}}}}
gate: [mape < 20]
aws:
  region: {REGION}
  bucket: {BUCKET}
  namespace: MLOps/Forecasting
  names: {{topic: model-drift-alerts}}
environments:
  staging: {{backend: sagemaker, endpoint: churn-staging}}
  production: {{backend: sagemaker, endpoint: churn, promote_from: staging, approval: manual}}
"""


def a_project(text: str = PROJECT) -> Project:
    """Return the project that the text describes."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "everfit.yaml").write_text(text)
        return read_project(Path(folder), {})
