"""What training and processing jobs have in common: names, states, stopping, failing, events."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from threading import Event
from typing import Any

from tests.aws.bench.call import Call, Document
from tests.aws.bench.container import Container, StartError
from tests.aws.bench.errors import AwsError, invalid
from tests.aws.bench.events import emit
from tests.aws.bench.objects import TransferError
from tests.aws.bench.tags import keep_tags
from tests.aws.bench.world import World, now

# A second of a process here counts as so many seconds of a job there, so that savings can be told apart.
SECONDS = 100
SPOT_SHARE = 0.4
GOING = ("InProgress", "Stopping")


@dataclass(slots=True, kw_only=True)
class Job:
    """A job on its way.

    Args:
        kind: ``TrainingJob`` or ``ProcessingJob``.
        shown: what Describe answers.
    """

    world: World
    kind: str
    region: str
    shown: Document
    container: Container | None = None
    is_stopped: Event = field(default_factory=Event)
    is_interrupted: Event = field(default_factory=Event)
    has_capacity: bool = True

    @property
    def name(self) -> str:
        return str(self.shown[f"{self.kind}Name"])

    @property
    def role(self) -> str:
        return str(self.shown["RoleArn"])

    def client(self, service: str) -> Any:
        """Return a client that acts as the job's own role."""
        return self.world.client(service, self.region, self.role)

    def move(self, status: str, secondary: str, message: str = "") -> None:
        """Go to the next state and tell it."""
        moment = now()
        with self.world.lock:
            self.shown[f"{self.kind}Status"] = status
            self.shown["LastModifiedTime"] = moment
            if self.kind == "TrainingJob":
                self.shown["SecondaryStatus"] = secondary
                steps = self.shown.setdefault("SecondaryStatusTransitions", [])
                if steps:
                    steps[-1].setdefault("EndTime", moment)
                steps.append({"Status": secondary, "StartTime": moment, "StatusMessage": message or secondary})
        kind = "SageMaker Training Job State Change" if self.kind == "TrainingJob" else PROCESSING_EVENT
        emit(self.world, self.region, "aws.sagemaker", kind, in_event(self.shown), [self.shown[f"{self.kind}Arn"]])

    def fail(self, reason: str) -> None:
        self.shown["FailureReason"] = reason[:1024]
        self.move("Failed", "Failed", reason[:1024])

    def billed(self, start: float, *, is_spot: bool = False) -> None:
        """Note how long the job ran and what of it is paid for."""
        seconds = max(1, math.ceil((time.monotonic() - start) * SECONDS))
        self.shown["TrainingTimeInSeconds"] = seconds
        self.shown["BillableTimeInSeconds"] = max(1, math.floor(seconds * SPOT_SHARE)) if is_spot else seconds


PROCESSING_EVENT = "SageMaker Processing Job State Change"


def in_event(shown: Document) -> Document:
    """Return the detail of a state-change event; moments are milliseconds there (SageMaker guide, "Events")."""
    return {name: in_milliseconds(value) for name, value in shown.items() if not name.startswith("_")}


def in_milliseconds(value: Any) -> Any:
    if hasattr(value, "timestamp"):
        return int(value.timestamp() * 1000)
    if isinstance(value, list):
        return [in_milliseconds(each) for each in value]
    if isinstance(value, dict):
        return {name: in_milliseconds(each) for name, each in value.items()}
    return value


def going(world: World, region: str, table: str) -> Iterator[Document]:
    """Yield the jobs that have not ended."""
    for shown in world.table(table, region).values():
        if shown.get("TrainingJobStatus", shown.get("ProcessingJobStatus")) in GOING:
            yield shown


def new_job(world: World, call: Call, kind: str) -> Job:
    """Return a job under a name that was never used; names stay taken for ever (API reference, Create…Job)."""
    name = str(call.params[f"{kind}Name"])
    table = world.table(f"sagemaker.{kind}", call.region)
    place = "training-job" if kind == "TrainingJob" else "processing-job"
    arn = call.arn(f"{place}/{name.lower()}")
    if name in table:
        raise AwsError(
            "ResourceInUse",
            "Job name must be unique within an AWS account and region, and a job with this name already exists "
            f"({arn})",
        )
    shown = {key: value for key, value in call.params.items() if key != "Tags"}
    shown |= {f"{kind}Arn": arn, "CreationTime": now(), f"{kind}Status": "InProgress"}
    job = Job(world=world, kind=kind, region=call.region, shown=shown)
    shown["_job"] = job
    table[name] = shown
    keep_tags(world, call.region, arn, call.params.get("Tags", []))
    return job


def job_of(world: World, call: Call, kind: str) -> Job:
    """Return the job that *call* names, also as its ARN has it in lower case; the words are AWS's own."""
    name, table = str(call.params[f"{kind}Name"]), world.table(f"sagemaker.{kind}", call.region)
    shown = table.get(name) or next((each for kept, each in table.items() if kept.lower() == name), None)
    if shown is None:
        if call.operation.startswith("Describe"):
            raise invalid("Requested resource not found.")
        raise AwsError("ResourceNotFound", "Requested resource not found.")
    job: Job = shown["_job"]
    return job


def stop_job(world: World, call: Call, kind: str) -> None:
    """Stop a job that is going on; one that has ended cannot be stopped."""
    job = job_of(world, call, kind)
    if job.shown[f"{kind}Status"] not in GOING:
        raise invalid(f"The request was rejected because the {kind} is in status {job.shown[f'{kind}Status']}.")
    job.move("Stopping", "Stopping")
    job.is_stopped.set()


def run(job: Job, work: Any) -> None:
    """Do *work* and end the job whatever becomes of it."""
    try:
        work(job)
    except (TransferError, StartError) as error:
        job.fail(str(error))
    finally:
        if job.container is not None:
            job.container.close()


def summaries(world: World, call: Call, kind: str) -> Document:
    """Return the page of jobs that the filters of *call* name, newest first unless asked otherwise."""
    given = call.params
    found = list(world.table(f"sagemaker.{kind}", call.region).values())
    found = [job for job in found if is_listed(job, given, kind)]
    found.sort(key=lambda job: job["Name"] if given.get("SortBy") == "Name" else job["CreationTime"])
    if given.get("SortOrder", "Descending") == "Descending":
        found.reverse()
    start = int(given.get("NextToken", 0))
    count = int(given.get("MaxResults", 10))
    answer: Document = {f"{kind}Summaries": found[start : start + count]}
    if len(found) > start + count:
        answer["NextToken"] = str(start + count)
    return answer


def is_listed(job: Document, given: Document, kind: str) -> bool:
    status = given.get("StatusEquals")
    made = job["CreationTime"]
    return (
        given.get("NameContains", "").lower() in job[f"{kind}Name"].lower()
        and status in {None, job[f"{kind}Status"]}
        and not ("CreationTimeAfter" in given and made < aware(given["CreationTimeAfter"]))
        and not ("CreationTimeBefore" in given and made > aware(given["CreationTimeBefore"]))
    )


def aware(moment: Any) -> Any:
    return moment if moment.tzinfo else moment.replace(tzinfo=now().tzinfo)
