"""The programs of containers, as plain processes: in an interpreter that has neither Everfit nor any other package."""

import json
import os
import signal
import subprocess
import sys
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from everfit.adapters.aws.job_programs import _PROGRAMS, _place
from everfit.domain.errors import RunFailedError, StateError
from everfit.domain.snapshot import object_path
from everfit.jobs.ask import write
from everfit.jobs.aws.fetch import fetch
from everfit.jobs.aws.launch import LaunchError, replaced, unpack
from everfit.jobs.evaluate import evaluate
from everfit.jobs.holdout_source import Parameters
from everfit.jobs.request_log import Request, read_replies, read_requests, write_request
from tests.aws.bench.client import Bench, until
from tests.aws.working import archive_of

BARE = os.path.realpath(sys.executable)
SERVE = Path(__file__).parent / "small_serve.py"
ROWS = [Request(body=b'{"instances":[1,2]}', content_type="application/json", rows=2)]
TIMED = [Request(body=b"[1]", content_type="application/json", rows=1, timed=True)] * 200


@dataclass
class Box:
    """A container's ``/opt/ml``, as SageMaker leaves it."""

    folder: Path

    @property
    def work(self) -> Path:
        return self.folder / "ml/processing"

    def fill(self, files: Mapping[str, bytes | str]) -> None:
        for name, content in files.items():
            path = self.work / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content.encode() if isinstance(content, str) else content)

    def order(self, **order: object) -> None:
        self.fill({"input/config/job.json": json.dumps(order)})

    def launch(self, behaviour: str = "good", python: str = BARE, **variables: str) -> subprocess.CompletedProcess[str]:
        given = self.environment(behaviour) | variables
        return subprocess.run(self.command(python), env=given, check=False, **CAPTURED)

    def command(self, python: str = BARE) -> list[str]:
        return [python, str(self.work / "input/programs/everfit/jobs/aws/launch.py")]

    def environment(self, behaviour: str) -> dict[str, str]:
        programs = self.folder / "bin"
        programs.mkdir(exist_ok=True)
        if behaviour != "no serve":
            (programs / "serve").write_text(f"#!/bin/sh\nexec {BARE} {SERVE} {behaviour}\n")
            (programs / "serve").chmod(0o755)
        return {"PATH": f"{programs}:/usr/bin:/bin", "SAGEMAKER_BASE_DIR": str(self.folder / "ml")}

    def said(self) -> str | None:
        message = self.folder / "ml/output/message"
        return message.read_text() if message.exists() else None

    def error(self) -> str | None:
        path = self.work / "output/error"
        return path.read_text() if path.exists() else None


CAPTURED: dict[str, Any] = {"capture_output": True, "text": True, "timeout": 60}


@pytest.fixture
def box(tmp_path: Path) -> Box:
    box = Box(tmp_path)
    box.fill({f"input/programs/{_place(module)}": Path(str(module.__file__)).read_bytes() for module in _PROGRAMS})
    return box


def scoring(box: Box, requests: list[Request], **given: object) -> None:
    model = archive_of({"model.json": "{}", "code/inference.py": "x = 1"})
    box.fill({"input/model/m.tar.gz": model, "input/requests/requests": b""})
    with (box.work / "input/requests/requests").open("wb") as file:
        for request in requests:
            write_request(file, request)
    score: dict[str, object] = {
        "archive": "input/model/m.tar.gz",
        "sha256": sha256(model).hexdigest(),
        "requests": "input/requests/requests",
        "variables": {"SAGEMAKER_PROGRAM": "inference.py", "FOLDER": "/opt/ml/model/code"},
        "start_seconds": 20.0,
        "timed_seconds": 0.05,
        "timeout": 30.0,
    }
    box.order(programs=["everfit.jobs.aws.score"], score=score | given)


