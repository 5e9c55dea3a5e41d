"""The containers behind an endpoint: one serving process for each variant of a configuration."""

import socket
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from typing import Any

from botocore.exceptions import ClientError

from tests.aws.bench.call import Document
from tests.aws.bench.container import Container
from tests.aws.bench.errors import AwsError
from tests.aws.bench.images import is_missing, serve_program
from tests.aws.bench.models import containers_of, resolved
from tests.aws.bench.objects import TransferError, fetch_archive
from tests.aws.bench.world import World

HEADERS = {
    "accept": "Accept",
    "content-type": "Content-Type",
    "x-amzn-sagemaker-custom-attributes": "X-Amzn-SageMaker-Custom-Attributes",
    "x-amzn-sagemaker-inference-id": "X-Amzn-SageMaker-Inference-Id",
}


class FleetError(Exception):
    """A fleet never becomes healthy; the message is what DescribeEndpoint tells."""


@dataclass(slots=True, kw_only=True)
class Variant:
    """A variant that serves.

    Args:
        settings: the variant as the configuration has it.
        port: 0 when no container runs.
    """

    settings: Document
    is_shadow: bool
    image: str
    weight: float
    count: int
    container: Container | None = None
    port: int = 0

    @property
    def name(self) -> str:
        return str(self.settings["VariantName"])

    def shown(self) -> Document:
        """Return the variant as DescribeEndpoint shows it."""
        return {
            "VariantName": self.name,
            "DeployedImages": [{"SpecifiedImage": self.image, "ResolvedImage": self.image}],
            "CurrentWeight": self.weight,
            "DesiredWeight": self.weight,
            "CurrentInstanceCount": self.count,
            "DesiredInstanceCount": self.count,
        }

    def ask(self, body: bytes, headers: dict[str, str]) -> tuple[int, str, bytes]:
        """Return status, content type and answer of the container."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request("POST", "/invocations", body, headers)
            answer = connection.getresponse()
            return answer.status, answer.headers.get("Content-Type", "application/json"), answer.read()
        finally:
            connection.close()


@dataclass(slots=True, kw_only=True)
class Fleet:
    """All variants of one configuration."""

    world: World
    region: str
    endpoint: str
    config: str
    variants: list[Variant] = field(default_factory=list[Variant])
    guard: Any = field(default_factory=threading.Lock)

    @property
    def production(self) -> list[Variant]:
        return [variant for variant in self.variants if not variant.is_shadow]

    def start(self, config: Document) -> None:
        """Bring every variant up, or raise ``FleetError``."""
        for is_shadow, member in ((False, "ProductionVariants"), (True, "ShadowProductionVariants")):
            for settings in config.get(member, []):
                self._start_variant(settings, is_shadow=is_shadow)

    def _start_variant(self, settings: Document, *, is_shadow: bool) -> None:
        model = self.world.table("sagemaker.models", self.region).get(settings["ModelName"])
        if model is None:
            raise FleetError(f"Could not find model {settings['ModelName']}.")
        try:
            specified = resolved(self.world, self.region, containers_of(model)[0])
        except AwsError as error:
            raise FleetError(error.message) from error
        image = specified.get("Image", "")
        variant = Variant(
            settings=settings,
            is_shadow=is_shadow,
            image=image,
            weight=float(settings.get("InitialVariantWeight", 1.0)),
            count=int(settings.get("InitialInstanceCount", 1)),
        )
        self.variants.append(variant)
        command = None if is_missing(self.world, image, self.region) else serve_program(self.world, image)
        if command is None:
            raise FleetError(f"The image '{image}' does not exist.")
        if self.world.settings.serving == "real":
            self._start_container(variant, command, specified, model["ExecutionRoleArn"])

    def _start_container(self, variant: Variant, command: list[str], specified: Document, role: str) -> None:
        stream = f"{variant.name}/i-{int(time.time() * 1000):017x}"
        place = (f"/aws/sagemaker/Endpoints/{self.endpoint}", stream)
        container = variant.container = Container(self.world, "endpoints", self.region, role, place)
        data = specified.get("ModelDataUrl")
        try:
            if data:
                fetch_archive(self.world.client("s3", self.region, role), data, container.ml / "model")
        except (TransferError, ClientError) as error:
            raise FleetError(f"Failed to download model data for container from URL {data}: {error}") from error
        variant.port = free_port()
        environment = {**specified.get("Environment", {}), "SAGEMAKER_BIND_TO_PORT": str(variant.port)}
        container.start(command, environment)
        process = container.process
        assert process is not None
        self.world.until(
            lambda: process.poll() is not None or is_healthy(variant.port), lambda: self.world.settings.health
        )
        if process.poll() is not None or not is_healthy(variant.port):
            # The words of a container that never passes its health check (SageMaker guide, troubleshooting).
            raise FleetError(
                f"The primary container for production variant {variant.name} did not pass the ping health check. "
                "Please check CloudWatch logs for this endpoint."
            )

    def close(self) -> None:
        for variant in self.variants:
            if variant.container is not None:
                variant.container.close()
                variant.container.remove()


def is_healthy(port: int) -> bool:
    connection = HTTPConnection("127.0.0.1", port, timeout=2)
    with suppress(OSError, HTTPException):
        connection.request("GET", "/ping")
        return connection.getresponse().status == 200
    return False


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])
