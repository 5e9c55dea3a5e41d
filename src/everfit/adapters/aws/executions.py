"""Executions of the state machine in Step Functions.

The names are made of the run's id, so that a run has one execution at a time whoever starts them and however often.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from itertools import count
from typing import Any, Final

from botocore.exceptions import ClientError

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import code_of, explained
from everfit.application.ports.executions import Execution
from everfit.domain.aws import AwsPlace, partition_of
from everfit.domain.errors import NotFoundError
from everfit.domain.run import RunId

ALLOWED: Final = re.compile(r"[A-Za-z0-9_-]{1,80}")
GOING_ON: Final = frozenset({"RUNNING", "PENDING_REDRIVE"})
"""The others are SUCCEEDED, FAILED, TIMED_OUT and ABORTED (API reference, DescribeExecution)."""


def machine_arn(place: AwsPlace, account: str) -> str:
    """Return the ARN of the state machine of an environment."""
    where = f"arn:{partition_of(place.region)}:states:{place.region}:{account}"
    return f"{where}:stateMachine:{place.names.state_machine}"


class StepFunctionsExecutions:
    """Implements ``Executions`` by a state machine.

    Args:
        machine: its ARN.
    """

    def __init__(self, clients: Clients, machine: str) -> None:
        self._clients, self._machine = clients, machine

    def newest(self, run: RunId) -> Execution | None:
        found: Execution | None = None
        for number in count(1):
            execution = self._described(run, number)
            if execution is None:
                return found
            found = execution
            if execution.ended is None:
                # The next one is started only when this one has ended.
                return found
        return found

    def start(self, run: RunId, number: int = 1) -> bool:
        return self.begin(_name(run, number), {"run": run})

    def begin(self, name: str, given: Mapping[str, object]) -> bool:
        # The same name and input as of one that goes on is a success that starts nothing; the name of one that has
        # ended is taken for 90 days (API reference, StartExecution). So a lost answer costs nothing: it is sent again.
        with explained(f"start the execution {name}"):
            try:
                self._client.start_execution(
                    stateMachineArn=self._machine, name=_allowed(name), input=json.dumps(given, sort_keys=True)
                )
            except ClientError as error:
                match code_of(error):
                    case "ExecutionAlreadyExists":
                        return False
                    case "StateMachineDoesNotExist" | "StateMachineDeleting":
                        machine = self._machine.rpartition(":")[2]
                        words = f"There is no state machine {machine}. Make the stack with `everfit apply`."
                        raise NotFoundError(words) from error
                    case _:
                        raise
        return True

    def _described(self, run: RunId, number: int) -> Execution | None:
        arn = f"{self._machine.replace(':stateMachine:', ':execution:')}:{_name(run, number)}"
        with explained(f"look at the execution {_name(run, number)}"):
            try:
                told = self._client.describe_execution(executionArn=arn)
            except ClientError as error:
                if code_of(error) == "ExecutionDoesNotExist":
                    return None
                raise
        status = told["status"]
        if status in GOING_ON:
            return Execution(number=number)
        return Execution(number=number, ended=told["stopDate"], has_failed=status != "SUCCEEDED")

    @property
    def _client(self) -> Any:
        return self._clients("stepfunctions")


def _allowed(name: str) -> str:
    """Return a name that Step Functions takes: one that is another, or longer, ends with its digest."""
    # At most 80 characters, and none of several (API reference, StartExecution, name).
    if ALLOWED.fullmatch(name):
        return name
    return f"{re.sub(r'[^A-Za-z0-9_-]', '-', name)[:60]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _name(run: RunId, number: int) -> str:
    return run if number == 1 else f"{run}-{number}"