def test_a_version_is_asked_through_the_serve_of_its_own_image(box: Box) -> None:
    scoring(box, [*ROWS, *TIMED])
    ended = box.launch()
    assert (ended.returncode, box.error()) == (0, None), ended.stderr
    replies = list(read_replies(box.work / "output/replies"))
    assert [reply.timed for reply in replies[:2]] == [False, True]
    assert json.loads(replies[0].body)["asked"] == '{"instances":[1,2]}'
    assert json.loads(replies[0].body)["folder"] == f"{box.folder}/ml/model/code"
    assert 20 <= len(replies) - 1 <= 200
    assert all(reply.seconds > 0 for reply in replies)


def test_the_champion_is_not_timed(box: Box) -> None:
    scoring(box, [*ROWS, *TIMED], timed_seconds=0.0)
    box.launch()
    assert len(list(read_replies(box.work / "output/replies"))) == 1


@pytest.mark.parametrize(
    ("behaviour", "words"),
    [
        ("no serve", "its image has no program `serve` on its path"),
        ("crash", "the model does not load: its server ended with exit code 7; its last lines: no such weights"),
        ("sick", "its server did not answer /ping within 0.3 s"),
        ("refuse", "the model failed on rows 1 to 2 of the holdout: it answered 500: too hot"),
        ("drop", "the model failed on rows 1 to 2 of the holdout: its server closed the connection"),
    ],
)
def test_a_version_that_cannot_be_asked_is_a_result_in_words(box: Box, behaviour: str, words: str) -> None:
    scoring(box, ROWS, start_seconds=0.3 if behaviour == "sick" else 20.0)
    ended = box.launch(behaviour)
    assert ended.returncode == 0, ended.stderr
    assert (box.error() or "").startswith(words)
    assert (box.work / "output/done").exists()


def test_a_connection_that_the_server_closes_after_an_answer_is_opened_again(box: Box) -> None:
    scoring(box, ROWS * 3, timed_seconds=0.0)
    box.launch("close")
    assert box.error() is None
    assert len(list(read_replies(box.work / "output/replies"))) == 3


def test_an_artifact_that_is_another_one_is_not_asked(box: Box) -> None:
    scoring(box, ROWS, sha256="0" * 64)
    assert box.launch().returncode == 0
    assert box.error() == "its artifact is not the one that was kept"


def test_the_users_scorer_scores_with_the_model_the_holdout_and_an_output_of_its_own(box: Box) -> None:
    script = (
        "import json, os, pathlib\n"
        "rows = len(list(pathlib.Path(os.environ['SM_CHANNEL_HOLDOUT']).iterdir()))\n"
        "model = json.load(open(os.environ['SM_MODEL_DIR'] + '/m.json'))\n"
        "output = pathlib.Path(os.environ['SM_OUTPUT_DATA_DIR'], 'evaluation.json')\n"
        "output.write_text(json.dumps({'rows': rows + model}))\n"
    )
    files = {
        "input/model/m.tar.gz": archive_of({"m.json": "40"}),
        "input/code/c.tar.gz": archive_of({"evaluate.py": script}),
    }
    box.fill({**files, "input/holdout/a": "1", "input/holdout/b": "2"})
    own = {"archive": "input/model/m.tar.gz", "script": "code/evaluate.py", "holdout": "input/holdout", "timeout": 30}
    box.order(programs=["everfit.jobs.aws.score_own"], archives={"input/code/c.tar.gz": "code"}, own=own)
    ended = box.launch()
    assert (ended.returncode, box.error()) == (0, None), ended.stderr
    assert json.loads((box.work / "output/evaluation.json").read_text()) == {"rows": 42}


def test_a_scorer_that_fails_is_a_result(box: Box) -> None:
    files = {
        "input/model/m.tar.gz": archive_of({"m": "1"}),
        "input/code/c.tar.gz": archive_of({"e.py": "raise SystemExit(4)"}),
    }
    box.fill(files)
    own = {"archive": "input/model/m.tar.gz", "script": "code/e.py", "holdout": "input/holdout", "timeout": 30}
    box.order(programs=["everfit.jobs.aws.score_own"], archives={"input/code/c.tar.gz": "code"}, own=own)
    assert box.launch().returncode == 0
    assert box.error() == "evaluate.py ended with exit code 4; the log says why"


