"""A stack on the bench: the packed functions, the state machine, the queue and the rules, and nothing that stays."""

import hashlib
import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from everfit import __version__
from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.code import S3Code
from everfit.adapters.aws.packages import HANDLERS, Package, build_package
from everfit.adapters.aws.permissions import Role, function_name, role_name
from everfit.adapters.aws.project_bundle import ProjectBundle, place_in, variables_of, write_bundle
from everfit.adapters.aws.s3_objects import S3Objects
from everfit.adapters.aws.stack.state_machine import state_machine
from everfit.adapters.aws.wheels import InstalledPackages
from everfit.adapters.local.code import LocalCode
from everfit.application.kept import Kept
from everfit.application.loop import LOOP
from everfit.bootstrap_aws.serverless import Serverless
from everfit.domain.aws import AwsPlace
from everfit.domain.run import Run
from everfit.interfaces.cli.progress import Silence
from everfit.settings import Settings
from tests.aws.bench.client import Bench, until
from tests.aws.bench.strict import install
from tests.aws_bench import BUCKET, REGION
from tests.projects import INFERENCE, TRAIN

PROJECT = """\
model: line
task: regression
data: {source: "s3://everfit-bench/rows/", target: y, id: id}
train: {script: train.py, timeout: 5m, sagemaker: {framework: sklearn, version: 1.4-2}}
serve: {script: inference.py, sagemaker: {framework: sklearn, version: 1.4-2}}
gate:
  - mae <= 5
  - mae <= champion * 1.1
triggers:
  - data: {quiet_for: QUIET}
environments:
  production:
    backend: sagemaker
    endpoint: line
    approval: APPROVAL
    aws: {region: us-east-1, bucket: everfit-bench}
"""
SUBSTITUTED = ("StepFunctionArn", "TickFunctionArn")
ROLES = {"step": Role.STEP, "trigger": Role.TRIGGER, "tick": Role.TICK, "events": Role.EVENTS}
QUEUE = f"arn:aws:sqs:{REGION}:123456789012:line-data"
LONG = 60.0
WAITS = 0.06
"""Of the time that the state machine waits on AWS: each look of a step costs the machine more than the work does."""


@cache
def package() -> Package:
    """The functions' code, packed once for each process of tests."""
    return build_package(InstalledPackages())


