"""Makes a stage on each backend, with the product's own adapters, and takes it down again."""

import time
from abc import abstractmethod
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.database import S3Database
from everfit.adapters.aws.endpoints import SageMakerEndpoints
from everfit.adapters.aws.jobs import SageMakerJobs
from everfit.adapters.aws.listings import S3Listings
from everfit.adapters.aws.no_folders import NoFolders
from everfit.adapters.aws.pace import Pace
from everfit.adapters.aws.permissions import Role, role_name
from everfit.adapters.local.listings import LocalListings
from everfit.adapters.memory.endpoints import MemoryEndpoints
from everfit.adapters.memory.inbox import MemoryInbox
from everfit.adapters.memory.outbox import MemoryOutbox
from everfit.adapters.memory.registry import MemoryRegistry
from everfit.adapters.memory.run_store import MemoryRunStore
from everfit.adapters.sql.outbox_rows import notice_of
from everfit.application.ports import Ports
from everfit.application.ports.listings import Listings
from everfit.application.sources.data import DataPorts, DataWatch
from everfit.application.workspace import Workspace
from everfit.bootstrap import open_ports, open_workspace
from everfit.bootstrap_aws.account import place_of
from everfit.domain.inbox import Waiting
from everfit.domain.notice import Notice
from everfit.interfaces.cli.progress import Silence
from everfit.settings import Settings
from tests.aws.bench.client import Bench, until
from tests.aws.endings import ENVIRONMENT
from tests.aws.events import a_job_event, a_package_event, an_alarm_event, an_endpoint_event
from tests.aws.serverless_bench import ServerlessBench
from tests.aws.stages import ALARM, Stage
from tests.aws.stories import Story
from tests.aws_bench import BUCKET
from tests.projects import INFERENCE, TRAIN

PROJECT = """\
model: line
task: regression
data: {source: "SOURCE", target: y, id: id}
train: {script: train.py, timeout: 1m, grace: 1s, sagemaker: {framework: sklearn, version: 1.4-2}}
serve: {script: inference.py, sagemaker: {framework: sklearn, version: 1.4-2}}
gate:
  - mae <= 5
  - mae <= champion * 1.1TRIGGERS
environments:
  production: {endpoint: line, approval: APPROVALWATCHPLACE}
"""
ON_AWS = ", backend: sagemaker, aws: {region: us-east-1, bucket: everfit-bench}"
SCRIPTS: Mapping[str, str] = {"train.py": TRAIN, "inference.py": INFERENCE}
LOOK = timedelta(milliseconds=200)
PATIENCE = 250.0
"""Longer than anything takes on a machine that does ten other things: only what never ends may fail by it."""


def project_text(story: Story, *, on_aws: bool) -> str:
    """Return the project file, which differs in nothing but where the project is."""
    source, place = (f"s3://{BUCKET}/rows/", ON_AWS) if on_aws else ("data/", "")
    text = PROJECT.replace("SOURCE", source).replace("PLACE", place).replace("WATCH", story.watch)
    return text.replace("TRIGGERS", story.triggers).replace("APPROVAL", story.approval)


@dataclass
class Driven(Stage):
    """A stage whose runs are driven by a process of this machine.

    Args:
        folder: of the project.
    """

    folder: Path

    def change(self, name: str, content: str) -> None:
        (self.folder / name).write_text(content)

    def look(self) -> None:
        watch = DataWatch(
            DataPorts(
                inbox=self.ports.inbox,
                outbox=self.ports.outbox,
                listings=self.listings(),
                folders=NoFolders(),
                store=self.ports.store,
                registry=self.ports.registry,
                data=self.ports.data,
            )
        )
        watch.keep((self.workspace,))

        def is_reported() -> bool:
            watch.look(self.ports.clock.now())
            return bool(self.ports.inbox.waiting(self.workspace.model, ENVIRONMENT).backlogs)

        until(is_reported, "news of the data")

    @abstractmethod
    def listings(self) -> Listings:
        """Return what lists the data source."""


@dataclass
class LocalStage(Driven):
    """On this machine: real jobs, a real host, SQLite."""

    def put(self, name: str, content: str) -> None:
        (self.folder / "data" / name).write_text(content)

    def listings(self) -> Listings:
        return LocalListings(self.folder / ".everfit")


@dataclass
class ControllerStage(Driven):
    """A process of this machine drives the loop; state, data and work are on AWS."""

    clients: Clients

    def put(self, name: str, content: str) -> None:
        self.clients("s3").put_object(Bucket=BUCKET, Key=f"rows/{name}", Body=content.encode())

    def listings(self) -> Listings:
        return S3Listings(self.clients, place_of(self.environment), self.folder / ".everfit")


