"""Training jobs that really train: channels from S3, the image's program, model.tar.gz back to S3."""

import json
import re
import time
from pathlib import Path

from tests.aws.bench.account import need_bucket, need_quota, need_role
from tests.aws.bench.call import Call, Document
from tests.aws.bench.container import Container
from tests.aws.bench.control import command
from tests.aws.bench.errors import invalid
from tests.aws.bench.images import has_toolkits, is_missing, train_program
from tests.aws.bench.jobs import Job, going, job_of, new_job, run, stop_job, summaries
from tests.aws.bench.objects import encryption, fetch, fetch_archive, store, store_archive
from tests.aws.bench.operations import operation
from tests.aws.bench.world import World, now

KIND = "TrainingJob"
HOST = "algo-1"
GROUP = "homogeneousCluster"
SILENCE = 1.0


@operation("sagemaker", "CreateTrainingJob")
def create(world: World, call: Call) -> Document:
    """Check what AWS checks at once, and start (API reference, CreateTrainingJob)."""
    given = call.params
    check_spot(given)
    need_role(given["RoleArn"], "sagemaker.amazonaws.com")
    need_bucket(given["OutputDataConfig"]["S3OutputPath"], call.region)
    for channel in given.get("InputDataConfig", []):
        need_bucket(channel["DataSource"]["S3DataSource"]["S3Uri"], call.region)
    resources = given["ResourceConfig"]
    is_spot = bool(given.get("EnableManagedSpotTraining"))
    usage = "spot training job usage" if is_spot else "training job usage"
    same = [job for job in going(world, call.region, f"sagemaker.{KIND}") if is_same_use(job, given)]
    used = sum(int(job["ResourceConfig"].get("InstanceCount", 1)) for job in same)
    need_quota(world, resources.get("InstanceType", ""), usage, used, int(resources.get("InstanceCount", 1)))
    job = new_job(world, call, KIND)
    # The toolkit reads all hyperparameters as text; the service keeps them so (API reference, HyperParameters).
    output = given["OutputDataConfig"]["S3OutputPath"].rstrip("/")
    job.shown["ModelArtifacts"] = {"S3ModelArtifacts": f"{output}/{job.name}/output/model.tar.gz"}
    job.shown.setdefault("EnableManagedSpotTraining", False)
    job.move("InProgress", "Starting", "Starting the training job")
    world.background(run, job, train)
    return {"TrainingJobArn": job.shown["TrainingJobArn"]}


def is_same_use(job: Document, given: Document) -> bool:
    return job["ResourceConfig"].get("InstanceType") == given["ResourceConfig"].get("InstanceType") and bool(
        job.get("EnableManagedSpotTraining")
    ) == bool(given.get("EnableManagedSpotTraining"))


def check_spot(given: Document) -> None:
    stopping = given.get("StoppingCondition", {})
    wait, longest = stopping.get("MaxWaitTimeInSeconds"), stopping.get("MaxRuntimeInSeconds", 86400)
    if given.get("EnableManagedSpotTraining") and (wait is None or wait < longest):
        raise invalid(
            "Invalid MaxWaitTimeInSeconds. It must be present and be greater than or equal to MaxRuntimeInSeconds"
        )
    if wait is not None and not given.get("EnableManagedSpotTraining"):
        raise invalid("MaxWaitTimeInSeconds above 0 is not supported for disabled Managed Spot Training")


@operation("sagemaker", "DescribeTrainingJob")
def describe(world: World, call: Call) -> Document:
    return dict(job_of(world, call, KIND).shown)


@operation("sagemaker", "StopTrainingJob")
def stop(world: World, call: Call) -> None:
    stop_job(world, call, KIND)


@operation("sagemaker", "ListTrainingJobs")
def list_jobs(world: World, call: Call) -> Document:
    return summaries(world, call, KIND)


@command("interrupt")
def interrupt(world: World, given: Document) -> None:
    """Take the spot instance away; without ``capacity`` none comes back before the longest wait is over."""
    job: Job = world.table(f"sagemaker.{KIND}", given.get("region", "us-east-1"))[given["name"]]["_job"]
    job.has_capacity = given.get("capacity", True)
    job.is_interrupted.set()


