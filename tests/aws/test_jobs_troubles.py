"""What can go wrong with a job on SageMaker: each trouble has its own words, and no job is started twice."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.job_files import JobFiles
from everfit.adapters.aws.job_programs import JobPrograms
from everfit.adapters.aws.job_requests import sagemaker_name
from everfit.domain.errors import BackendError, BusyError, RequestError
from everfit.domain.job import JobFailure, JobSpec, JobState, JobStatus
from everfit.domain.project import Train
from tests.aws.bench.client import Bench, until
from tests.aws.working import LOOK, PATIENCE, SKLEARN, Works, done, train_spec

ONCE = ("sagemaker", "CreateTrainingJob")
OUTPUT = "s3://everfit-bench/data"
GOOD = "import os; open(os.environ['SM_MODEL_DIR'] + '/m', 'w').write('m'); print('done')"
BAD = "print('no luck', flush=True); raise SystemExit(3)"
ENDLESS = "import time\nprint('on', flush=True)\nwhile True: time.sleep(0.02)"
SPOT: Mapping[str, object] = {
    "framework": "sklearn",
    "version": "1.4-2",
    "spot": True,
    "max_wait": timedelta(hours=2),
}


@pytest.fixture
def works(bench: Bench, aws_clients: Clients) -> Works:
    bench.set(grace=0.1)
    works = Works(bench=bench, clients=aws_clients)
    works.put("data/output/train/a.csv", b"x,y\n1,2\n")
    return works


def training(works: Works, script: str, **given: Any) -> JobSpec:
    code = works.code({"train.py": script})
    return replace(train_spec("r1", OUTPUT, code), channels={"train": f"{OUTPUT}/output/train"}, **given)


def trained(works: Works, script: str, **given: Any) -> JobStatus:
    return done(works.jobs(), training(works, script, **given))


def created(works: Works) -> int:
    return len([call for call in works.bench.calls(*ONCE) if call.get("error") is None])


def test_a_job_that_was_started_while_the_answer_was_lost_is_started_once(works: Works) -> None:
    works.bench.lose_answer(*ONCE)
    assert trained(works, GOOD).state is JobState.SUCCEEDED
    assert works.clients("sagemaker").list_training_jobs()["TrainingJobSummaries"].__len__() == 1


def test_two_that_start_a_job_start_it_once_and_both_see_its_end(works: Works) -> None:
    one, other, spec = works.jobs(), works.jobs(), training(works, GOOD)
    one.start(spec)
    other.start(replace(spec, timeout=timedelta(hours=9)))
    assert other.wait(spec.name, PATIENCE) == one.wait(spec.name, PATIENCE)
    assert len(works.bench.calls(*ONCE)) == 1


def test_a_starter_that_died_before_it_started_anything_is_replaced(works: Works) -> None:
    spec = training(works, GOOD)
    number = works.bench.fault(*ONCE, code="AccessDeniedException", message="no", times=1)
    with pytest.raises(RequestError, match="may not call CreateTrainingJob"):
        works.jobs().start(spec)
    works.bench.forget(number)
    assert works.jobs().observe(spec.name).state is JobState.UNKNOWN
    assert done(works.jobs(), spec).state is JobState.SUCCEEDED


def test_a_throttled_start_is_tried_again(works: Works) -> None:
    works.bench.throttle(*ONCE)
    works.bench.throttle("sagemaker", "DescribeTrainingJob")
    assert trained(works, GOOD).state is JobState.SUCCEEDED


def test_a_name_that_somebody_else_has_taken_is_never_taken_for_ours(works: Works) -> None:
    spec = training(works, GOOD)
    works.clients("sagemaker").create_training_job(
        TrainingJobName=sagemaker_name(works.place, spec.name),
        RoleArn=works.role,
        AlgorithmSpecification={"TrainingImage": SKLEARN, "TrainingInputMode": "File"},
        OutputDataConfig={"S3OutputPath": "s3://everfit-bench/else"},
        ResourceConfig={"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 1},
        StoppingCondition={"MaxRuntimeInSeconds": 60},
    )
    with pytest.raises(RequestError, match="already, which is not of this run"):
        works.jobs().start(spec)
    assert works.jobs().observe(spec.name).state is JobState.UNKNOWN


def test_a_quota_is_told_with_what_to_do(works: Works) -> None:
    works.bench.set(quotas={"ml.m5.large for training job usage": 0})
    with pytest.raises(RequestError, match=r"a quota .* Service Quotas.*ml\.m5\.large for training job usage"):
        works.jobs().start(training(works, GOOD))


def test_an_image_that_is_missing_is_told(works: Works) -> None:
    works.bench.set(images_missing=[SKLEARN])
    status = trained(works, GOOD)
    assert status.failure is JobFailure.EXIT
    assert "Look at the image" in str(status.message)
    assert SKLEARN in str(status.message)


def test_a_role_that_is_missing_is_told(works: Works) -> None:
    works.role = "arn:aws:iam::123456789012:role/nobody"
    with pytest.raises(RequestError, match="Could not assume role"):
        works.jobs().start(training(works, GOOD))


def test_a_channel_without_data_is_refused_before_anything_is_paid_for(works: Works) -> None:
    spec = replace(training(works, GOOD), channels={"train": f"{OUTPUT}/output/trai"})
    with pytest.raises(RequestError, match="The channel train of job r1-train has no data"):
        works.jobs().start(spec)
    assert works.bench.calls(*ONCE) == []


def test_a_script_that_is_not_in_the_code_is_refused(works: Works) -> None:
    with pytest.raises(RequestError, match=r"fit\.py is not in the code"):
        works.jobs().start(training(works, GOOD, program="fit.py"))


def test_a_script_that_fails_says_so_with_its_own_code_and_its_last_lines(works: Works) -> None:
    status = trained(works, BAD)
    assert status.failure is JobFailure.EXIT
    assert "train.py failed with exit code 3" in str(status.message)
    assert "no luck" in str(status.message)


def test_what_a_script_leaves_in_output_failure_is_told(works: Works) -> None:
    status = trained(works, "import os; open(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('too dry'); exit(2)")
    assert "It wrote to output/failure: too dry" in str(status.message)


def test_a_script_without_a_model_has_failed(works: Works) -> None:
    status = trained(works, "print('forgot')")
    assert status.failure is JobFailure.NO_MODEL
    assert "SM_MODEL_DIR" in str(status.message)


def test_a_model_folder_with_nothing_but_folders_is_no_model(works: Works) -> None:
    assert trained(works, "import os; os.mkdir(os.environ['SM_MODEL_DIR'] + '/d')").failure is JobFailure.NO_MODEL


def test_a_training_that_takes_too_long_is_timed_out(works: Works) -> None:
    works.bench.set(runtime_factor=0.0001)
    status = trained(works, ENDLESS)
    assert status.failure is JobFailure.TIMED_OUT
    assert "train.timeout" in str(status.message)


def test_a_training_that_somebody_stops_in_the_console_is_stopped(works: Works) -> None:
    jobs, spec = works.jobs(), training(works, ENDLESS)
    jobs.start(spec)
    asked = {"TrainingJobName": sagemaker_name(works.place, spec.name)}
    client = works.clients("sagemaker")
    until(lambda: client.describe_training_job(**asked)["SecondaryStatus"] == "Training", "the training")
    client.stop_training_job(**asked)
    assert jobs.wait(spec.name, PATIENCE).failure is JobFailure.STOPPED


def test_a_spot_training_survives_its_interruption_and_tells_what_it_saved(works: Works) -> None:
    script = (
        "import os, pathlib, time\n"
        "kept = pathlib.Path(os.environ['SAGEMAKER_BASE_DIR'], 'checkpoints', 'seen')\n"
        "first = not kept.exists()\n"
        "kept.write_text('1'); print('first' if first else 'again', flush=True)\n"
        "while first: time.sleep(0.01)\n"
        f"{GOOD}\n"
    )
    works.bench.set(spot_interruptions=1)
    jobs = works.jobs(works.project(train=Train(sagemaker=SPOT)))
    status = done(jobs, training(works, script, checkpoints=True))
    assert status.state is JobState.SUCCEEDED
    assert "spot instances saved 6" in " ".join(status.notes)
    assert b"spot instances saved" in b"".join(jobs.log("r1-train"))
    assert works.kept("everfit/runs/r1/checkpoints/") == ["everfit/runs/r1/checkpoints/seen"]


def test_a_spot_training_that_finds_no_instance_in_time_is_timed_out(works: Works) -> None:
    works.bench.set(spot_interruptions=1, spot_capacity=False)
    status = done(works.jobs(works.project(train=Train(sagemaker=SPOT))), training(works, ENDLESS))
    assert status.failure is JobFailure.TIMED_OUT
    assert "train.sagemaker.max_wait" in str(status.message)


def test_requirements_are_at_the_top_of_the_code_and_only_those_of_the_project(works: Works) -> None:
    script = (
        "import os, pathlib\n"
        "text = pathlib.Path('requirements.txt').read_text() if pathlib.Path('requirements.txt').exists() else 'none'\n"
        "pathlib.Path(os.environ['SM_MODEL_DIR'], 'seen').write_text(text); print('has', text)\n"
    )
    code = works.code({"train.py": script, "requirements.txt": "stray"})
    jobs, spec = works.jobs(), replace(training(works, script), code=code)
    assert done(jobs, spec).state is JobState.SUCCEEDED
    assert b"has none" in b"".join(jobs.log(spec.name))
    again = replace(spec, name="r1-train-2", requirements="prophet==1.1")
    assert done(jobs, again).state is JobState.SUCCEEDED
    assert b"has prophet==1.1" in b"".join(jobs.log(again.name))


def test_a_job_that_sagemaker_no_longer_knows_is_lost_and_never_silently_trained_again(works: Works) -> None:
    spec = training(works, GOOD)
    place = f"everfit/runs/{spec.run}/{spec.name}"
    works.jobs().start(spec)
    works.bench.reset()
    works.clients("s3").create_bucket(Bucket="everfit-bench")
    from everfit.adapters.aws.submission import encoded, written  # noqa: PLC0415 - what an earlier process had kept

    works.put(f"{place}/spec.json", encoded(written(spec)))
    works.put(f"{place}/started", b"1")
    status = works.jobs().observe(spec.name)
    assert (status.state, status.failure) == (JobState.FAILED, JobFailure.LOST)
    works.jobs().start(spec)
    assert works.bench.calls(*ONCE) == []


def test_a_secret_is_in_the_job_and_in_no_file_no_tag_and_no_log(works: Works) -> None:
    script = f"import os; print('key', os.environ['TOKEN'], flush=True); {GOOD}"
    project = works.project(
        train=Train(sagemaker=works.project().train.sagemaker, environment={"TOKEN": "hush-hush-hush"}),
        secrets=frozenset({"hush-hush-hush"}),
    )
    jobs = works.jobs(project)
    spec = training(works, script, environment={"TOKEN": "hush-hush-hush"}, secrets=frozenset({"TOKEN"}))
    assert done(jobs, spec).state is JobState.SUCCEEDED
    log = b"".join(jobs.log(spec.name))
    assert b"key ***" in log
    assert b"hush" not in log
    assert all(b"hush" not in works.get(f"s3://everfit-bench/{key}") for key in works.kept())


def test_a_job_that_is_waited_for_is_looked_at_once_an_interval(works: Works) -> None:
    jobs, spec = works.jobs(), training(works, ENDLESS)
    jobs.start(spec)
    before = len(works.bench.calls("sagemaker", "DescribeTrainingJob"))
    for _ in range(40):
        assert jobs.wait(spec.name, LOOK / 10).state is JobState.RUNNING
    looks = len(works.bench.calls("sagemaker", "DescribeTrainingJob")) - before
    assert 1 <= looks <= 10
    jobs.stop(spec.name)
    assert jobs.wait(spec.name, PATIENCE).failure is JobFailure.STOPPED


def test_how_a_job_ended_is_kept_and_not_asked_again(works: Works) -> None:
    spec = training(works, GOOD)
    status = done(works.jobs(), spec)
    before = len(works.bench.calls("sagemaker"))
    later = works.jobs()
    assert later.observe(spec.name) == status
    later.start(spec)
    later.stop(spec.name)
    assert len(works.bench.calls("sagemaker")) == before


def test_a_run_is_trimmed_to_what_explains_it_and_forgotten_wholly(works: Works) -> None:
    jobs, spec = works.jobs(), training(works, GOOD)
    status = done(jobs, spec)
    works.put("everfit/runs/r1/r1-prepare/output/train/a.csv", b"1")
    works.put("everfit/runs/r1/r1-prepare/output/report.json", b"{}")
    jobs.trim("r1")
    assert {key.rpartition("/")[2] for key in works.kept("everfit/runs/r1/")} == {
        "spec.json",
        "started",
        "end.json",
        "report.json",
    }
    assert works.jobs().observe(spec.name) == status
    jobs.forget("r1")
    assert works.kept("everfit/runs/r1/") == []
    with pytest.raises(RequestError):
        jobs.forget("")


def test_a_run_whose_job_goes_on_is_not_forgotten_by_another_process(works: Works) -> None:
    spec = training(works, ENDLESS)
    works.jobs().start(spec)
    with pytest.raises(BusyError, match="r1-train is still running"):
        works.jobs().forget("r1")
    works.jobs().stop(spec.name)
    assert works.jobs().wait(spec.name, PATIENCE).failure is JobFailure.STOPPED


def test_what_was_asked_for_and_is_damaged_is_told(works: Works) -> None:
    works.put("everfit/runs/r1/r1-train/spec.json", json.dumps({"name": "r1-train"}).encode())
    with pytest.raises(BackendError, match=r"spec\.json is damaged"):
        works.jobs().observe("r1-train")


@dataclass(frozen=True, kw_only=True)
class Packages:
    """What there is to send; without a file the package index cannot be reached."""

    name: str
    file: Path | None = None

    def made(self) -> Mapping[str, Path]:
        if self.file is None:
            raise BackendError("the package index cannot be reached", retryable=True)
        return {self.file.name: self.file}


def test_packages_are_sent_once_and_those_of_an_earlier_run_do_without_the_package_index(
    works: Works, tmp_path: Path
) -> None:
    file = tmp_path / "everfit.whl"
    file.write_bytes(b"wheel")
    files = JobFiles(works.clients, works.place)

    def folder_of(own: Packages | None) -> str | None:
        return JobPrograms(files, works.place, own).wheels()

    with pytest.raises(BackendError, match="package index"):
        folder_of(Packages(name="1"))
    folder = folder_of(Packages(name="1", file=file))
    assert works.get(f"{folder}everfit.whl") == b"wheel"
    before = len(works.bench.calls("s3", "PutObject"))
    assert folder_of(Packages(name="1", file=file)) == folder
    assert folder_of(Packages(name="2")) == folder
    assert folder_of(None) == folder
    assert len(works.bench.calls("s3", "PutObject")) == before


def test_packages_of_another_release_are_sent_anew(works: Works, tmp_path: Path) -> None:
    file = tmp_path / "everfit.whl"
    file.write_bytes(b"old")
    files = JobFiles(works.clients, works.place)
    old = JobPrograms(files, works.place, Packages(name="1", file=file)).wheels()
    file.write_bytes(b"new")
    new = JobPrograms(files, works.place, Packages(name="2", file=file)).wheels()
    assert (works.get(f"{old}everfit.whl"), works.get(f"{new}everfit.whl")) == (b"old", b"new")
