"""A client of SageMaker's runtime, unchanged, calls the endpoint host."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from everfit.adapters.local.endpoints import LocalEndpoints
from everfit.serving.access import HostAccess
from everfit.serving.limits import Limits
from tests.integration.host_client import Client
from tests.integration.served_models import Models, deploy

LIMITS = Limits(body=8 * 1024 * 1024, request=timedelta(seconds=20))
TOKEN = "a-token-beside-the-signature"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sagemaker-runtime")


@pytest.fixture(scope="module")
def endpoints(home: Path) -> Iterator[LocalEndpoints]:
    adapter = LocalEndpoints(home, None, LIMITS, HostAccess(tokens=(TOKEN,)))
    deploy(adapter, Models(home=home).version(3))
    yield adapter
    adapter.stop()


@pytest.fixture(scope="module")
def runtime(endpoints: LocalEndpoints, home: Path) -> Iterator[Any]:
    assert endpoints.is_running()
    client = boto3.client(
        "sagemaker-runtime",
        endpoint_url=f"http://127.0.0.1:{Client(home).connection.port}",
        region_name="eu-central-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=Config(retries={"total_max_attempts": 1}),
    )
    client.meta.events.register(
        "before-sign.sagemaker-runtime", lambda request, **_: request.headers.add_header("X-Everfit-Token", TOKEN)
    )
    yield client
    client.close()


def invoke(runtime: Any, body: bytes, **more: str) -> dict[str, Any]:
    given = {"EndpointName": "solar", "ContentType": "text/csv", **more}
    found: dict[str, Any] = runtime.invoke_endpoint(Body=body, **given)
    return found


def test_an_answer_reads_as_one_of_sagemaker(runtime: Any) -> None:
    answer = invoke(runtime, b"7", Accept="text/plain")
    assert answer["Body"].read() == b"3:3:7"
    assert (answer["ContentType"], answer["InvokedProductionVariant"]) == ("text/plain", "v3")
    assert answer["ResponseMetadata"]["HTTPHeaders"]["x-everfit-inference-id"]


def test_what_the_caller_names_comes_back(runtime: Any) -> None:
    answer = invoke(runtime, b"7", InferenceId="row 17", CustomAttributes="trace=5, from=here", SessionId="a-caller")
    headers = answer["ResponseMetadata"]["HTTPHeaders"]
    assert headers["x-everfit-inference-id"] == headers["x-amzn-sagemaker-inference-id"] == "row 17"
    assert answer["CustomAttributes"] == "trace=5, from=here"


def test_a_variant_can_be_named(runtime: Any) -> None:
    assert invoke(runtime, b"7", TargetVariant="v3")["Body"].read() == b"3:3:7"
    with pytest.raises(ClientError, match="v4") as caught:
        invoke(runtime, b"7", TargetVariant="v4")
    assert caught.value.response["Error"]["Code"] == "ValidationError"


def test_an_unknown_endpoint_is_a_validation_error(runtime: Any) -> None:
    with pytest.raises(runtime.exceptions.ValidationError, match="Endpoint lunar not found") as caught:
        invoke(runtime, b"7", EndpointName="lunar")
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 400


def test_a_failure_of_the_model_is_a_model_error_with_its_own_status(runtime: Any) -> None:
    with pytest.raises(runtime.exceptions.ModelError) as caught:
        invoke(runtime, b"raise")
    response = caught.value.response
    assert response["ResponseMetadata"]["HTTPStatusCode"] == 424
    assert response["OriginalStatusCode"] == 500
    assert "no such house" in response["OriginalMessage"]
    assert response["ResponseMetadata"]["HTTPHeaders"]["x-amzn-invoked-production-variant"] == "v3"


def test_a_large_body_goes_through_and_one_beyond_the_limit_is_told(runtime: Any) -> None:
    large = b"x" * (6 * 1024 * 1024)
    assert invoke(runtime, large)["Body"].read() == b"3:3:" + large
    with pytest.raises(ClientError, match="8388608 bytes") as caught:
        invoke(runtime, b"x" * (9 * 1024 * 1024))
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 413


def test_an_empty_body_reaches_the_model(runtime: Any) -> None:
    assert invoke(runtime, b"")["Body"].read() == b"3:3:"


def test_a_caller_without_the_token_is_told_which_header_to_send(endpoints: LocalEndpoints, home: Path) -> None:
    got = Client(home).send("POST", "/invocations", b"7", authorization="AWS4-HMAC-SHA256 Credential=any")
    assert (got.status, got.headers["x-amzn-errortype"]) == (401, "AccessDenied")
    assert "X-Everfit-Token" in got.document["Message"]
    assert endpoints.is_running()