@dataclass
class ServerlessStage(Stage):
    """Nothing of ours stays running: functions, as they were packed, and a state machine."""

    stack: ServerlessBench
    objects: int = 0

    def put(self, name: str, content: str) -> None:
        self.stack.put(name, content)
        self.objects += 1

    def change(self, name: str, content: str) -> None:
        self.stack.scripts = {**self.stack.scripts, name: content}
        self.stack.apply()

    def look(self) -> None:
        """Wait until S3 has told of every object; nobody has to look."""
        until(lambda: len(self._told_of()) == self.objects, "news of the data")

    def approve_in_console(self, version: int) -> None:
        sagemaker = self.stack.bench.client("sagemaker")
        found = sagemaker.list_model_packages(ModelPackageGroupName="line")["ModelPackageSummaryList"]
        arn = next(each["ModelPackageArn"] for each in found if each["ModelPackageVersion"] == version)
        for _ in range(2):
            sagemaker.update_model_package(ModelPackageArn=arn, ModelApprovalStatus="Approved")
        until(lambda: not self.ports.store.waiting(self.workspace.model, ENVIRONMENT), "the decision")

    def alarm(self) -> None:
        since = self.ports.clock.now().isoformat()
        event = an_alarm_event(ALARM, since=since, dimensions={"EndpointName": "line"})
        assert [self._told(event)["effect"] for _ in range(2)] == ["roll back"] * 2
        self.rest()

    def gossip(self) -> int:
        strangers = (
            a_job_event("churn-20261121-100000-0a1b2c3d-train", "Completed"),
            a_job_event("line-job-of-somebody", "Failed"),
            a_package_event("churn", 1, "Approved"),
            an_endpoint_event("line-of-somebody", "IN_SERVICE"),
            an_alarm_event("lines-errors", dimensions={"EndpointName": "lines"}),
            {**a_job_event("everfit-line-train", "Completed"), "account": "111122223333"},
        )
        assert {self._told(event)["effect"] for event in strangers} == {"nothing"}
        return len(strangers)

    def settle(self) -> None:
        until(self._has_settled, "rest", PATIENCE)

    def rest(self) -> None:
        """Wait until no execution goes on."""
        until(lambda: _late("RUNNING" not in self.stack.executions().values()), "executions that end", PATIENCE)

    def notices(self) -> Sequence[Notice]:
        with S3Database(self.stack.clients, self.stack.place).reading() as rows:
            return [notice_of(row) for row in rows.all("select * from notice", {})]

    def _told(self, event: Mapping[str, object]) -> Mapping[str, Any]:
        """Have the function be told of an event, and return what it made of it."""
        answer: Mapping[str, Any] = self.stack.invoke(Role.EVENTS, event)
        return answer

    def _has_settled(self) -> bool:
        self.stack.tick()
        self.rest()
        asking = self.ports.store.waiting(self.workspace.model, ENVIRONMENT)
        is_open = any(run.ended is None and run not in asking for run in self.stack.runs())
        return _late(not is_open and not self._waiting().backlogs)

    def _told_of(self) -> Sequence[str]:
        events = self.ports.inbox.events(model=self.workspace.model)
        return [str(each.event.detail["key"]) for each in events if "key" in each.event.detail]

    def _waiting(self) -> Waiting:
        return self.ports.inbox.waiting(self.workspace.model, ENVIRONMENT)


def _late(is_over: bool) -> bool:
    """Return *is_over*, after a moment when it is not: looking all the time would slow down what is waited for."""
    if not is_over:
        time.sleep(LOOK.total_seconds())
    return is_over


@contextmanager
def here(story: Story, folder: Path, *, in_memory: bool) -> Generator[Stage]:
    """Give a stage on this machine."""
    workspace, settings = _project(story, folder, on_aws=False)
    ports = open_ports(workspace, settings, Silence())
    stage = LocalStage(workspace, _in_memory(ports) if in_memory else ports, folder)
    try:
        yield stage
    finally:
        stage.ports.endpoints.stop()


@contextmanager
def by_controller(story: Story, folder: Path, bench: Bench, clients: Clients) -> Generator[Stage]:
    """Give a stage whose loop is driven from here and whose work is on the bench."""
    workspace, settings = _project(story, folder, on_aws=True)
    bench.role(role_name(place_of(workspace.project.environments[ENVIRONMENT]), Role.JOB))
    ports = hurried(open_ports(workspace, settings, Silence()), workspace, clients)
    yield ControllerStage(workspace, ports, folder, clients)


@contextmanager
def serverless(story: Story, folder: Path, bench: Bench, clients: Clients) -> Generator[ServerlessStage]:
    """Give a stage that is a stack on the bench."""
    workspace, _ = _project(story, folder, on_aws=True)
    stack = ServerlessBench(bench, clients, project=project_text(story, on_aws=True), scripts=SCRIPTS)
    ports = hurried(stack.kept.ports, workspace, clients)
    yield ServerlessStage(stack.kept.workspace, ports, stack)


def hurried(ports: Ports, workspace: Workspace, clients: Clients) -> Ports:
    """Return the ports with those that wait for AWS looking often: the bench is quicker than AWS."""
    environment = workspace.project.environments[ENVIRONMENT]
    place = place_of(environment)
    role = f"arn:aws:iam::123456789012:role/everfit-{place.model}-{place.environment}-job"
    jobs = SageMakerJobs(clients, place, workspace.project, environment, role, look=LOOK)
    endpoints = SageMakerEndpoints(clients, place, workspace.project, environment, role, Pace(interval=LOOK))
    return replace(ports, jobs=jobs, endpoints=endpoints)


def _project(story: Story, folder: Path, *, on_aws: bool) -> tuple[Workspace, Settings]:
    (folder / "data").mkdir(parents=True)
    (folder / "everfit.yaml").write_text(project_text(story, on_aws=on_aws))
    for name, content in SCRIPTS.items():
        (folder / name).write_text(content)
    settings = Settings(home=folder / ".everfit", port=None, variables={}, actor="tester")
    return open_workspace(folder, settings), settings


def _in_memory(ports: Ports) -> Ports:
    """Return the ports with every store, and what serves, in memory."""
    clock = ports.clock
    store = MemoryRunStore(clock)
    registry, inbox, outbox = MemoryRegistry(store, clock), MemoryInbox(store, clock), MemoryOutbox(clock)
    outbox.follow(store, registry, inbox)
    return replace(ports, store=store, registry=registry, inbox=inbox, outbox=outbox, endpoints=MemoryEndpoints())
