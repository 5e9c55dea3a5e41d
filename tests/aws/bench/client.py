"""The bench as a test sees it: started once, reset between tests, steered over HTTP."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, TypeVar

import boto3
from botocore.config import Config

from tests.aws.bench import strict
from tests.aws.bench.errors import ACCOUNT
from tests.aws.bench.identities import SECRET, USER_KEY

Document = dict[str, Any]
Found = TypeVar("Found")
ROOT = Path(__file__).resolve().parents[3]
PATIENCE = 30.0
# The clients are made by name at run time, which the stubs of boto3 cannot follow.
untyped: Any = boto3


class BenchError(Exception):
    """The bench does not understand what a test wants of it."""


def until(condition: Callable[[], Found], what: str = "what never came", seconds: float = PATIENCE) -> Found:
    """Return what *condition* gives as soon as that is true, or fail after *seconds*.

    What takes long is looked at less and less often: a look may cost the bench more than the work that is waited for.
    """
    end, pause = time.monotonic() + seconds, 0.01
    while True:
        found = condition()
        if found:
            return found
        if time.monotonic() > end:
            raise AssertionError(f"Waited {seconds:.0f} s for {what}.")
        time.sleep(pause)
        pause = min(pause * 1.2, 0.25)


class Bench:
    """A bench that runs at *address*."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._port = int(address.rpartition(":")[2])
        self._clients: dict[tuple[str, str, str | None], Any] = {}

    def ask(self, command: str, **given: Any) -> Any:
        """Return what the bench answers to *command*."""
        connection = HTTPConnection("127.0.0.1", self._port, timeout=90)
        try:
            connection.request("POST", f"/bench/{command}", json.dumps(given))
            answer = connection.getresponse()
            told = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise BenchError(str(told))
        return told

    def reset(self) -> None:
        """Forget everything: every object, job, endpoint, function, fault, setting and recorded call."""
        self.ask("reset")

    def set(self, **settings: Any) -> None:
        """Set what ``settings.Settings`` lists."""
        self.ask("set", **settings)

    def calls(self, service: str | None = None, operation: str | None = None, since: int = 0) -> list[Document]:
        """Return the recorded calls in their order."""
        return [
            call
            for call in self.ask("calls", since=since)
            if service in {None, call["service"]} and operation in {None, call["operation"]}
        ]

    def notes(self, kind: str | None = None) -> list[Document]:
        """Return what a test may fail on, such as ``config-in-use-deleted`` or ``undelivered`` or ``broken``."""
        notes: list[Document] = self.ask("notes", kind=kind)
        return notes

    def fault(self, service: str, operation: str = "*", **given: Any) -> int:
        """Have calls meet a fault, as ``faults.Fault`` lists; return its number."""
        number: int = self.ask("fault", service=service, operation=operation, **given)
        return number

    def throttle(self, service: str, operation: str, times: int = 1) -> int:
        """Refuse *times* calls as a service does that is asked too often."""
        code, status = ("SlowDown", 503) if service == "s3" else ("ThrottlingException", 400)
        return self.fault(service, operation, code=code, message="Rate exceeded", status=status, times=times)

    def deny(self, service: str, operation: str, times: int = 1_000_000) -> int:
        """Refuse calls as IAM does."""
        code, status = ("AccessDenied", 403) if service in {"s3", "iam", "sns"} else ("AccessDeniedException", 400)
        message = f"User: arn:aws:iam::{ACCOUNT}:user/bench is not authorized to perform: {service}:{operation}"
        return self.fault(service, operation, code=code, message=message, status=status, times=times)

    def expire(self, times: int = 1_000_000) -> int:
        """Refuse every call of the user as one whose credentials have expired."""
        message = "The security token included in the request is expired"
        return self.fault("*", code="ExpiredTokenException", message=message, times=times, key=USER_KEY)

    def lose_answer(self, service: str, operation: str, skip: int = 0, times: int = 1) -> int:
        """Accept calls and close the connection instead of answering."""
        return self.fault(service, operation, kind="drop", moment="after", skip=skip, times=times)

    def hang(self, service: str, operation: str = "*", *, moment: str = "before", skip: int = 0, **given: Any) -> int:
        """Have one call hang until it is released."""
        return self.fault(service, operation, kind="hang", moment=moment, skip=skip, **given)

    def hangs(self, number: int) -> bool:
        """Return whether a call hangs at the fault *number*."""
        is_reached: bool = self.ask("fault-reached", number=number)
        return is_reached

    def release(self, number: int, *, is_answered: bool = False) -> None:
        """Let the call go that hangs; its connection is closed unless it *is_answered*."""
        self.ask("fault-release", number=number, is_answered=is_answered)

    def stale(self, service: str, operation: str, times: int = 1) -> int:
        """Answer *times* calls as the same calls were answered the last time."""
        return self.fault(service, operation, kind="stale", times=times)

    def forget(self, number: int) -> None:
        """Take a fault back."""
        self.ask("fault-remove", number=number)

    def environment(self, role: str | None = None, region: str = "us-east-1") -> dict[str, str]:
        """Return the variables with which an unchanged program works against the bench, as *role* or as the user."""
        return {
            "AWS_ENDPOINT_URL": self.address,
            # Its containers have the Everfit of the tests; nothing is downloaded for them.
            "EVERFIT_SEND_PACKAGES": "false",
            "AWS_ACCESS_KEY_ID": USER_KEY if role is None else self.ask("role-key", role=role),
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": region,
            "AWS_DEFAULT_REGION": region,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        }

    def client(self, service: str, region: str = "us-east-1", role: str | None = None) -> Any:
        """Return the strict client of *service* at the bench; making one takes longer than most calls."""
        place = (service, region, role)
        if place not in self._clients:
            self._clients[place] = self.new_client(service, region, role)
        return self._clients[place]

    def new_client(self, service: str, region: str = "us-east-1", role: str | None = None) -> Any:
        """Return a strict client that nobody else has."""
        variables = self.environment(role, region)
        made = untyped.client(
            service,
            endpoint_url=self.address,
            region_name=region,
            aws_access_key_id=variables["AWS_ACCESS_KEY_ID"],
            aws_secret_access_key=SECRET,
            config=Config(retries={"mode": "standard", "total_max_attempts": 3}),
        )
        return strict.install(made)

    def role(self, name: str, service: str = "sagemaker") -> str:
        """Return the ARN of a new role that *service* may assume."""
        trust = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "sts:AssumeRole",
                    "Principal": {"Service": f"{service}.amazonaws.com"},
                }
            ],
        }
        iam = self.client("iam")
        arn: str = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
        return arn

    def interrupt(self, job: str, *, capacity: bool = True, region: str = "us-east-1") -> None:
        """Take the spot instance of a training job away; without *capacity* no other comes in time."""
        self.ask("interrupt", name=job, capacity=capacity, region=region)

    def autoscale(self, endpoint: str, variant: str, instances: int, region: str = "us-east-1") -> None:
        """Change the number of instances as Application Auto Scaling does when the load changes."""
        self.ask("autoscale", endpoint=endpoint, variant=variant, instances=instances, region=region)

    def alarm(self, name: str, state: str = "ALARM", region: str = "us-east-1") -> None:
        """Bring an alarm into *state* as its metric would."""
        self.ask("alarm", name=name, state=state, region=region)

    def fire(self, schedule: str, time: str | None = None, region: str = "us-east-1") -> None:
        """Fire a schedule as if its time had come; *time* is what its target is told."""
        self.ask("fire", name=schedule, time=time, region=region)

    def image(
        self, uri: str, *, train: list[str] | None = None, serve: list[str] | None = None, toolkits: bool = False
    ) -> None:
        """Give an image of one's own local programs; ``train`` and ``serve`` are added as their last argument.

        Args:
            toolkits: whether it has SageMaker's training and inference toolkits, as framework images have.
        """
        self.ask("image", uri=uri, train=train, serve=serve, toolkits=toolkits)


