"""Processing jobs that really run: inputs from S3, the image's own command or the one given, outputs to S3."""

import json
import time
from pathlib import Path

from tests.aws.bench.account import need_bucket, need_quota, need_role
from tests.aws.bench.call import Call, Document
from tests.aws.bench.container import BASE, Container
from tests.aws.bench.errors import invalid
from tests.aws.bench.images import is_missing, serve_program
from tests.aws.bench.jobs import Job, going, job_of, new_job, run, stop_job, summaries
from tests.aws.bench.objects import TransferError, encryption, fetch, store
from tests.aws.bench.operations import operation
from tests.aws.bench.world import World, now

KIND = "ProcessingJob"
LOCAL = f"{BASE}/processing/"


@operation("sagemaker", "CreateProcessingJob")
def create(world: World, call: Call) -> Document:
    """Check what AWS checks at once, and start (API reference, CreateProcessingJob)."""
    given = call.params
    need_role(given["RoleArn"], "sagemaker.amazonaws.com")
    names: list[str] = []
    for place in [*inputs(given), *outputs(given)]:
        names.append(place["Name"])
        # "must begin with /opt/ml/processing/" (API reference, ProcessingS3Input, ProcessingS3Output).
        if not place["LocalPath"].startswith(LOCAL):
            raise invalid(f"LocalPath {place['LocalPath']} must begin with {LOCAL}")
        need_bucket(place["S3Uri"], call.region)
    if len(set(names)) < len(names):
        raise invalid("Input and output names must be unique.")
    cluster = given["ProcessingResources"]["ClusterConfig"]
    used = sum(
        int(job["ProcessingResources"]["ClusterConfig"]["InstanceCount"])
        for job in going(world, call.region, f"sagemaker.{KIND}")
        if job["ProcessingResources"]["ClusterConfig"]["InstanceType"] == cluster["InstanceType"]
    )
    need_quota(world, cluster["InstanceType"], "processing job usage", used, cluster["InstanceCount"])
    job = new_job(world, call, KIND)
    job.move("InProgress", "Starting")
    world.background(run, job, process)
    return {"ProcessingJobArn": job.shown["ProcessingJobArn"]}


def inputs(given: Document) -> list[Document]:
    """Return the S3 inputs, each with its name."""
    listed = given.get("ProcessingInputs", [])
    return [{"Name": each["InputName"], **each["S3Input"]} for each in listed if "S3Input" in each]


def outputs(given: Document) -> list[Document]:
    """Return the S3 outputs, each with its name."""
    listed = given.get("ProcessingOutputConfig", {}).get("Outputs", [])
    return [{"Name": each["OutputName"], **each["S3Output"]} for each in listed if "S3Output" in each]


@operation("sagemaker", "DescribeProcessingJob")
def describe(world: World, call: Call) -> Document:
    return dict(job_of(world, call, KIND).shown)


@operation("sagemaker", "StopProcessingJob")
def stop(world: World, call: Call) -> None:
    stop_job(world, call, KIND)


@operation("sagemaker", "ListProcessingJobs")
def list_jobs(world: World, call: Call) -> Document:
    return summaries(world, call, KIND)


def process(job: Job) -> None:
    """Take the job from its start to its end."""
    world, given = job.world, job.shown
    image = given["AppSpecification"]["ImageUri"]
    world.pause(world.settings.step)
    if is_missing(world, image, job.region):
        job.fail(f"ClientError: Please use a valid image: {image} was not found.")
        return
    container = start_container(job, image)
    started = time.monotonic()
    longest = int(given.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", 86400))
    code = container.wait(
        job.is_stopped.is_set, lambda: longest * world.settings.runtime_factor - (time.monotonic() - started)
    )
    if code is None:
        container.stop()
    container.close()
    given["ProcessingEndTime"] = now()
    tell_exit_message(job, container)
    if code is None:
        if not job.is_stopped.is_set():
            given["FailureReason"] = "ClientError: The job ran longer than MaxRuntimeInSeconds"
        job.move("Stopped", "Stopped")
    elif code != 0:
        job.fail(f"AlgorithmError: , exit code: {code}")
    else:
        send_outputs(job, container)
        container.remove()
        job.move("Completed", "Completed")


def start_container(job: Job, image: str) -> Container:
    """Bring the inputs and start the program."""
    world, given = job.world, job.shown
    place = ("/aws/sagemaker/ProcessingJobs", f"{job.name}/algo-1-{int(time.time() * 1000)}")
    container = job.container = Container(world, "processing", job.region, job.role, place)
    (container.ml / "config").mkdir()
    (container.ml / "processing").mkdir()
    shown = {name: value for name, value in given.items() if not name.startswith("_")}
    (container.ml / "config" / "processingjobconfig.json").write_text(json.dumps(shown, default=str))
    resources = {"current_host": "algo-1", "hosts": ["algo-1"]}
    (container.ml / "config" / "resourceconfig.json").write_text(json.dumps(resources))
    for each in inputs(given):
        folder = Path(container.moved(each["LocalPath"]))
        folder.mkdir(parents=True, exist_ok=True)
        fetch(job.client("s3"), each["S3Uri"], folder, each.get("S3DataType", "S3Prefix"))
    for each in outputs(given):
        Path(container.moved(each["LocalPath"])).mkdir(parents=True, exist_ok=True)
    serve = serve_program(world, image)
    if serve is not None:
        container.offer("serve", serve)
    given["ProcessingStartTime"] = now()
    environment = {"PROCESSING_JOB_NAME": job.name, "PROCESSING_JOB_ARN": given["ProcessingJobArn"]}
    container.start(command_of(job, image), {**environment, **given.get("Environment", {})})
    return container


def command_of(job: Job, image: str) -> list[str]:
    """Return the command given, or the image's own; an image without either cannot start."""
    specified = job.shown["AppSpecification"]
    entry = specified.get("ContainerEntrypoint") or job.world.images.get(image, {}).get("process")
    if not entry:
        raise TransferError(f"ClientError: {image} has no entry point, and none was given.")
    return [*entry, *specified.get("ContainerArguments", [])]


def tell_exit_message(job: Job, container: Container) -> None:
    """Keep what the program left in ``output/message``, at most 1 KB (API reference, DescribeProcessingJob)."""
    path = container.ml / "output" / "message"
    if path.exists():
        job.shown["ExitMessage"] = path.read_text(errors="replace")[:1024]


def send_outputs(job: Job, container: Container) -> None:
    key = job.shown.get("ProcessingOutputConfig", {}).get("KmsKeyId")
    for each in outputs(job.shown):
        store(job.client("s3"), Path(container.moved(each["LocalPath"])), each["S3Uri"], encryption(key))