def train(job: Job) -> None:
    """Take the job from its start to its end."""
    world, given = job.world, job.shown
    image = given["AlgorithmSpecification"].get("TrainingImage", "")
    world.pause(world.settings.step)
    program = None if is_missing(world, image, job.region) else train_program(world, image)
    if program is None:
        job.fail(f"ClientError: Please use a valid image: {image} was not found or has no program 'train'.")
        return
    checkpoints = world.new_folder("checkpoints")
    bring_checkpoints(job, checkpoints)
    given["TrainingStartTime"] = now()
    start, attempt = time.monotonic(), 0
    ended = None
    while ended is None:
        attempt += 1
        ended = one_attempt(job, program, checkpoints, attempt)
    keep_checkpoints(job, checkpoints)
    given["TrainingEndTime"] = now()
    job.billed(start, is_spot=bool(given.get("EnableManagedSpotTraining")))
    if ended[0] == "Failed":
        job.fail(ended[1])
    else:
        job.move(*ended)


def one_attempt(job: Job, program: list[str], checkpoints: Path, attempt: int) -> tuple[str, str] | None:
    """Run the program once; return how the job ends, None when it starts again on another instance."""
    world, given = job.world, job.shown
    place = ("/aws/sagemaker/TrainingJobs", f"{job.name}/{HOST}-{int(time.time() * 1000) + attempt}")
    container = job.container = Container(world, "training", job.region, job.role, place)
    job.move("InProgress", "Downloading", "Downloading input data")
    fill(job, container)
    (container.ml / "checkpoints").symlink_to(checkpoints)
    world.pause(world.settings.step)
    job.move("InProgress", "Training", "Training image download completed. Training in progress.")
    environment = {"TRAINING_JOB_NAME": job.name, "TRAINING_JOB_ARN": given["TrainingJobArn"]}
    started = time.monotonic()
    container.start(program, {**environment, **given.get("Environment", {})})
    expect_interruption(job, container)
    longest = int(given.get("StoppingCondition", {}).get("MaxRuntimeInSeconds", 86400))
    code = container.wait(
        lambda: job.is_stopped.is_set() or job.is_interrupted.is_set(),
        lambda: longest * world.settings.runtime_factor - (time.monotonic() - started),
    )
    if code is None:
        return ended_early(job, container)
    container.close()
    return ended_alone(job, container, code)


def expect_interruption(job: Job, container: Container) -> None:
    """Interrupt a spot job when its own program has said something, or nothing for a second, if the test wants it."""
    settings = job.world.settings
    if not job.shown.get("EnableManagedSpotTraining") or settings.spot_interruptions < 1:
        return
    settings.spot_interruptions -= 1
    job.has_capacity = settings.spot_capacity
    process = container.process
    assert process is not None
    job.world.until(lambda: container.first_line.is_set() or process.poll() is not None, lambda: SILENCE)
    job.is_interrupted.set()


def ended_early(job: Job, container: Container) -> tuple[str, str] | None:
    """Stop the program, and say why: the user, the instance, or the time (FACTS §6: Stopped, not Failed)."""
    container.stop()
    container.close()
    if job.is_stopped.is_set():
        upload(job, container)
        return "Stopped", "Stopped"
    if not job.is_interrupted.is_set():
        upload(job, container)
        return "Stopped", "MaxRuntimeExceeded"
    job.move("InProgress", "Interrupted", "Interrupted: the spot instance was reclaimed")
    container.remove()
    if not job.has_capacity:
        return "Stopped", "MaxWaitTimeExceeded"
    job.is_interrupted.clear()
    job.move("InProgress", "Starting", "Starting the training job again")
    return None


def ended_alone(job: Job, container: Container, code: int) -> tuple[str, str]:
    """Upload what the program has made; say what became of it."""
    measure(job, container)
    if code != 0:
        path = container.ml / "output" / "failure"
        reason = path.read_text(errors="replace")[:1024] if path.exists() else ""
        store_archive(job.client("s3"), container.ml / "output" / "data", output_uri(job, "output.tar.gz"), kms(job))
        return "Failed", f"AlgorithmError: {reason}, exit code: {code}"
    job.move("InProgress", "Uploading", "Uploading generated training model")
    upload(job, container)
    job.world.pause(job.world.settings.step)
    container.remove()
    return "Completed", "Completed"


