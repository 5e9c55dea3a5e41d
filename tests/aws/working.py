"""An environment whose jobs run on the bench, with data, code and models in its bucket, for the tests of jobs."""

import csv
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from types import MappingProxyType
from typing import Any

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.jobs import SageMakerJobs
from everfit.domain.aws import AwsPlace, aws_place
from everfit.domain.job import JobKind, JobSpec, JobStatus
from everfit.domain.project import Backend, Data, Environment, Hosting, Project, Serve, Task, Train
from tests.aws.bench.client import Bench
from tests.aws_bench import BUCKET, REGION

SKLEARN = f"683313688378.dkr.ecr.{REGION}.amazonaws.com/sagemaker-scikit-learn:1.4-2-cpu-py3"
LOOK = timedelta(milliseconds=50)
PATIENCE = timedelta(seconds=30)
FRAMEWORK: Mapping[str, object] = MappingProxyType({"framework": "sklearn", "version": "1.4-2"})
TRAIN_PY = """
import json, os, pathlib
rows = sum(1 for f in pathlib.Path(os.environ["SM_CHANNEL_TRAIN"]).rglob("*.csv") for _ in f.open()) - 1
pathlib.Path(os.environ["SM_MODEL_DIR"], "model.json").write_text(json.dumps({"rows": rows}))
print("validation_mae=0.95")
"""
INFERENCE = """
import json, os
def model_fn(folder): return json.load(open(os.path.join(folder, "model.json")))
def input_fn(body, kind): return json.loads(body)["instances"]
def predict_fn(rows, model): return [PREDICTION for row in rows]
def output_fn(answer, accept): return json.dumps({"predictions": answer}), accept
"""
Row = Mapping[str, object]


def rows_of(count: int) -> list[Row]:
    return [{"id": i, "x": i, "y": 2 * i + i % 2} for i in range(count)]