def test_modules_are_looked_for_in_an_image_that_has_no_everfit(box: Box) -> None:
    box.order(programs=["everfit.jobs.find_modules"], parameters={"modules": ["json", "no_such_module"]})
    ended = box.launch()
    assert ended.returncode == 0, ended.stderr
    assert json.loads((box.work / "output/modules.json").read_text()) == {"missing": ["no_such_module"]}


@pytest.fixture
def has_pip() -> None:
    if subprocess.run([BARE, "-m", "pip", "--version"], check=False, **CAPTURED).returncode != 0:
        pytest.skip(f"{BARE} has no pip, which every image of AWS's has")


@pytest.mark.usefixtures("has_pip")
def test_requirements_that_cannot_be_installed_have_an_exit_code_and_a_message(box: Box) -> None:
    box.order(
        programs=["everfit.jobs.find_modules"], parameters={"modules": []}, requirements="no-such-package-here==1"
    )
    ended = box.launch(PIP_NO_INDEX="1")
    assert ended.returncode == 90
    assert "mend requirements.txt or the package index" in str(box.said())


def test_an_image_without_everfit_and_without_its_packages_is_told(box: Box) -> None:
    box.order(programs=["everfit.jobs.prepare"], everfit="0.1.0", image="mine:1")
    ended = box.launch()
    assert ended.returncode == 91
    assert str(box.said()).startswith("The image mine:1 does not hold Everfit 0.1.0")


@pytest.mark.usefixtures("has_pip")
def test_packages_that_were_sent_are_installed_without_an_index(box: Box) -> None:
    from everfit import __version__  # noqa: PLC0415 - only here
    from everfit.adapters.aws.wheels import everfit_wheel  # noqa: PLC0415 - only here

    name, content = everfit_wheel()
    box.fill({f"input/wheels/{name}": content})
    parameters = {"modules": ["everfit.domain.job"]}
    box.order(programs=["everfit.jobs.find_modules"], everfit=__version__, wheels="input/wheels", parameters=parameters)
    ended = box.launch(PIP_INDEX_URL="http://127.0.0.1:9/")
    assert ended.returncode == 0, ended.stderr
    assert json.loads((box.work / "output/modules.json").read_text()) == {"missing": []}
    assert (box.work / "site/everfit/__init__.py").is_file()


def test_what_a_program_leaves_in_output_failure_is_the_exit_message(box: Box) -> None:
    box.order(programs=["everfit.jobs.prepare"], everfit=None, parameters={})
    box.fill({"input/programs/everfit/jobs/prepare.py": FAILING})
    assert box.launch().returncode == 3
    said = str(box.said())
    assert said.startswith("ünusable")
    # "the first 1 KB", and a job whose message is no UTF-8 fails (Developer Guide, "Save and Access Metadata").
    assert len(said.encode()) <= 1000


FAILING = (
    "import os, pathlib, sys\n"
    "failure = pathlib.Path(os.environ['SAGEMAKER_BASE_DIR'], 'output/failure')\n"
    "failure.write_text('ünusable' + 'ü' * 2000)\n"
    "sys.exit(3)\n"
)


def test_a_job_that_is_stopped_hands_the_signal_on(box: Box) -> None:
    script = (
        "import os, pathlib, signal, sys\n"
        "out = pathlib.Path(os.environ['SAGEMAKER_BASE_DIR'], 'output')\n"
        "signal.signal(15, lambda *_: (out.joinpath('heard').write_text('x'), sys.exit(5)))\n"
        "out.joinpath('on').write_text('x')\nwhile True: signal.pause()\n"
    )
    box.order(programs=["everfit.jobs.prepare"], parameters={})
    box.fill({"input/programs/everfit/jobs/prepare.py": script})
    process = subprocess.Popen(box.command(), env=box.environment("good"))
    until((box.work / "output/on").exists, "the program")
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) == 5
    assert (box.work / "output/heard").exists()


def test_urls_of_parameters_become_places_in_the_container() -> None:
    paths = {"s3://b/code/c.tar.gz": "/w/code", "s3://b/h": "/w/h"}
    given = {"a": "s3://b/code/c.tar.gz/evaluate.py", "b": ["s3://b/h", "s3://b/hh", 3], "c": {"d": "s3://b/h/x"}}
    assert replaced(given, paths) == {"a": "/w/code/evaluate.py", "b": ["/w/h", "s3://b/hh", 3], "c": {"d": "/w/h/x"}}