def output_uri(job: Job, name: str) -> str:
    return f"{str(job.shown['ModelArtifacts']['S3ModelArtifacts']).rpartition('/')[0]}/{name}"


def kms(job: Job) -> dict[str, str]:
    return encryption(job.shown["OutputDataConfig"].get("KmsKeyId"))


def upload(job: Job, container: Container) -> None:
    s3 = job.client("s3")
    store_archive(s3, container.ml / "model", job.shown["ModelArtifacts"]["S3ModelArtifacts"], kms(job))
    store_archive(s3, container.ml / "output" / "data", output_uri(job, "output.tar.gz"), kms(job))


def fill(job: Job, container: Container) -> None:
    """Write the configuration and bring channels and code (SageMaker guide, "How SageMaker Provides Training Info")."""
    given, ml, s3 = job.shown, container.ml, job.client("s3")
    for folder in ("input/config", "input/data", "model", "output/data", "code"):
        (ml / folder).mkdir(parents=True, exist_ok=True)
    parameters = given.get("HyperParameters", {})
    channels = {channel["ChannelName"]: channel for channel in given.get("InputDataConfig", [])}
    settings = {
        "hyperparameters.json": parameters,
        "inputdataconfig.json": {name: channel_settings(channel) for name, channel in channels.items()},
        "resourceconfig.json": resource_settings(given["ResourceConfig"].get("InstanceType", "ml.m5.large")),
    }
    for name, content in settings.items():
        (ml / "input" / "config" / name).write_text(json.dumps(content))
    for name, channel in channels.items():
        source = channel["DataSource"]["S3DataSource"]
        folder = ml / "input" / "data" / name
        folder.mkdir(parents=True)
        fetch(s3, source["S3Uri"], folder, source["S3DataType"])
    submitted = str(parameters.get("sagemaker_submit_directory", "")).strip('"')
    submitted = submitted or given.get("Environment", {}).get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    image = given["AlgorithmSpecification"].get("TrainingImage", "")
    if submitted.startswith("s3://") and has_toolkits(job.world, image):
        fetch_archive(s3, submitted, ml / "code")


def channel_settings(channel: Document) -> Document:
    source = channel["DataSource"]["S3DataSource"]
    settings = {
        "TrainingInputMode": channel.get("InputMode", "File"),
        "S3DistributionType": source.get("S3DataDistributionType", "FullyReplicated"),
        "RecordWrapperType": channel.get("RecordWrapperType", "None"),
    }
    return settings | ({"ContentType": channel["ContentType"]} if "ContentType" in channel else {})


def resource_settings(instance: str) -> Document:
    group = {"instance_group_name": GROUP, "instance_type": instance, "hosts": [HOST]}
    return {
        "current_host": HOST,
        "current_instance_type": instance,
        "current_group_name": GROUP,
        "hosts": [HOST],
        "instance_groups": [group],
        "network_interface_name": "eth0",
    }


def bring_checkpoints(job: Job, folder: Path) -> None:
    place = job.shown.get("CheckpointConfig", {}).get("S3Uri")
    if place and job.client("s3").list_objects_v2(**bucket_and_prefix(place), MaxKeys=1).get("Contents"):
        fetch(job.client("s3"), place, folder)


def keep_checkpoints(job: Job, folder: Path) -> None:
    place = job.shown.get("CheckpointConfig", {}).get("S3Uri")
    if place:
        store(job.client("s3"), folder, place)


def bucket_and_prefix(uri: str) -> Document:
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return {"Bucket": bucket, "Prefix": key.rstrip("/") + "/"}


def measure(job: Job, container: Container) -> None:
    """Find the metrics in what was printed, by the job's own expressions (FACTS §5)."""
    found: list[Document] = []
    text = "\n".join(container.lines)
    for metric in job.shown["AlgorithmSpecification"].get("MetricDefinitions", []):
        matches = re.findall(metric["Regex"], text)
        if matches:
            found.append({"MetricName": metric["Name"], "Value": float(matches[-1]), "Timestamp": now()})
    if found:
        job.shown["FinalMetricDataList"] = found