@dataclass
class ServerlessBench:
    """The stack of one environment on the bench.

    Args:
        approval: of the environment.
        quiet: how long nothing more may arrive before a run starts.
        project: its file; the words APPROVAL and QUIET in it stand for the two.
        scripts: the project's other files.
    """

    bench: Bench
    clients: Clients
    approval: str = "automatic"
    quiet: str = "0s"
    project: str = PROJECT
    scripts: Mapping[str, str] = field(default_factory=lambda: {"train.py": TRAIN, "inference.py": INFERENCE})
    variables: Mapping[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        keys = {"AWS_REGION": REGION, "EVERFIT_BUCKET": BUCKET, "EVERFIT_PREFIX": "everfit"}
        self.variables = {**keys, "EVERFIT_MODEL": "line", "EVERFIT_ENVIRONMENT": "production"}
        self.place: AwsPlace = place_in(self.variables)
        self._kept: Kept | None = None
        self.bench.set(wait_factor=WAITS)
        self.apply()
        self._make_functions()
        self._make_machine()
        self._make_queue()
        self._make_rules()

    # What a test does

    def put(self, name: str, content: str) -> None:
        """Write a file of the data source."""
        self.clients("s3").put_object(Bucket=BUCKET, Key=f"rows/{name}", Body=content.encode())

    def tick(self) -> Any:
        """Do what the minute's schedule does."""
        return self.invoke(Role.TICK, {"tick": True})

    def invoke(self, role: Role, event: object) -> Any:
        """Call a function and return what it answers."""
        answer = self.bench.client("lambda").invoke(
            FunctionName=function_name(self.place, role), Payload=json.dumps(event)
        )
        told = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, told
        return told

    @property
    def kept(self) -> Kept:
        """The state as a controller beside the stack sees it."""
        if self._kept is None:
            settings = Settings(home=None, port=None, variables=self.variables, actor="tester")
            self._kept = Serverless(settings, Silence(), prepare=install).kept(owner="tester")
        return self._kept

    def runs(self) -> Sequence[Run]:
        return self.kept.ports.store.runs("line", "production")

    def ended(self, count: int = 1) -> Sequence[Run]:
        """Wait until so many runs have ended, and return them, newest first."""

        def over() -> Sequence[Run]:
            found = [run for run in self.runs() if run.ended is not None]
            return found if len(found) >= count else ()

        return until(over, f"{count} runs that end", LONG)

    def executions(self) -> Mapping[str, str]:
        """Return how each execution stands, by its name."""
        found = self.bench.client("stepfunctions").list_executions(stateMachineArn=self.machine)
        return {each["name"]: each["status"] for each in found["executions"]}

    def at_rest(self) -> Mapping[str, str]:
        """Wait until no execution goes on, and return how each ended."""

        def rested() -> Mapping[str, str]:
            found = self.executions()
            return {} if "RUNNING" in found.values() else found

        return until(rested, "executions that end", LONG)

    # How it is made

    def apply(self) -> None:
        """Put the project in force, as ``everfit apply`` does, also once more."""
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name, "line")
            folder.mkdir()
            for script, text in self.scripts.items():
                (folder / script).write_text(text)
            home = Path(name, "home")
            code = S3Code(self.clients, self.place, LocalCode(home), home / "aws").freeze(str(folder))
        text = self.project.replace("APPROVAL", self.approval).replace("QUIET", self.quiet)
        bundle = ProjectBundle(text=text, code=code.folder, everfit=__version__)
        write_bundle(S3Objects(self.clients, self.place), self.place, bundle)
        key = package().key(self.place)
        self.clients("s3").put_object(Bucket=BUCKET, Key=key, Body=package().content)

    def _make_functions(self) -> None:
        client = self.bench.client("lambda")
        self.bench.role(role_name(self.place, Role.JOB))
        for name, role in ROLES.items():
            client.create_function(
                FunctionName=function_name(self.place, role),
                Runtime="python3.12",
                Handler=HANDLERS[name],
                Role=self.bench.role(role_name(self.place, role), "lambda"),
                Code={"S3Bucket": BUCKET, "S3Key": package().key(self.place)},
                Timeout=120,
                MemorySize=512,
                Environment={"Variables": dict(variables_of(self.place))},
            )
            until(lambda role=role: self._is_active(role), "the function")  # type: ignore[misc]

    def _is_active(self, role: Role) -> bool:
        name = function_name(self.place, role)
        shown = self.bench.client("lambda").get_function_configuration(FunctionName=name)
        return bool(shown["State"] == "Active")

    def _make_machine(self) -> None:
        definition = json.dumps(state_machine([step.name for step in LOOP]))
        arns = (self.arn(Role.STEP), self.arn(Role.TICK))
        for name, arn in zip(SUBSTITUTED, arns, strict=True):
            definition = definition.replace(f"${{{name}}}", arn)
        made = self.bench.client("stepfunctions").create_state_machine(
            name=self.place.names.state_machine,
            definition=definition.replace("${Partition}", "aws"),
            roleArn=self.bench.role(role_name(self.place, Role.MACHINE), "states"),
        )
        self.machine = str(made["stateMachineArn"])

    def arn(self, role: Role) -> str:
        """Return the ARN of a function."""
        return f"arn:aws:lambda:{REGION}:123456789012:function:{function_name(self.place, role)}"

    def _make_queue(self) -> None:
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": QUEUE,
            "Condition": {"ArnEquals": {"aws:SourceArn": f"arn:aws:events:{REGION}:123456789012:rule/data"}},
        }
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        self.bench.client("sqs").create_queue(
            QueueName=QUEUE.rpartition(":")[2], Attributes={"VisibilityTimeout": "120", "Policy": policy}
        )
        self.bench.client("lambda").create_event_source_mapping(
            FunctionName=function_name(self.place, Role.TRIGGER),
            EventSourceArn=QUEUE,
            BatchSize=10,
            FunctionResponseTypes=["ReportBatchItemFailures"],
        )

    def _make_rules(self) -> None:
        client = self.bench.client("events")
        self.clients("s3").put_bucket_notification_configuration(
            Bucket=BUCKET, NotificationConfiguration={"EventBridgeConfiguration": {}}
        )
        detail = {"bucket": {"name": [BUCKET]}, "object": {"key": [{"prefix": "rows/"}]}}
        pattern = {"source": ["aws.s3"], "detail-type": ["Object Created"], "detail": detail}
        self._rule(client, "data", pattern, QUEUE)
        approvals = {"source": ["aws.sagemaker"], "detail-type": ["SageMaker Model Package State Change"]}
        self._rule(client, "approvals", approvals, self.arn(Role.EVENTS))

    def _rule(self, client: Any, name: str, pattern: Mapping[str, object], target: str) -> None:
        client.put_rule(Name=name, EventPattern=json.dumps(pattern))
        client.put_targets(Rule=name, Targets=[{"Id": "everfit", "Arn": target}])
        if ":function:" in target:
            self.bench.client("lambda").add_permission(
                FunctionName=target.rpartition(":")[2],
                StatementId=hashlib.sha256(name.encode()).hexdigest()[:16],
                Action="lambda:InvokeFunction",
                Principal="events.amazonaws.com",
                SourceArn=f"arn:aws:events:{REGION}:123456789012:rule/{name}",
            )
