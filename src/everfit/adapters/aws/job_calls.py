"""The calls about jobs: each may be lost, refused or repeated, and still a job is started once.

A name is never free again (API reference, CreateTrainingJob: "must be unique within an AWS Region in an account"). So
whoever finds it taken, or gets no answer, looks at the job that has it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import LIMITS, THROTTLED, code_of, explained, is_ambiguous, refusal, translated
from everfit.adapters.aws.job_requests import MARK, Request
from everfit.domain.errors import RequestError

TAKEN: Final = "ResourceInUse"
NO_ROLE: Final = "`everfit apply` makes a role for jobs; aws.role names one that is there."
ABSENT: Final = frozenset({"ResourceNotFound", "ResourceNotFoundException"})


class Service(Enum):
    """Which kind of SageMaker's jobs."""

    TRAINING = "training_job"
    PROCESSING = "processing_job"

    @property
    def words(self) -> str:
        """As a person says it."""
        return self.value.replace("_", " ")

    @property
    def name_key(self) -> str:
        """Name of the parameter that names the job."""
        return "TrainingJobName" if self is Service.TRAINING else "ProcessingJobName"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What SageMaker says of a job.

    Args:
        secondary: tells why a training was stopped; empty for a processing job.
        reason: ``FailureReason``.
        words: what the container left for ``ExitMessage``.
        mark: the digest of who started it; None for a job of somebody else.
        seconds: from its creation to its end, or None while it goes on.
        ran: seconds that its instances worked.
        billed: seconds that are paid for.
        metrics: the last value of each.
        artifact: URL of ``model.tar.gz``, which may not be there.
        instance: type of its instances.
    """

    name: str
    status: str
    secondary: str = ""
    reason: str = ""
    words: str = ""
    mark: str | None = None
    seconds: float | None = None
    ran: float | None = None
    billed: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict[str, float])
    artifact: str | None = None
    instance: str = "instance"

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in ("Completed", "Failed", "Stopped")


class NoRoomError(RequestError):
    """A quota does not allow one more job now."""


class JobCalls:
    """Creates, describes and stops jobs."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    def create(self, service: Service, request: Request) -> None:
        """Start a job, unless it is there already.

        Raises:
            NoRoomError: a quota does not allow it.
            RequestError: the request is wrong, or somebody else's job has the name.
        """
        name, mark = str(request[service.name_key]), str(request["Environment"][MARK])
        call = getattr(self._client, f"create_{service.value}")
        what = f"start the {service.words} {name}"
        with explained(what):
            try:
                call(**request)
            except ClientError as error:
                if code_of(error) != TAKEN and not is_ambiguous(error) and code_of(error) not in THROTTLED:
                    raise _clearer(error, what) from error
                # Throttled after a lost answer, it may be there all the same.
                self._settle(service, name, mark, error)
            except BotoCoreError as error:
                if not is_ambiguous(error):
                    raise
                self._settle(service, name, mark, error)

    def _settle(self, service: Service, name: str, mark: str, error: Exception) -> None:
        """Return when the job is there and is the one that was to be started; raise *error* when it is not there."""
        found = self.describe(service, name)
        if found is None:
            raise error
        if found.mark != mark:
            raise RequestError(
                f"There is a {service.words} {name} in this account already, which is not of this run; names of jobs "
                "are never free again. Start a new run."
            )

    def describe(self, service: Service, name: str) -> Seen | None:
        """Return what SageMaker says of the job; None when there is none of that name."""
        with explained(f"look at the {service.words} {name}"):
            try:
                told = getattr(self._client, f"describe_{service.value}")(**{service.name_key: name})
            except ClientError as error:
                if _is_absent(error):
                    return None
                raise
        return _seen(service, told)

    def stop(self, service: Service, name: str) -> None:
        """Ask a job to end; one that has ended, or was never there, is left alone."""
        with explained(f"stop the {service.words} {name}"):
            try:
                getattr(self._client, f"stop_{service.value}")(**{service.name_key: name})
            except ClientError as error:
                # A job that is no longer in progress cannot be stopped, and the code says no more than that.
                if not _is_absent(error) and code_of(error) != "ValidationException":
                    raise

    def name_of(self, service: Service, name: str) -> str:
        """Return the name that SageMaker knows the job by."""
        del service
        return name

    def ended(self, run: str) -> None:
        """Let go of what still waits for a run that has ended; jobs by themselves wait for nothing."""

    @property
    def _client(self) -> Any:
        return self._clients("sagemaker")


def _is_absent(error: ClientError) -> bool:
    # DescribeTrainingJob answers so for a name it does not know: "ValidationException … Requested resource not found."
    # (github.com/aws/sagemaker-python-sdk, issues), though its reference names ResourceNotFound.
    told = refusal(error)
    return told.code in ABSENT or (told.code == "ValidationException" and "not found" in told.said.lower())


def _clearer(error: ClientError, what: str) -> Exception:
    """Return the error as one of Everfit's where that says more than its code."""
    if code_of(error) in LIMITS:
        return NoRoomError(str(translated(error, what)))
    if code_of(error) == "ValidationException":
        told = refusal(error)
        # Without a role, its trust or PassRole, SageMaker says no more than this in its words.
        to_do = f" {NO_ROLE}" if "could not assume role" in told.said.lower() else ""
        return RequestError(f"Everfit could not {what}: SageMaker refused it.{to_do} AWS says: {told.said}")
    return error


def _seen(service: Service, told: Mapping[str, Any]) -> Seen:
    is_training = service is Service.TRAINING
    end: datetime | None = told.get("TrainingEndTime" if is_training else "ProcessingEndTime")
    made: datetime = told["CreationTime"]
    begun: datetime = told.get("ProcessingStartTime") or made
    metrics: Sequence[Mapping[str, Any]] = told.get("FinalMetricDataList") or []
    environment: Mapping[str, str] = told.get("Environment") or {}
    artifacts: Mapping[str, str] = told.get("ModelArtifacts") or {}
    machines: Mapping[str, Any] = (
        told.get("ResourceConfig") if is_training else told["ProcessingResources"]["ClusterConfig"]
    ) or {}
    return Seen(
        name=str(told[service.name_key]),
        status=str(told["TrainingJobStatus" if is_training else "ProcessingJobStatus"]),
        secondary=str(told.get("SecondaryStatus") or ""),
        reason=str(told.get("FailureReason") or ""),
        words=str(told.get("ExitMessage") or ""),
        mark=environment.get(MARK),
        seconds=_between(made, end),
        ran=_number(told.get("TrainingTimeInSeconds")) if is_training else _between(begun, end),
        billed=_number(told.get("BillableTimeInSeconds")),
        metrics={str(each["MetricName"]): float(each["Value"]) for each in metrics if "Value" in each},
        artifact=artifacts.get("S3ModelArtifacts"),
        instance=str(machines.get("InstanceType") or "instance"),
    )


def _between(start: datetime, end: datetime | None) -> float | None:
    return None if end is None else max(0.0, (end - start).total_seconds())


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
