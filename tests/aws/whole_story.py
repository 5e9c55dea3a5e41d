"""Everything that happens to a model on AWS, each part of it by its own role, so that the calls of each are known."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from everfit.adapters.aws.permissions import Role, role_name
from everfit.bootstrap_aws.account import place_of
from everfit.domain.cost import Usage
from everfit.domain.project import Environment, Project
from tests.aws.bench.client import Bench, until
from tests.aws.blueprints import project_of
from tests.aws.controllers import Controllers
from tests.aws.recorded import Statement, policy_of
from tests.aws.stacks import opened
from tests.aws.stages import rows
from tests.projects import INFERENCE, TRAIN

LONG = 90.0
WAITS = 0.05
"""Of the time that a state machine waits on AWS: looking all the time would take the machine from the work."""
A_MINUTE = 100
"""Looks for a question from one look of the stack to the next."""
DATA, MODELS, GROUP, ENDPOINT = "line-data", "line-models", "line", "line"
STACK = "everfit-line-production"
PROJECT = f"""\
model: {GROUP}
task: regression
data: {{source: "s3://{DATA}/rows/", target: y, id: id}}
train: {{script: train.py, timeout: 5m, sagemaker: {{framework: sklearn, version: 1.4-2}}}}
serve: {{script: inference.py, sagemaker: {{framework: sklearn, version: 1.4-2}}}}
gate:
  - mae <= 5
  - mae <= champion * 1.1
triggers:
  - data: {{quiet_for: 0s}}
  - schedule: "cron(0 9 ? * SUN *)"
aws:
  region: us-east-1
  bucket: {MODELS}
  subscribe: [ml-team@example.com]
  last_trained: s3://{DATA}/last/last_trained.json
  names: {{topic: line-alerts}}
environments:
  production:
    backend: sagemaker
    endpoint: {ENDPOINT}
    approval: APPROVAL
    watch: {{for: 1h, roll_back_when: ["error_rate > 2%"]}}
"""
Document = dict[str, Any]


@dataclass
class WholeStory:
    """A model's life: by a stack, which is removed in the end, then by a controller.

    Args:
        granted: what the stack gives each of its roles, as IAM has it.
    """

    bench: Bench
    folder: Path
    granted: dict[Role, Sequence[Statement]] = field(default_factory=dict[Role, Sequence[Statement]])

    def __post_init__(self) -> None:
        self.project: Project = project_of(PROJECT.replace("APPROVAL", "manual"))
        self.environment: Environment = self.project.environments["production"]
        self.place = place_of(self.environment)
        self.sagemaker = self.bench.client("sagemaker")
        self.states = self.bench.client("stepfunctions")

    def role(self, role: Role) -> str:
        """Return the name of the role in whose name somebody acts."""
        return role_name(self.place, role)

    def tell(self, variables: pytest.MonkeyPatch) -> list[Document]:
        """Have it all happen and return every call."""
        self._make_data()
        self.bench.set(wait_factor=WAITS)
        for name, value in self.bench.environment(self.bench.role(self.role(Role.DEPLOYER))).items():
            variables.setenv(name, value)
        self._write("manual")
        stack = opened(self.folder)
        stack.plan(None, Usage(), said)
        stack.apply(said)
        iam = self.bench.client("iam")
        made = {each["RoleName"] for each in iam.list_roles()["Roles"]}
        self.granted = {each: policy_of(iam, self.role(each)) for each in Role if self.role(each) in made}
        self._serverless()
        opened(self.folder).destroy(said, data=True)
        self._controller()
        return self.bench.calls()

    def _make_data(self) -> None:
        s3 = self.bench.client("s3")
        s3.create_bucket(Bucket=DATA)
        s3.put_bucket_versioning(Bucket=DATA, VersioningConfiguration={"Status": "Enabled"})
        s3.put_bucket_notification_configuration(
            Bucket=DATA, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )

    def _write(self, approval: str) -> None:
        self.folder.mkdir(exist_ok=True)
        (self.folder / "everfit.yaml").write_text(PROJECT.replace("APPROVAL", approval))
        (self.folder / "train.py").write_text(TRAIN)
        (self.folder / "inference.py").write_text(INFERENCE)

    def _put(self, name: str, body: str) -> None:
        self.bench.client("s3").put_object(Bucket=DATA, Key=f"rows/{name}", Body=body.encode())

    # With nothing of ours running

    def _serverless(self) -> None:
        for name, body in (("a.csv", rows()), ("b.csv", rows(first=100, count=300))):
            before = self._served()
            self._put(name, body)
            self.sagemaker.update_model_package(ModelPackageArn=self._asked(), ModelApprovalStatus="Approved")
            self._other_than(before)
        before = self._served()
        self.bench.fire(STACK)
        self.bench.alarm(f"{ENDPOINT}-5xx")
        self._other_than(before)
        # What is told comes from the last tick.
        self._tick()
        until(lambda: self._told(3), "what is told of it", LONG)

    def _tick(self) -> None:
        self.bench.fire(f"{STACK}-tick")

    def _asked(self) -> str:
        """Return the package about which a person is asked; the minute's look comes now and then meanwhile."""
        looks = count(1)

        def found() -> str | None:
            if next(looks) % A_MINUTE == 0:
                self._tick()
            listed = self.sagemaker.list_model_packages(
                ModelPackageGroupName=GROUP, ModelApprovalStatus="PendingManualApproval"
            )["ModelPackageSummaryList"]
            return listed[0]["ModelPackageArn"] if listed else None

        arn = until(found, "a question", LONG)
        self._rest()
        assert arn is not None
        return arn

    def _served(self) -> str | None:
        listed = self.sagemaker.list_endpoints()["Endpoints"]
        if not listed or listed[0]["EndpointStatus"] != "InService":
            return None
        return str(self.sagemaker.describe_endpoint(EndpointName=ENDPOINT)["EndpointConfigName"])

    def _other_than(self, before: str | None) -> None:
        """Wait until another configuration serves, and all who saw to it have done."""
        until(lambda: self._served() not in {None, before}, "another version that serves", LONG)
        self._rest()

    def _rest(self) -> None:
        def rested() -> bool:
            (machine,) = self.states.list_state_machines()["stateMachines"]
            listed = self.states.list_executions(stateMachineArn=machine["stateMachineArn"])["executions"]
            return all(each["status"] != "RUNNING" for each in listed)

        until(rested, "executions that end", LONG)

    def _told(self, count: int) -> bool:
        return len(self.bench.calls("sns", "Publish")) >= count

    # By a process with the role of a controller

    def _controller(self) -> None:
        self.bench.client("s3").create_bucket(Bucket=MODELS)
        self.bench.role(self.role(Role.JOB))
        self.bench.client("sns").create_topic(Name="line-alerts")
        self.bench.client("s3").delete_object(Bucket=DATA, Key="rows/b.csv")
        self._write("automatic")
        controllers = Controllers(self.bench, self.folder, self.bench.role(self.role(Role.CONTROLLER)))
        asked = self.folder / "asked.json"
        asked.write_text(json.dumps({"instances": [{"id": 1, "x": 3}]}))
        try:
            self._do(controllers, "run")
            self._put("c.csv", rows(first=500, count=300))
            self._do(controllers, "run")
            self._do(controllers, "predict", str(asked))
        finally:
            controllers.end()

    def _do(self, controllers: Controllers, command: str, *options: str) -> None:
        ended = controllers.start(command, *options).ended()
        assert ended.code == 0, ended


def said(words: str) -> None:
    """Take what is said while a stack is made."""
    assert words