def table(rows: Sequence[Row]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def archive_of(files: Mapping[str, str | bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in files.items():
            data = content if isinstance(content, bytes) else content.encode()
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return packed.getvalue()


@dataclass(slots=True, kw_only=True)
class Works:
    """An account with a bucket and a role, and the jobs of one environment in it."""

    bench: Bench
    clients: Clients
    place: AwsPlace = field(
        default_factory=lambda: aws_place("line", "production", {"region": REGION, "bucket": BUCKET}, {})
    )
    role: str = ""

    def __post_init__(self) -> None:
        self.role = self.bench.role("line-job")

    def project(self, **given: Any) -> Project:
        values: dict[str, Any] = {
            "model": "line",
            "task": Task.REGRESSION,
            "data": Data(source=f"s3://{BUCKET}/raw/", target="y", id="id"),
            "train": Train(script="train.py", sagemaker=FRAMEWORK),
            "serve": Serve(script="inference.py", sagemaker=FRAMEWORK),
        }
        return Project(**(values | given))

    def environment(self, hosting: Hosting = Hosting.ENDPOINT) -> Environment:
        return Environment(
            name="production", endpoint="line", backend=Backend.SAGEMAKER, aws=self.place, hosting=hosting
        )

    def jobs(self, project: Project | None = None, **given: Any) -> SageMakerJobs:
        environment = self.environment(given.pop("hosting", Hosting.ENDPOINT))
        place = given.pop("place", self.place)
        clients = given.pop("clients", self.clients)
        return SageMakerJobs(clients, place, project or self.project(), environment, self.role, look=LOOK, **given)

    def put(self, key: str, body: bytes) -> str:
        self.clients("s3").put_object(Bucket=BUCKET, Key=key, Body=body)
        return f"s3://{BUCKET}/{key}"

    def get(self, url: str) -> bytes:
        bucket, _, key = url.removeprefix("s3://").partition("/")
        found: bytes = self.clients("s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        return found

    def kept(self, prefix: str = "") -> list[str]:
        pages = self.clients("s3").get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [each["Key"] for page in pages for each in page.get("Contents", [])]

    def snapshot(self, files: Mapping[str, bytes]) -> dict[str, object]:
        """Put files into S3 and freeze them; return what a data source says of where the snapshot lies."""
        entries: list[dict[str, object]] = []
        index: list[dict[str, object]] = []
        for path, content in sorted(files.items()):
            self.put(f"raw/{path}", content)
            head = self.clients("s3").head_object(Bucket=BUCKET, Key=f"raw/{path}")
            digest = hashlib.sha256(f"{head['ETag']}|{len(content)}".encode()).hexdigest()
            entries.append({"path": path, "size": len(content), "digest": f"etag:{digest}"})
            index.append({"path": path, "bucket": BUCKET, "key": f"raw/{path}", "version": None, "etag": head["ETag"]})
        name = hashlib.sha256(json.dumps(entries).encode()).hexdigest()
        manifest = self.put(f"everfit/snapshots/{name}.json", json.dumps({"files": entries}).encode())
        lines = "".join(json.dumps(line) + "\n" for line in index).encode()
        return {"manifest": manifest, "objects": self.put(f"everfit/snapshots/{name}.objects.jsonl", lines)}

    def code(self, files: Mapping[str, str]) -> str:
        data = archive_of(files)
        return self.put(f"everfit/code/{hashlib.sha256(data).hexdigest()}.tar.gz", data)

    def artifact(self, files: Mapping[str, str | bytes]) -> str:
        data = archive_of(files)
        return self.put(f"everfit/artifacts/{hashlib.sha256(data).hexdigest()}.tar.gz", data)

    def predicting(self, expression: str) -> str:
        """Return the artifact of a model that answers *expression* of ``row``."""
        return self.artifact({"model.json": "{}", "code/inference.py": INFERENCE.replace("PREDICTION", expression)})


def prepare_spec(run: str, location: Mapping[str, object], **given: object) -> JobSpec:
    parameters: dict[str, object] = {
        **location,
        "format": "csv",
        "target": "y",
        "time": None,
        "id": "id",
        "holdout": 0.2,
        "validation": 0.1,
        "encoding": "utf-8",
        "delimiter": None,
        "checks": [],
        "task": "regression",
        "content_type": "application/json",
        "reference": None,
        "cutoff": None,
        "sample": None,
        "seed": 1,
        "now": "2026-11-21T00:00:00+00:00",
    }
    return JobSpec(
        name=f"{run}-prepare",
        kind=JobKind.PREPARE,
        run=run,
        program="everfit.jobs.prepare",
        parameters=parameters | given,
    )


def train_spec(run: str, output: str, code: str, **given: Any) -> JobSpec:
    values: dict[str, Any] = {
        "name": f"{run}-train",
        "kind": JobKind.TRAIN,
        "run": run,
        "program": "train.py",
        "code": code,
        "channels": {"train": f"{output}/output/train", "validation": f"{output}/output/validation"},
        "timeout": timedelta(hours=1),
    }
    return JobSpec(**(values | given))


def evaluate_spec(
    run: str, output: str, report: Mapping[str, Any], sides: Mapping[str, object], **given: Any
) -> JobSpec:
    parameters: dict[str, Any] = {
        "holdout": f"{output}/output/holdout",
        "format": "csv",
        "encoding": "utf-8",
        "delimiter": None,
        "columns": report["columns"],
        "labels": report["labels"],
        "task": "regression",
        "target": "y",
        "time": None,
        "id": "id",
        "content_type": "application/json",
        "challenger": None,
        "champion": None,
        "evaluate": None,
        "python": SKLEARN,
        "slices": [],
        "comparisons": [],
        "resamples": 50,
        "confidence": 0.95,
        "seed": 1,
    }
    extra = {name: given.pop(name) for name in ("environment", "secrets") if name in given}
    return JobSpec(
        name=f"{run}-evaluate",
        kind=JobKind.EVALUATE,
        run=run,
        program="everfit.jobs.evaluate",
        parameters={**parameters, **sides, **given},
        **extra,
    )


def side(model: str, **given: object) -> dict[str, object]:
    return {"model": model, "python": SKLEARN, "script": "inference.py", "version": None} | given


def done(jobs: SageMakerJobs, spec: JobSpec) -> JobStatus:
    jobs.start(spec)
    return jobs.wait(spec.name, PATIENCE)
