"""Blueprints of stacks, plain and with everything that a project can ask for."""

import tempfile
from pathlib import Path

from everfit.adapters.aws.packages import HANDLERS
from everfit.adapters.aws.permissions import Role
from everfit.adapters.aws.stack.blueprint import Blueprint
from everfit.adapters.local.project_file import read_project
from everfit.domain.project import Project

ACCOUNT = "123456789012"
PACKAGE = f"everfit/packages/{'a' * 64}.zip"
PLAIN = """\
model: churn
task: regression
data: {source: "s3://everfit-data/raw/", target: y, id: id}
train: {script: train.py, sagemaker: {framework: sklearn, version: "1.4-2"}}
gate: [mape < 20]
aws: {region: us-east-1, bucket: everfit-bench}
environments:
  production: {backend: sagemaker, endpoint: churn}
"""
FULL = """\
model: churn
task: regression
data: {source: "s3://everfit-data/raw/*.csv", target: y, id: id}
train: {script: train.py, sagemaker: {framework: sklearn, version: "1.4-2", spot: true}}
serve: {sagemaker: {instance: ml.m5.large, autoscale: {max: 4}}}
gate: [mape < 20, r2 >= 0.9, latency_p99 < 200ms]
triggers:
  - schedule: "cron(0 9 ? * SUN *)"
    timezone: America/New_York
  - schedule: "0 9 1,15 * MON"
  - data: {quiet_for: 5m}
  - event: {source: shop.reviews, type: ReviewsLabelled}
  - push: {branch: main}
aws:
  region: us-east-1
  bucket: everfit-bench
  key: arn:aws:kms:us-east-1:123456789012:key/11111111-2222-3333-4444-555555555555
  boundary: arn:aws:iam::123456789012:policy/everfit-boundary
  subnets: [subnet-0a1b2c3d]
  security_groups: [sg-0a1b2c3d]
  namespace: MLOps/Forecasting
  logs: 45d
  audit: true
  subscribe: [ml-team@example.com]
  last_trained: s3://everfit-data/Model/last_trained.json
  tags: {project: forecasting, "cost:centre": "42"}
  names:
    state_machine: churn-retraining
    trigger: prophet-retrain-trigger
    schedule: weekly-prophet-retrain
    package_group: prophet
    pipeline: churn-pipeline
    topic: model-drift-alerts
no_success_for: 5d
environments:
  production: {backend: sagemaker, endpoint: churn, rollout: {strategy: canary, steps: [10%], bake: 10m}}
"""
FUNCTION = PLAIN.replace("endpoint: churn}", "endpoint: churn, hosting: function}")


def project_of(text: str) -> Project:
    """Return the project that the text describes."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "everfit.yaml").write_text(text)
        return read_project(Path(folder), {})


def blueprint(text: str = PLAIN, environment: str = "production", outside: frozenset[str] = frozenset()) -> Blueprint:
    """Return the blueprint of an environment of the project."""
    project = project_of(text)
    return Blueprint(
        project=project,
        environment=project.environments[environment],
        package=PACKAGE,
        handlers={Role(name): handler for name, handler in HANDLERS.items()},
        outside=outside,
    )
