"""What a job has printed, out of CloudWatch Logs: without secrets, from any byte on, always the same bytes again.

CloudWatch Logs keeps events, so a line ends where an event ends, whatever it ended with in the container. A secret that
goes over several lines is hidden line by line.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Final

from botocore.exceptions import ClientError

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import code_of, explained
from everfit.adapters.aws.job_calls import Service
from everfit.jobs.supervision.output import Redactor, last_lines

# Log groups of SageMaker (Developer Guide, "CloudWatch Logs for Amazon SageMaker AI"); streams are <job>/algo-1-….
GROUPS: Final = {
    Service.TRAINING: "/aws/sagemaker/TrainingJobs",
    Service.PROCESSING: "/aws/sagemaker/ProcessingJobs",
}
LAST_EVENTS: Final = 100
ABSENT: Final = "ResourceNotFoundException"


class JobLogs:
    """The logs of jobs.

    Args:
        secrets: values that are cut out.
    """

    def __init__(self, clients: Clients, secrets: Iterable[str]) -> None:
        self._clients = clients
        self._secrets = tuple(secrets)

    def printed(self, service: Service, name: str) -> Iterator[bytes]:
        """Yield what the job has printed so far, stream by stream."""
        for stream in self._streams(service, name):
            for message in self._events(service, stream):
                yield self._shown(message)

    def last(self, service: Service, name: str) -> list[str]:
        """Return the last lines that are not empty."""
        shown: list[bytes] = []
        for stream in self._streams(service, name)[-1:]:
            events = self._page(service, stream, limit=LAST_EVENTS, startFromHead=False)["events"]
            shown += [self._shown(str(event["message"])) for event in events]
        return last_lines(b"".join(shown))

    def _streams(self, service: Service, name: str) -> list[str]:
        given = {"logGroupName": GROUPS[service], "logStreamNamePrefix": f"{name}/"}
        found: list[str] = []
        with explained(f"read the log of {name}"):
            try:
                for page in self._client.get_paginator("describe_log_streams").paginate(**given):
                    found += [str(stream["logStreamName"]) for stream in page["logStreams"]]
            except ClientError as error:
                # The group is made by the first job of the account.
                if code_of(error) != ABSENT:
                    raise
        return sorted(found)

    def _events(self, service: Service, stream: str) -> Iterator[str]:
        token: dict[str, str] = {}
        while True:
            page = self._page(service, stream, startFromHead=True, **token)
            for event in page["events"]:
                yield str(event["message"])
            # "If you have reached the end of the stream, it returns the same token you passed in" (API reference).
            if page["nextForwardToken"] == token.get("nextToken"):
                return
            token = {"nextToken": str(page["nextForwardToken"])}

    def _page(self, service: Service, stream: str, **given: object) -> Any:
        with explained(f"read the log {stream}"):
            return self._client.get_log_events(logGroupName=GROUPS[service], logStreamName=stream, **given)

    def _shown(self, message: str) -> bytes:
        redactor = Redactor(self._secrets)
        data = message.encode()
        return redactor.feed(data) + redactor.flush() + b"\n"

    @property
    def _client(self) -> Any:
        return self._clients("logs")


def from_byte(pieces: Iterator[bytes], start: int) -> Iterator[bytes]:
    """Yield what is left of *pieces* from byte *start* on."""
    for piece in pieces:
        if start < len(piece):
            yield piece[start:]
        start = max(0, start - len(piece))
