"""The whole project file in one example, and ways to read texts and trees of values."""

from collections.abc import Mapping
from typing import Any

from everfit.adapters.local.yaml_document import read_document
from everfit.domain.document import Fields, Items, Node, Reading, Scalar
from everfit.domain.errors import Problem, ProjectError
from everfit.domain.project import Project
from everfit.domain.project_reader import project_of

WEBHOOK = "https://hooks.slack.example/T0/B1"
VARIABLES = {"SLACK_WEBHOOK": WEBHOOK}

EXAMPLE = """\
model: solar-power
task: regression                 # regression | classification | forecast | custom
data:
  source: data/                  # a folder, a glob or s3://bucket/prefix/
  format: csv                    # csv | parquet | jsonl | images (one folder per class) | files
  target: generation_kwh
  time: timestamp                # optional; makes the holdout the newest part, never a random one
  id: row_id                     # optional; duplicates are found by it
  holdout: 20%                   # newest by time, else a stable hash of the row, so no row ever changes sides
  checks:                        # what the data must be before money is spent on training
    - rows >= 1000
    - missing(generation_kwh) <= 1%
    - range(generation_kwh) in [0, 500]
    - duplicates(row_id) == 0
train:
  script: train.py               # the SageMaker training contract, unchanged
  requirements: requirements.txt
  hyperparameters: {epochs: 20, model_type: neural_network}
  timeout: 1h
  sagemaker: {instance: ml.m5.large, count: 1, spot: true, framework: sklearn, version: "1.4-2"}   # or image: <ECR URI>
serve:
  script: inference.py           # model_fn / input_fn / predict_fn / output_fn, or a serving image
  sagemaker: {instance: ml.m5.large, count: 1, autoscale: {max: 4, invocations_per_instance: 500}}
gate:
  - r2 >= 0.95
  - mape < 20
  - rmse <= champion * 1.02      # relative, on the same holdout, with its confidence interval
  - r2 >= 0.9 for region in [north, south]
  - latency_p99 < 200ms
  - size < 500MB
triggers:
  - schedule: "0 0 * * SAT"
    timezone: America/New_York
  - data: {at_least: 500 rows, quiet_for: 5m}
  - push: {branch: main, paths: ["train.py", "src/**"]}
  - drift: {cooldown: 1d}
aws: {region: us-east-1, bucket: solar-models}
environments:
  staging:
    endpoint: solar-staging
    tag: "staging-solar-v*"
  production:
    endpoint: solar
    tag: "production-solar-v*"
    backend: sagemaker           # local is the default
    promote_from: staging        # the very bytes that staging tested; or retrain
    approval: manual             # automatic | manual | when: mape >= 20
    rollout: {strategy: canary, steps: [10%, 50%], bake: 10m}
    watch: {for: 7d, roll_back_when: ["mape > 25", "error_rate > 1%", "latency_p99 > 500ms"]}
monitor:
  capture: 100%
  drift: {every: 1h, against: training}
alerts:
  - email: ml-team@example.com
  - sns: arn:aws:sns:us-east-1:111122223333:model-drift-alerts
  - slack: ${SLACK_WEBHOOK}
no_success_for: 9d               # the dead-man alert
"""

SHORTEST: Mapping[str, Any] = {
    "model": "house-prices",
    "data": {"source": "data/", "target": "price"},
    "train": {"script": "train.py"},
    "gate": ["r2 >= 0.8"],
}

ZONES = frozenset({"UTC", "America/New_York", "Europe/Paris"})


def node_of(value: object) -> Node:
    """Return *value* as a tree; every line is 1."""
    match value:
        case dict():
            return Fields(line=1, pairs=tuple((_scalar(str(name)), node_of(each)) for name, each in value.items()))
        case list() | tuple():
            return Items(line=1, nodes=tuple(map(node_of, value)))
        case bool():
            return _scalar(str(value).lower())
        case None:
            return _scalar("")
        case _:
            return _scalar(str(value))


def _scalar(text: str) -> Scalar:
    return Scalar(line=1, text=text, written=text)


def read_tree(node: Node, variables: Mapping[str, str] = VARIABLES) -> Project:
    """Return the project that *node* says."""
    return project_of(node, variables, lambda: ZONES, Reading(file="everfit.yaml"))


def read_text(text: str | bytes, variables: Mapping[str, str] = VARIABLES) -> Project:
    """Return the project that the YAML in *text* says."""
    reading = Reading(file="everfit.yaml")
    content = text if isinstance(text, bytes) else text.encode()
    return project_of(read_document(content, reading), variables, lambda: ZONES, reading)


def problems_of(text: str | bytes, variables: Mapping[str, str] = VARIABLES) -> tuple[Problem, ...]:
    """Return what is wrong with the YAML in *text*."""
    try:
        read_text(text, variables)
    except ProjectError as error:
        return error.problems
    return ()


def with_keys(**keys: object) -> dict[str, Any]:
    """Return the shortest project with *keys*; a dict for a section is put over what the section has."""
    project = dict(SHORTEST)
    for name, value in keys.items():
        old = project.get(name)
        project[name] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return project


def refusals(**keys: object) -> tuple[Problem, ...]:
    """Return what is wrong with the shortest project when it has *keys*."""
    try:
        read_tree(node_of(with_keys(**keys)))
    except ProjectError as error:
        return error.problems
    return ()
