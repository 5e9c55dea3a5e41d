"""The bench for people: what the guide "On AWS" and the examples name is there, and its minute is short.

``make aws-bench`` starts it and prints the variables for another terminal. ``make aws-bench FIRE=NAME`` fires a
schedule of the bench that runs as if its time had come, and ``make aws-bench ALARM=NAME`` sets off an alarm.
"""

import argparse
import json
import os
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from botocore.exceptions import ClientError

from tests.aws.bench.client import Bench, BenchError, RunningBench

ACCOUNT = "111122223333"
"""The account of the examples."""
PORT = 5055
REGION = "us-east-1"
MINUTE = 5.0
"""Seconds between two ticks of the schedules that fire each minute; all others are fired by hand."""
BUCKETS = (
    "your-solar-data-bucket",
    "ticket-forecasting-lake",
    "mask-recommender-staging-111122223333",
    "mask-recommender-production-111122223333",
    "ml-sentiment-111122223333",
    "plant-doctor-photos",
    "plant-doctor-models",
)
ROLES = ("SageMakerExecutionRole", "plant-doctor-sagemaker")
TOPICS = ("solar-power-deployed", "solar-power-rejected", "solar-power-failed", "model-drift-alerts")
IMAGES = (f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/prophet-forecast:latest",)
FOR_JOBS = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": [f"{service}:*" for service in ("s3", "logs", "cloudwatch", "ecr", "kms", "ec2")],
            "Resource": "*",
        }
    ],
}
"""What AWS's own AmazonSageMakerFullAccess gives, and more: a role that a person made."""
FIRST_LINE = "# The bench runs. Paste this into another terminal; Ctrl-C ends it, and all that is in it."
BLOCKED = {
    "BlockPublicAcls": True,
    "IgnorePublicAcls": True,
    "BlockPublicPolicy": True,
    "RestrictPublicBuckets": True,
}


def furnish(bench: Bench) -> None:
    """Make what the examples name and what Everfit never makes: buckets of data, roles, topics, images."""
    for bucket in BUCKETS:
        make_bucket(bench, bucket)
    for role in ROLES:
        bench.role(role)
        bench.client("iam").put_role_policy(RoleName=role, PolicyName="jobs", PolicyDocument=json.dumps(FOR_JOBS))
    for topic in TOPICS:
        bench.client("sns").create_topic(Name=topic)
    for uri in IMAGES:
        give_image(bench, uri)


def make_bucket(bench: Bench, name: str) -> None:
    """Make a bucket as a careful person does: versioned, not public, only by TLS, and telling EventBridge."""
    s3 = bench.client("s3")
    s3.create_bucket(Bucket=name)
    s3.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
    s3.put_public_access_block(Bucket=name, PublicAccessBlockConfiguration=BLOCKED)
    s3.put_bucket_notification_configuration(Bucket=name, NotificationConfiguration={"EventBridgeConfiguration": {}})
    deny = {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": f"arn:aws:s3:::{name}/*"}
    statement = {**deny, "Condition": {"Bool": {"aws:SecureTransport": "false"}}}
    s3.put_bucket_policy(Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def give_image(bench: Bench, uri: str) -> None:
    """Push a container of one's own that was built on SageMaker's toolkits."""
    bench.image(uri, toolkits=True)
    repository, _, tag = uri.partition("/")[2].partition(":")
    ecr = bench.client("ecr")
    ecr.create_repository(repositoryName=repository)
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json", "layers": []}
    ecr.put_image(repositoryName=repository, imageManifest=json.dumps(manifest), imageTag=tag)


def variables(bench: Bench) -> Mapping[str, str]:
    """Return what leads boto3 and Everfit to the bench."""
    return {**bench.environment(region=REGION), "EVERFIT_AWS_LOOK": "1s"}


def minutely(bench: Bench) -> Iterator[str]:
    """Yield the schedules that fire each minute."""
    for each in bench.client("scheduler").list_schedules()["Schedules"]:
        found = bench.client("scheduler").get_schedule(Name=each["Name"], GroupName=each["GroupName"])
        if found["ScheduleExpression"] in {"rate(1 minute)", "rate(1 minutes)"} and found["State"] == "ENABLED":
            yield each["Name"]


def tick(bench: Bench, is_over: threading.Event) -> None:
    """Fire what fires each minute until *is_over*."""
    while not is_over.wait(MINUTE):
        # Between the look and the shot, somebody may have removed the stack.
        with suppress(BenchError, ClientError):
            for name in minutely(bench):
                bench.fire(name)


def start(port: int) -> None:
    """Run until Ctrl-C."""
    is_over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: is_over.set())
    with (
        tempfile.TemporaryDirectory(prefix="aws-bench-") as folder,
        RunningBench(Path(folder), port=free(port), account=ACCOUNT) as bench,
    ):
        furnish(bench)
        print(FIRST_LINE)  # noqa: T201 - a person reads it
        for name, value in variables(bench).items():
            print(f"export {name}={value}", flush=True)  # noqa: T201 - as above
        tick(bench, is_over)


def free(port: int) -> int:
    """Return *port*, or 0, which is any, when somebody has it."""
    with socket.socket() as tried:
        tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            tried.bind(("127.0.0.1", port))
        except OSError:
            return 0
    return port


def main() -> int:
    """Start the bench, or steer the one that runs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("start", "fire", "alarm"), nargs="?", default="start")
    parser.add_argument("name", nargs="?", help="of a schedule or an alarm")
    parser.add_argument("--port", type=int, default=PORT, help="another one is taken when somebody has it")
    options = parser.parse_args()
    if options.command == "start":
        start(options.port)
        return 0
    bench = Bench(os.environ.get("AWS_ENDPOINT_URL", f"http://127.0.0.1:{options.port}"))
    try:
        bench.fire(options.name) if options.command == "fire" else bench.alarm(options.name)
    except (BenchError, OSError) as error:
        print(error, file=sys.stderr)  # noqa: T201 - as above
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
