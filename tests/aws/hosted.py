"""An environment whose endpoint is on AWS, and versions that it can serve, for the tests of endpoints."""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.endpoints import SageMakerEndpoints
from everfit.adapters.aws.functions import FunctionEndpoints
from everfit.adapters.aws.pace import Pace
from everfit.application.ports import Endpoints
from everfit.domain.aws import AwsPlace, Names
from everfit.domain.endpoint import ServedVersion
from everfit.domain.gate_rule import parse_rule
from everfit.domain.project import Backend, Data, Environment, Hosting, Project, Serve, Task
from tests.aws.bench.client import Bench, until
from tests.aws_bench import BUCKET, REGION
from tests.integration.served_models import Models, proof

IMAGE = "683313688378.dkr.ecr.us-east-1.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
QUICK = Pace(interval=timedelta(milliseconds=10), stale=timedelta(seconds=2))
OWN_IMAGE = "123456789012.dkr.ecr.us-east-1.amazonaws.com/quick:1"
TOPIC = "arn:aws:sns:us-east-1:123456789012:model-alerts"
Document = dict[str, Any]
QUICK_CODE = """
import base64
import os


def handler(event, context):
    if os.environ.get("MODEL_SCRIPT") == "raises.py":
        raise ValueError("the weights are gone")
    version = os.environ["MODEL_VERSION"]
    body = base64.b64decode(event["body"]).decode()
    headers = {"Content-Type": "text/plain", "X-Everfit-Version": version}
    return {"statusCode": 200, "headers": headers, "body": f"{version}:{body}", "isBase64Encoded": False}
"""
"""Answers as the models do, and starts at once: it loads nothing."""


def names(**given: Any) -> Names:
    usual = "everfit-houses-production"
    values = {
        "stack": usual,
        "state_machine": usual,
        "trigger": usual,
        "schedule": usual,
        "package_group": "houses",
        "topic": "model-alerts",
    }
    return Names(**(values | given))


def place(**given: Any) -> AwsPlace:
    values: Document = {"model": "houses", "environment": "production", "region": REGION, "bucket": BUCKET}
    return AwsPlace(**({**values, "names": names()} | given))


def environment(on: AwsPlace | None = None, **given: Any) -> Environment:
    values: Document = {"name": "production", "endpoint": "solar", "backend": Backend.SAGEMAKER, "aws": on or place()}
    return Environment(**(values | given))


def project(rules: tuple[str, ...] = ("mape < 20",), **given: Any) -> Project:
    values: Document = {
        "model": "houses",
        "task": Task.REGRESSION,
        "data": Data(source=f"s3://{BUCKET}/data/"),
        "gate": tuple(parse_rule(rule) for rule in rules),
    }
    return Project(**(values | given))


def serve(**settings: Any) -> Serve:
    return Serve(sagemaker=MappingProxyType(settings))


@dataclass(slots=True, kw_only=True)
class Hosted:
    """An account with a bucket and a role, in which versions can be served."""

    bench: Bench
    clients: Clients
    models: Models
    role: str = ""
    function_role: str = ""
    image: str = IMAGE
    uploaded: dict[str, str] = field(default_factory=dict[str, str])

    def __post_init__(self) -> None:
        self.role = self._role("sagemaker")
        self.function_role = self._role("lambda")

    def endpoints(
        self,
        environment: Environment | None = None,
        project: Project | None = None,
        pace: Pace = QUICK,
        clients: Clients | None = None,
    ) -> SageMakerEndpoints:
        of = environment or _environment()
        assert of.aws is not None
        return SageMakerEndpoints(clients or self.clients, of.aws, project or _project(), of, self.role, pace)

    def functions(
        self, environment: Environment | None = None, project: Project | None = None, pace: Pace = QUICK
    ) -> FunctionEndpoints:
        of = environment or _environment()
        assert of.aws is not None
        return FunctionEndpoints(self.clients, of.aws, project or _project(), of, self.function_role, pace)

    def _role(self, service: str) -> str:
        """Return the ARN of a new role that the service may assume."""
        principal = {"Service": f"{service}.amazonaws.com"}
        statement = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
        trust = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        made = self.clients("iam").create_role(RoleName=f"houses-{service}", AssumeRolePolicyDocument=trust)
        return str(made["Role"]["Arn"])

    def own_function(self, name: str = "solar", code: str = QUICK_CODE, **settings: Any) -> None:
        """Make a function as its owner did before Everfit came."""
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w") as archive:
            archive.writestr("app.py", code)
        self.clients("lambda").create_function(
            FunctionName=name,
            Runtime="python3.12",
            Handler="app.handler",
            Role=self.function_role,
            Code={"ZipFile": packed.getvalue()},
            **settings,
        )

    def version(self, number: int, script: str | None = None, **changes: Any) -> ServedVersion:
        """Return a version as an environment on AWS has it: bytes in S3, an image to serve them."""
        made = self.models.version(number, script)
        url = self._uploaded(made.artifact, self.models.home)
        return replace(made, model=url, python=self.image, **changes)

    def _uploaded(self, artifact: str, home: Path) -> str:
        hex_digits = artifact.removeprefix("sha256:")
        url = f"{place().home}/artifacts/{hex_digits}.tar.gz"
        if artifact not in self.uploaded:
            content = next(home.rglob(f"*{hex_digits[2:]}*.tar.gz"), None) or next(home.rglob(f"*{hex_digits}*"))
            self.clients("s3").put_object(
                Bucket=BUCKET, Key=url.partition(f"{BUCKET}/")[2], Body=content.read_bytes(), ChecksumAlgorithm="SHA256"
            )
            self.uploaded[artifact] = url
        return url

    def pace(self) -> Pace:
        return QUICK

    def config(self, endpoint: str = "solar") -> str:
        return str(self.described(endpoint)["EndpointConfigName"])

    def described(self, endpoint: str = "solar") -> Document:
        found: Document = self.clients("sagemaker").describe_endpoint(EndpointName=endpoint)
        return found

    def updates(self, since: int = 0) -> list[Mapping[str, Any]]:
        """Return the updates that SageMaker accepted, also those whose answer was lost."""
        calls = self.bench.calls("sagemaker", "UpdateEndpoint", since=since)
        return [call for call in calls if call["error"] in (None, "dropped")]

    def in_service(self, endpoint: str = "solar") -> Document:
        until(lambda: self.described(endpoint)["EndpointStatus"] == "InService", "an endpoint in service")
        return self.described(endpoint)


def _environment() -> Environment:
    return environment()


def _project() -> Project:
    return project()


def shifted(endpoints: Endpoints, version: ServedVersion, fence: int = 1, name: str = "solar") -> None:
    """Give the version all the traffic, as a run does: asking again until it is there."""

    def ask() -> bool:
        endpoints.stage(name, version, fence=fence)
        if endpoints.shift(name, {version.version: 1.0}, [proof(version)], fence=fence):
            return True
        endpoints.wait(name, timedelta(seconds=1))
        return False

    until(ask, f"version {version.version} on {name}")


def restored(endpoints: Endpoints, version: ServedVersion, fence: int = 2, name: str = "solar") -> None:
    """Go back, as a rollback does."""

    def ask() -> bool:
        if endpoints.restore(name, version, proof(version), fence=fence):
            return True
        endpoints.wait(name, timedelta(seconds=1))
        return False

    until(ask, f"version {version.version} back on {name}")


__all__ = ["Hosted", "Hosting", "environment", "names", "place", "project", "restored", "serve", "shifted"]
