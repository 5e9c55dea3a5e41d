"""The bench's front: what it checks, what it records, and the faults that calls meet there."""

import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.aws.bench import strict
from tests.aws.bench.client import Bench, until
from tests.aws.bench.identities import USER_KEY
from tests.aws.bench.world import self_client

ROLE = "arn:aws:iam::123456789012:role/step"


def bucket(bench: Bench, name: str = "everfit-data") -> Any:
    s3 = bench.client("s3")
    s3.create_bucket(Bucket=name)
    return s3


def code(refused: pytest.ExceptionInfo[ClientError]) -> str:
    return str(refused.value.response["Error"]["Code"])


def test_a_reset_forgets_objects_calls_and_faults(bench: Bench) -> None:
    s3 = bucket(bench)
    bench.deny("s3", "ListBuckets")
    bench.reset()
    assert s3.list_buckets()["Buckets"] == []
    assert [call["operation"] for call in bench.calls()] == ["ListBuckets"]


def test_a_client_of_the_bench_refuses_what_botocore_lets_pass(bench: Bench) -> None:
    with pytest.raises(strict.InvalidRequestError, match="does not match"):
        bench.client("sagemaker").describe_endpoint(EndpointName="under_score")


def test_the_server_refuses_it_too(bench: Bench) -> None:
    lax = self_client(bench.address, "sagemaker", "us-east-1", USER_KEY)
    with pytest.raises(ClientError) as refused:
        lax.describe_endpoint(EndpointName="under_score")
    assert code(refused) == "ValidationException"


def test_only_one_of_two_conditional_writes_is_accepted(bench: Bench) -> None:
    s3 = bucket(bench)
    s3.put_object(Bucket="everfit-data", Key="lock", Body=b"1", IfNoneMatch="*")
    with pytest.raises(ClientError) as refused:
        s3.put_object(Bucket="everfit-data", Key="lock", Body=b"2", IfNoneMatch="*")
    assert code(refused) == "PreconditionFailed"


def test_each_call_is_recorded_with_the_role_that_made_it(bench: Bench) -> None:
    bench.client("sts", role=ROLE).get_caller_identity()
    bench.client("sts").get_caller_identity()
    assert [call["role"] for call in bench.calls("sts")] == [ROLE, None]


def test_an_assumed_role_is_recognised_by_its_key(bench: Bench) -> None:
    given = bench.client("sts").assume_role(RoleArn=ROLE, RoleSessionName="session")["Credentials"]
    assert given["AccessKeyId"] == bench.environment(ROLE)["AWS_ACCESS_KEY_ID"]


def test_a_lost_answer_is_of_a_call_that_was_accepted(bench: Bench) -> None:
    s3 = bucket(bench)
    bench.lose_answer("s3", "PutObject", times=3)
    with pytest.raises(ConnectionClosedError):
        s3.put_object(Bucket="everfit-data", Key="k", Body=b"kept")
    assert s3.get_object(Bucket="everfit-data", Key="k")["Body"].read() == b"kept"


def test_throttled_calls_succeed_when_the_client_tries_again(bench: Bench) -> None:
    s3 = bucket(bench)
    bench.throttle("s3", "PutObject", times=1)
    s3.put_object(Bucket="everfit-data", Key="k", Body=b"")
    assert [call["error"] for call in bench.calls("s3", "PutObject")] == ["SlowDown", None]


def test_denied_and_expired_calls_say_so(bench: Bench) -> None:
    s3 = bucket(bench)
    bench.deny("s3", "ListBuckets")
    with pytest.raises(ClientError) as denied:
        s3.list_buckets()
    bench.expire()
    with pytest.raises(ClientError) as expired:
        s3.head_bucket(Bucket="everfit-data")
    assert (code(denied), code(expired)) == ("AccessDenied", "400")


PUT = "import boto3; boto3.client('s3').put_object(Bucket='everfit-data', Key='k', Body=b'x')"


@pytest.mark.parametrize(("moment", "objects"), [("before", 0), ("after", 1)])
def test_a_program_can_be_killed_before_and_after_a_call_is_accepted(
    bench: Bench, aws_environment: Mapping[str, str], moment: str, objects: int
) -> None:
    s3 = bucket(bench)
    hang = bench.hang("s3", "PutObject", moment=moment)
    program = subprocess.Popen([sys.executable, "-c", PUT], env=dict(aws_environment))
    until(lambda: bench.hangs(hang), "the call")
    program.kill()
    program.wait()
    bench.release(hang)
    assert s3.list_objects_v2(Bucket="everfit-data")["KeyCount"] == objects


def test_a_stale_answer_is_the_one_of_before(bench: Bench) -> None:
    s3 = bucket(bench)
    s3.list_objects_v2(Bucket="everfit-data")
    s3.put_object(Bucket="everfit-data", Key="k", Body=b"x")
    bench.stale("s3", "ListObjectsV2")
    assert [s3.list_objects_v2(Bucket="everfit-data")["KeyCount"] for _ in range(2)] == [0, 1]


def test_a_token_that_botocore_makes_up_is_not_missed(bench: Bench) -> None:
    with pytest.raises(ClientError, match="ResourceNotFound"):
        bench.client("sagemaker").start_pipeline_execution(PipelineName="nobody")