@pytest.mark.parametrize("name", ["/etc/passwd", "../up", "a/../../up"])
def test_an_archive_that_leads_out_of_its_folder_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.tar.gz").write_bytes(archive_of({name: "x"}))
    with pytest.raises(LaunchError, match="does not belong there"):
        unpack(tmp_path / "a.tar.gz", tmp_path / "into/here")


def test_a_link_in_an_archive_is_refused(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar", "w") as archive:
        member = tarfile.TarInfo("link")
        member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(member)
    with pytest.raises(LaunchError, match="does not belong there"):
        unpack(tmp_path / "a.tar", tmp_path / "here")


def prepared(folder: Path, format_: str, files: Mapping[str, bytes]) -> tuple[dict[str, Any], dict[str, Any]]:
    for name, content in files.items():
        path = folder / "output/holdout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    given = {"format": format_, "task": "classification", "target": "y", "content_type": "application/json"}
    return given, {"columns": []}


def test_images_are_asked_with_their_content_by_whoever_has_not_got_the_holdout(tmp_path: Path) -> None:
    given, report = prepared(tmp_path, "images", {f"{label}/{n}.png": b"png%d" % n for label in "ab" for n in range(3)})
    write(given, report, tmp_path / "output")
    requests = list(read_requests(tmp_path / "output/requests/requests"))
    assert b"path" not in (tmp_path / "output/requests/requests").read_bytes()
    assert [request.body for request in requests if not request.timed][:3] == [b"png0", b"png1", b"png2"]


def test_what_was_answered_elsewhere_is_judged_as_if_it_had_been_asked_here(tmp_path: Path) -> None:
    table = "x,y\n" + "".join(f"{n},{n * 2}\n" for n in range(30))
    given, report = prepared(tmp_path, "csv", {"a.csv": table.encode()})
    write({**given, "task": "regression"}, report, tmp_path / "output")
    answers = tmp_path / "answers"
    answers.mkdir()
    with (answers / "replies").open("wb") as file:
        from everfit.jobs.request_log import Reply, write_reply  # noqa: PLC0415 - only here

        for request in read_requests(tmp_path / "output/requests/requests"):
            rows = json.loads(request.body)["instances"]
            body = json.dumps({"predictions": [row["x"] * 2 + 1 for row in rows]}).encode()
            reply = Reply(body=body, content_type="application/json", seconds=0.25, timed=request.timed)
            write_reply(file, reply)
    result = judged(tmp_path, {"answered": str(answers)})
    assert result["challenger"]["metrics"]["mae"]["value"] == 1.0
    assert result["challenger"]["latency"]["p99"] == 0.25
    (answers / "error").write_text("its server was asleep")
    assert judged(tmp_path, {"answered": str(answers)})["challenger"]["error"] == "its server was asleep"
    assert judged(tmp_path, {"answered": "/nowhere"})["challenger"]["error"] == "it left no answers"


def judged(folder: Path, side: Mapping[str, object]) -> dict[str, Any]:
    parameters: Parameters = {
        "holdout": str(folder / "output/holdout"),
        "format": "csv",
        "task": "regression",
        "target": "y",
        "resamples": 20,
        "challenger": {"model": "", "python": None, "script": None, "version": None, **side},
    }
    result: dict[str, Any] = json.loads(json.dumps(evaluate(parameters, folder)))
    return result


def test_what_the_users_scorer_wrote_elsewhere_is_judged_here(tmp_path: Path) -> None:
    (tmp_path / "new").mkdir()
    (tmp_path / "old").mkdir()
    (tmp_path / "new/evaluation.json").write_text('{"ndcg": 0.8}')
    (tmp_path / "old/error").write_text("evaluate.py ended with exit code 4")
    side = {"model": "", "python": None, "script": None, "version": None, "answered": "/nowhere"}
    parameters = {
        "holdout": str(tmp_path / "none"),
        "format": "files",
        "task": "custom",
        "evaluate": None,
        "challenger": {**side, "evaluated": str(tmp_path / "new")},
        "champion": {**side, "evaluated": str(tmp_path / "old")},
    }
    result = json.loads(json.dumps(evaluate(parameters, tmp_path)))
    assert result["challenger"]["metrics"]["ndcg"]["value"] == 0.8
    assert result["champion"]["error"] == "evaluate.py ended with exit code 4"


class Frozen:
    """A snapshot of objects in the bench's S3."""

    def __init__(self, bench: Bench, folder: Path, *, is_versioned: bool) -> None:
        self.s3 = bench.client("s3")
        self.s3.create_bucket(Bucket="data")
        if is_versioned:
            status = {"Status": "Enabled"}
            self.s3.put_bucket_versioning(Bucket="data", VersioningConfiguration=status)
        self.folder = folder
        rows: list[dict[str, object]] = []
        entries: list[dict[str, object]] = []
        for number in range(5):
            content = b"%d" % number * 10
            put = self.s3.put_object(Bucket="data", Key=f"k{number}", Body=content)
            place = {"bucket": "data", "key": f"k{number}", "version": put.get("VersionId"), "etag": put["ETag"]}
            rows.append({"path": f"k{number}", **place})
            digest = f"etag:{sha256(content).hexdigest()}"
            entries.append({"path": f"k{number}", "size": len(content), "digest": digest})
        self.entries = entries
        (folder / "manifest").write_text(json.dumps({"files": entries}))
        (folder / "index").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def fetch(self) -> None:
        fetch(self.folder / "manifest", self.folder / "index", self.folder / "objects", self.s3)

    def content(self, number: int) -> bytes:
        return (self.folder / "objects" / object_path(str(self.entries[number]["digest"]))).read_bytes()


def test_objects_are_brought_in_the_version_that_was_frozen(bench: Bench, tmp_path: Path) -> None:
    frozen = Frozen(bench, tmp_path, is_versioned=True)
    frozen.s3.put_object(Bucket="data", Key="k3", Body=b"new and other")
    frozen.s3.delete_object(Bucket="data", Key="k4")
    frozen.fetch()
    assert (frozen.content(3), frozen.content(4)) == (b"3" * 10, b"4" * 10)


def test_an_object_that_was_replaced_in_a_bucket_without_versions_fails_the_job(bench: Bench, tmp_path: Path) -> None:
    frozen = Frozen(bench, tmp_path, is_versioned=False)
    frozen.s3.put_object(Bucket="data", Key="k3", Body=b"x" * 10)
    with pytest.raises(RunFailedError, match="s3://data/k3 was changed or removed after it was frozen"):
        frozen.fetch()


def test_a_download_that_breaks_off_goes_on_where_it_was(bench: Bench, tmp_path: Path) -> None:
    frozen = Frozen(bench, tmp_path, is_versioned=True)
    target = tmp_path / "objects" / object_path(str(frozen.entries[2]["digest"]))
    target.parent.mkdir(parents=True)
    target.with_name(f"{target.name}.part").write_bytes(b"2222")
    frozen.fetch()
    assert frozen.content(2) == b"2" * 10
    ranges = [call["params"].get("Range") for call in bench.calls("s3", "GetObject")]
    assert ranges.count("bytes=4-") == 1


def test_an_index_that_does_not_know_a_path_is_refused(bench: Bench, tmp_path: Path) -> None:
    frozen = Frozen(bench, tmp_path, is_versioned=False)
    lines = (tmp_path / "index").read_text().splitlines(keepends=True)
    (tmp_path / "index").write_text("".join(lines[:-1]))
    with pytest.raises(StateError, match="does not say where k4 lies"):
        frozen.fetch()


def test_an_object_that_may_not_be_read_is_told(bench: Bench, tmp_path: Path) -> None:
    frozen = Frozen(bench, tmp_path, is_versioned=False)
    bench.deny("s3", "GetObject")
    with pytest.raises(RunFailedError, match="may not be read by the role of the jobs"):
        frozen.fetch()
