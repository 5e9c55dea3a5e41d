"""The tokens of callback steps: they come by a queue, in any order and more than once, and are kept beside the run.

A message says ``token``, ``arguments``, ``pipelineExecutionArn`` and ``status`` (Developer Guide, "Callback step").
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from botocore.exceptions import ClientError

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import code_of, explained
from everfit.adapters.aws.job_files import JobFiles
from everfit.adapters.aws.permissions import pipeline_queue_name
from everfit.adapters.aws.pipeline_definition import GATES, RUN
from everfit.domain.aws import AwsPlace
from everfit.domain.errors import NotFoundError

LONGEST_WAIT: Final = 14 * 24 * 3600
"""Seconds that a queue keeps a message at most (API reference, SetQueueAttributes)."""
_ABSENT: Final = frozenset({"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"})
_RUN: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,199}")


class Tokens:
    """The tokens of one environment's pipeline."""

    def __init__(self, clients: Clients, place: AwsPlace, files: JobFiles) -> None:
        self._clients = clients
        self._place = place
        self._files = files
        self._url: str | None = None

    def queue(self) -> str:
        """Return the URL of the queue, which is made when it is not there."""
        if self._url is None:
            self._url = self._found_queue() or self._made_queue()
        return self._url

    def token(self, run: str, execution: str, gate: str) -> str | None:
        """Return the token of a step that waits; None while its message has not come."""
        place = self._place_of(run, execution, gate)
        found = self._kept(place)
        if found is None:
            self._take_all()
            found = self._kept(place)
        return found

    def _kept(self, place: str) -> str | None:
        try:
            return self._files.read(self._files.url(place)).decode()
        except NotFoundError:
            return None

    def _take_all(self) -> None:
        """Keep every token that has come, whose ever it is: another one may look for it."""
        with explained(f"read the queue {pipeline_queue_name(self._place)}"):
            while found := self._received():
                for each in found:
                    self._keep(str(each["Body"]))
                    self._sqs.delete_message(QueueUrl=self.queue(), ReceiptHandle=each["ReceiptHandle"])

    def _received(self) -> list[dict[str, Any]]:
        # Seen by others meanwhile: who dies before a token is kept leaves it to them, and to keep it twice is the same.
        told = self._sqs.receive_message(QueueUrl=self.queue(), MaxNumberOfMessages=10, VisibilityTimeout=0)
        found: list[dict[str, Any]] = told.get("Messages", [])
        return found

    def _keep(self, body: str) -> None:
        try:
            told: Mapping[str, Any] = json.loads(body)
            token, arguments = str(told["token"]), told["arguments"]
            run, gate, execution = str(arguments[RUN]), str(arguments["gate"]), str(told["pipelineExecutionArn"])
        except (ValueError, KeyError, TypeError):
            return  # Somebody else's message: no step of a run waits for it.
        if _RUN.fullmatch(run) and gate in GATES:
            self._files.write(self._place_of(run, execution, gate), token.encode())

    def _place_of(self, run: str, execution: str, gate: str) -> str:
        return f"{run}/pipeline/{execution.rpartition('/')[2]}/{gate}"

    def _found_queue(self) -> str | None:
        with explained(f"find the queue {pipeline_queue_name(self._place)}"):
            try:
                return str(self._sqs.get_queue_url(QueueName=pipeline_queue_name(self._place))["QueueUrl"])
            except ClientError as error:
                if code_of(error) not in _ABSENT:
                    raise
        return None

    def _made_queue(self) -> str:
        # Made twice with the same attributes it is one queue (API reference, CreateQueue).
        with explained(f"make the queue {pipeline_queue_name(self._place)}"):
            made = self._sqs.create_queue(
                QueueName=pipeline_queue_name(self._place),
                Attributes={"MessageRetentionPeriod": str(LONGEST_WAIT)},
                tags=dict(self._place.all_tags),
            )
        return str(made["QueueUrl"])

    @property
    def _sqs(self) -> Any:
        return self._clients("sqs")