class RunningBench:
    """A bench in a process of its own, for a ``with`` statement.

    Args:
        port: 0 is a free one.
        account: whose account it is.
    """

    def __init__(self, folder: Path, *, port: int = 0, account: str = ACCOUNT) -> None:
        self._folder, self._port, self._account = folder, port, account
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Bench:
        self._folder.mkdir(parents=True, exist_ok=True)
        errors = (self._folder / "bench.log").open("w")
        program = [sys.executable, "-m", "tests.aws.bench.server", "--state", str(self._folder)]
        program += ["--port", str(self._port)]
        self._process = subprocess.Popen(
            program,
            cwd=ROOT,
            env={**quiet_environment(), "MOTO_ACCOUNT_ID": self._account},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )
        errors.close()
        assert self._process.stdout is not None
        address = self._process.stdout.readline().strip()
        if not address:
            raise BenchError((self._folder / "bench.log").read_text()[-3_000:])
        return Bench(address)

    def __exit__(self, *_: object) -> None:
        assert self._process is not None
        self._process.terminate()
        self._process.wait(timeout=30)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()


def quiet_environment() -> Mapping[str, str]:
    """Return this process's environment without what coverage and AWS would do to the server."""
    dropped = ("AWS_", "COV_", "COVERAGE_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    return {**kept, "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
