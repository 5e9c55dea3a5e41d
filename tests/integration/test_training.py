"""Training scripts of every kind, good and bad, as real processes."""

import dataclasses
import json
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from everfit.adapters.local.jobs import LocalJobs
from everfit.domain.errors import BackendError, RequestError
from everfit.domain.job import JobFailure, JobKind, JobSpec, JobState, JobStatus
from everfit.jobs.supervision import children

PATIENCE = timedelta(seconds=30)
SAVE = "import os; open(os.environ['SM_MODEL_DIR'] + '/model.txt', 'w').write('fit')\n"
NAME = "r1-train-1"


class Bench:
    """Writes a script and trains with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.jobs = LocalJobs(self.home, log_limit=200_000)
        self.started: list[str] = []

    def spec(self, script: str, name: str = NAME, **more: Any) -> JobSpec:
        code = self.folder / f"code-{name}"
        code.mkdir(exist_ok=True)
        (code / "train.py").write_text(script)
        settings: dict[str, Any] = {"timeout": timedelta(seconds=30), "grace": timedelta(seconds=5)} | more
        return JobSpec(name=name, kind=JobKind.TRAIN, run="r1", program="train.py", code=str(code), **settings)

    def start(self, script: str, **more: Any) -> str:
        spec = self.spec(script, **more)
        self.jobs.start(spec)
        self.started.append(spec.name)
        return spec.name

    def train(self, script: str, **more: Any) -> JobStatus:
        return self.jobs.wait(self.start(script, **more), PATIENCE)

    def log(self, name: str = NAME) -> str:
        return b"".join(self.jobs.log(name)).decode()

    def until_printed(self, text: str, name: str = NAME) -> None:
        while text not in self.log(name):
            assert self.jobs.wait(name, timedelta(milliseconds=10)).state is JobState.RUNNING

    def job(self, name: str = NAME) -> Path:
        return self.home / "runs" / "r1" / name

    def survivors(self) -> list[int]:
        return [pid for name in self.started for pid in children.marked(str(self.job(name)))]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    for name in bench.started:
        children.end_marked(str(bench.job(name)))


def failure(status: JobStatus) -> JobFailure:
    assert status.state is JobState.FAILED
    assert status.failure is not None
    assert status.output is None
    return status.failure


def message(status: JobStatus) -> str:
    assert status.message is not None
    return status.message


def test_a_model_and_its_claims_come_out(bench: Bench) -> None:
    status = bench.train(
        SAVE + "print('loss=0.5'); print('loss=0.25;', end='')", metric_definitions={"loss": r"loss=([0-9.]+)"}
    )
    assert status.state is JobState.SUCCEEDED
    assert status.output is not None
    assert (Path(status.output) / "model" / "model.txt").read_text() == "fit"
    assert status.claims == {"loss": 0.25}
    assert status.python == sys.executable
    assert status.peak_memory is not None
    assert status.packages["packaging"]


def test_a_failing_script_tells_its_code_its_last_lines_and_its_own_reason(bench: Bench) -> None:
    """Exit code, last log lines and the script's own `output/failure` are in the message."""
    status = bench.train(
        "import os, sys\n"
        "open(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('no sun today' + 'x' * 5000)\n"
        "print('epoch 1'); sys.exit(3)"
    )
    assert failure(status) is JobFailure.EXIT
    assert "exit code 3" in message(status)
    assert "no sun today" in message(status)
    assert "x" * 1024 not in message(status)
    assert "epoch 1" in message(status)


def test_no_model_is_a_failure(bench: Bench) -> None:
    """A training script that exits 0 without a model is a failed run."""
    status = bench.train("print('all done')")
    assert failure(status) is JobFailure.NO_MODEL
    assert "SM_MODEL_DIR" in message(status)
    assert "all done" in message(status)


def test_a_killed_script_names_the_signal(bench: Bench) -> None:
    status = bench.train("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)")
    assert failure(status) is JobFailure.KILLED
    assert "SIGSEGV" in message(status)


def test_a_traceback_ends_in_the_message(bench: Bench) -> None:
    status = bench.train("raise ValueError('column amount is missing')")
    assert "ValueError: column amount is missing" in message(status)


@pytest.mark.parametrize(
    ("script", "kind"),
    [
        ("x = [0] * 10; raise MemoryError", JobFailure.OUT_OF_MEMORY),
        ("raise OSError(28, 'No space left on device')", JobFailure.DISK_FULL),
    ],
)
def test_want_of_memory_and_of_disk_are_told_apart(bench: Bench, script: str, kind: JobFailure) -> None:
    assert failure(bench.train(script)) is kind


def test_a_script_that_runs_too_long_is_stopped(bench: Bench) -> None:
    status = bench.train("while True: pass", timeout=timedelta(seconds=0.4))
    assert failure(status) is JobFailure.TIMED_OUT
    assert "0.4 s" in message(status)


def test_a_script_that_ignores_sigterm_is_killed_after_its_grace(bench: Bench) -> None:
    status = bench.train(
        "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nwhile True: signal.pause()",
        timeout=timedelta(seconds=0.4),
        grace=timedelta(seconds=0.2),
    )
    assert failure(status) is JobFailure.TIMED_OUT
    assert bench.survivors() == []


def test_a_script_that_loops_for_ever_can_be_stopped(bench: Bench) -> None:
    bench.start("print('on', flush=True)\nwhile True: pass")
    bench.until_printed("on")
    bench.jobs.stop(NAME)
    assert failure(bench.jobs.wait(NAME, PATIENCE)) is JobFailure.STOPPED


def test_a_stopped_script_may_save_its_checkpoint_for_the_next_attempt(bench: Bench) -> None:
    saves = (
        "import os, signal, sys\nplace = '../checkpoints/epoch'\n"
        "def save(*_):\n    open(place, 'w').write('7'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, save)\nprint('on', flush=True)\nwhile True: signal.pause()"
    )
    bench.start(saves, checkpoints=True)
    bench.until_printed("on")
    bench.jobs.stop(NAME)
    assert failure(bench.jobs.wait(NAME, PATIENCE)) is JobFailure.STOPPED
    bench.train(
        SAVE + "print('went on after', open('../checkpoints/epoch').read())", name="r1-train-2", checkpoints=True
    )
    assert "went on after 7" in bench.log("r1-train-2")


FORKS = """
import os, signal, subprocess, sys
lasting = "import signal; [signal.signal(n, signal.SIG_IGN) for n in (1, 2, 15)]; print(1, flush=True); signal.pause()"
child = subprocess.Popen([sys.executable, "-c", lasting], stdout=subprocess.PIPE)
daemon = subprocess.Popen([sys.executable, "-c", lasting], stdout=subprocess.PIPE, start_new_session=True)
child.stdout.readline(), daemon.stdout.readline()
print('all born', flush=True)
"""


@pytest.mark.parametrize("end", ["", "signal.pause()"])
def test_no_child_outlives_its_script(bench: Bench, end: str) -> None:
    bench.start(SAVE + FORKS + end, grace=timedelta(seconds=0.2))
    if end:
        bench.until_printed("all born")
        bench.jobs.stop(NAME)
    status = bench.jobs.wait(NAME, PATIENCE)
    assert status.state is (JobState.FAILED if end else JobState.SUCCEEDED)
    assert bench.survivors() == []


def test_secrets_are_cut_out_of_log_message_and_disk(bench: Bench) -> None:
    """Secrets appear in no log, event, page or artifact."""
    script = (
        "import os, sys\nkey = os.environ['API_KEY']\n"
        "os.write(1, b'x' * 65530 + key[:5].encode()); os.write(1, key[5:].encode() + b'\\n')\n"
        "for character in key: os.write(2, character.encode())\n"
        "open(os.environ['SM_OUTPUT_DIR'] + '/failure', 'w').write('refused: ' + key)\n"
        "sys.exit('bad key ' + key)"
    )
    secret = "hunter2-very-" + "secret"
    status = bench.train(script, environment={"API_KEY": secret}, secrets=frozenset({"API_KEY"}))
    assert "bad key ***" in message(status)
    assert "refused: ***" in message(status)
    assert secret not in bench.log() + message(status)
    ours = [path for path in bench.job().iterdir() if path.is_file()]
    assert not [path.name for path in ours if secret.encode() in path.read_bytes()]


def test_nothing_of_the_callers_environment_leaks_in(tmp_path: Path) -> None:
    jobs = LocalJobs(tmp_path, surroundings={"PATH": os.defpath, "AWS_SECRET_ACCESS_KEY": "leak", "LANG": "C"})
    bench = Bench(tmp_path)
    jobs.start(bench.spec(SAVE + "print(sorted(os.environ))"))
    assert jobs.wait(NAME, PATIENCE).state is JobState.SUCCEEDED
    log = b"".join(jobs.log(NAME))
    assert b"'LANG'" in log
    assert b"AWS_SECRET" not in log


def test_a_script_that_spoils_its_inputs_and_code_spoils_only_its_copies(bench: Bench, tmp_path: Path) -> None:
    data = tmp_path / "data" / "deep"
    data.mkdir(parents=True)
    (data / "a.csv").write_text("1,2\n")
    (data / "a.csv").chmod(0o444)
    script = SAVE + (
        "import shutil\nplace = os.environ['SM_CHANNEL_TRAIN']\n"
        "open(place + '/deep/a.csv', 'a').write('spoilt')\nshutil.rmtree(place)\n"
        "open('train.py', 'w').write('spoilt'); open('new.py', 'w').close()"
    )
    assert bench.train(script, channels={"train": str(tmp_path / "data")}).state is JobState.SUCCEEDED
    assert (data / "a.csv").read_text() == "1,2\n"
    assert sorted(path.name for path in (tmp_path / f"code-{NAME}").iterdir()) == ["train.py"]
    assert "spoilt" in (bench.job() / "ml" / "code" / "train.py").read_text()


def test_home_and_temporary_files_lie_in_the_jobs_own_folder(bench: Bench) -> None:
    bench.train(SAVE + "import tempfile; print(os.path.expanduser('~')); print(tempfile.mkdtemp()); print(os.getcwd())")
    places = bench.log().split()
    assert [Path(place).relative_to(bench.job()).parts[0] for place in places] == ["home", "tmp", "ml"]


def test_a_script_that_deletes_its_whole_folder_has_no_model(bench: Bench) -> None:
    status = bench.train(SAVE + "import shutil; shutil.rmtree(os.environ['SAGEMAKER_BASE_DIR'])")
    assert failure(status) is JobFailure.NO_MODEL


def test_a_script_that_floods_within_its_limit_loses_nothing(bench: Bench) -> None:
    bench.train(SAVE + "[print(number) for number in range(20000)]")
    assert [line for line in bench.log().split() if line.isdigit()] == [str(number) for number in range(20000)]


def test_a_flood_of_output_is_bounded_and_says_how_much_was_cut(bench: Bench) -> None:
    script = SAVE + (
        "print('the very first line')\nline = b'x' * 65535 + b'\\n'\n"
        "for _ in range(3000): os.write(1, line)\nprint('the very last line')"
    )
    assert bench.train(script).state is JobState.SUCCEEDED
    log = bench.log()
    assert len(log) < 250_000
    assert log.startswith("the very first line")
    assert log.endswith("the very last line\n")
    assert "bytes were cut here" in log


def test_the_log_can_be_followed_from_any_byte(bench: Bench) -> None:
    bench.train(SAVE + "print('hello world')")
    assert b"".join(bench.jobs.log(NAME, 6)) == b"world\n"


STARTER = """
import sys
from pathlib import Path
from typing import Any
from datetime import timedelta
from everfit.adapters.local.jobs import LocalJobs
from everfit.domain.job import JobKind, JobSpec
home, code = sys.argv[1:3]
jobs = LocalJobs(Path(home))
jobs.start(JobSpec(name="r1-train-1", kind=JobKind.TRAIN, run="r1", program="train.py", code=code))
print("started", flush=True)
jobs.wait("r1-train-1", timedelta(seconds=60))
"""


def starter(spec: JobSpec, home: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen([sys.executable, "-c", STARTER, str(home), str(spec.code)], stdout=subprocess.PIPE)


def counting(folder: Path) -> str:
    return SAVE + f"open({str(folder / 'starts')!r}, 'a').write('started;')\n"


def test_a_training_outlives_the_killed_command_and_is_found_again(bench: Bench, tmp_path: Path) -> None:
    script = counting(tmp_path) + f"print('on', flush=True)\nopen({str(tmp_path / 'go')!r}).read()"
    os.mkfifo(tmp_path / "go")
    spec = bench.spec(script)
    bench.started.append(NAME)
    with starter(spec, bench.home) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == b"started\n"
        command.kill()
    second = LocalJobs(bench.home)
    second.start(spec)
    assert second.observe(NAME).state is JobState.RUNNING
    (tmp_path / "go").write_text("go")
    assert second.wait(NAME, PATIENCE).state is JobState.SUCCEEDED
    second.start(spec)
    assert (tmp_path / "starts").read_text() == "started;"


def test_two_commands_at_once_start_one_training(bench: Bench, tmp_path: Path) -> None:
    spec = bench.spec(counting(tmp_path))
    bench.started.append(NAME)
    with starter(spec, bench.home) as one, starter(spec, bench.home) as other:
        assert one.wait(30) == other.wait(30) == 0
    assert bench.jobs.observe(NAME).state is JobState.SUCCEEDED
    assert (tmp_path / "starts").read_text() == "started;"


def test_a_start_that_was_cut_short_is_done_by_the_next(bench: Bench, tmp_path: Path) -> None:
    spec = bench.spec(counting(tmp_path))
    bench.job().mkdir(parents=True)
    (bench.job() / "lock").touch()
    (bench.job() / "spec.json").write_text('{"half": ')
    assert bench.jobs.observe(NAME).state is JobState.UNKNOWN
    bench.jobs.start(spec)
    assert bench.jobs.wait(NAME, PATIENCE).state is JobState.SUCCEEDED
    assert (tmp_path / "starts").read_text() == "started;"


def test_a_job_whose_supervisor_was_killed_is_lost_and_nothing_of_it_runs_on(bench: Bench) -> None:
    bench.start(SAVE + FORKS + "signal.pause()")
    bench.until_printed("all born")
    pid = int((bench.job() / "supervisor.json").read_text().split('"pid":')[1].split(",")[0])
    os.kill(pid, signal.SIGKILL)
    status = bench.jobs.wait(NAME, PATIENCE)
    assert failure(status) is JobFailure.LOST
    assert "all born" in message(status)
    assert bench.survivors() == []
    bench.jobs.start(bench.spec(SAVE))
    assert bench.jobs.observe(NAME).failure is JobFailure.LOST


SCRIPT_MODE = """
import argparse, json, os, pickle

if __name__ == '__main__':
    parser = argparse.ArgumentParser()
    # Hyperparameters are sent by the client as command-line arguments.
    parser.add_argument('--n-estimators', type=int, default=10)
    parser.add_argument('--min-samples-leaf', type=int, default=3)
    parser.add_argument('--features', type=str)
    # Data, model, and output directories.
    parser.add_argument('--output-data-dir', type=str, default=os.environ.get('SM_OUTPUT_DATA_DIR'))
    parser.add_argument('--model-dir', type=str, default=os.environ.get('SM_MODEL_DIR', '/opt/ml/model'))
    parser.add_argument('--train', type=str, default=os.environ.get('SM_CHANNEL_TRAIN', '/opt/ml/input/data/train'))
    parser.add_argument('--validation', default=os.environ.get('SM_CHANNEL_VALIDATION'))
    args, _ = parser.parse_known_args()
    files = [os.path.join(args.train, name) for name in os.listdir(args.train)]
    if len(files) == 0:
        raise ValueError('There are no files in {}.'.format(args.train))
    rows = [line.split(',') for name in files for line in open(name)]
    checked = [line for name in os.listdir(args.validation) for line in open(os.path.join(args.validation, name))]
    print('validation-rows: {};'.format(len(checked)))
    with open(os.path.join(args.model_dir, 'model.pkl'), 'wb') as handle:
        pickle.dump({'rows': len(rows), 'trees': args.n_estimators, 'features': args.features}, handle)
    config = os.path.join(os.environ['SM_INPUT_CONFIG_DIR'], 'hyperparameters.json')
    assert json.loads(json.load(open(config))['n-estimators']) == args.n_estimators
    assert json.loads(os.environ['SM_TRAINING_ENV'])['channel_input_dirs']['train'] == args.train
"""


def test_a_script_written_for_sagemaker_script_mode_runs_unchanged(bench: Bench, tmp_path: Path) -> None:
    for channel, rows in {"train": "1,2\n3,4\n", "validation": "5,6\n"}.items():
        (tmp_path / channel).mkdir()
        (tmp_path / channel / "part-0.csv").write_text(rows)
    status = bench.train(
        SCRIPT_MODE,
        channels={channel: str(tmp_path / channel) for channel in ("train", "validation")},
        hyperparameters=MappingProxyType({"n-estimators": 7, "features": "a b", "learning_rate": 0.1}),
        metric_definitions={"validation rows": r"validation-rows: (\d+);"},
    )
    assert status.state is JobState.SUCCEEDED, status.message
    assert status.claims == {"validation rows": 1.0}
    model = pickle.loads((Path(status.output or "") / "model" / "model.pkl").read_bytes())  # noqa: S301
    assert model == {"rows": 2, "trees": 7, "features": "a b"}


def test_a_shell_script_may_train(bench: Bench) -> None:
    spec = bench.spec("")
    (Path(spec.code or "") / "train.sh").write_text('echo "given: $*"; echo fit > "$SM_MODEL_DIR/model.txt"\n')
    bench.jobs.start(dataclasses.replace(spec, program="train.sh", hyperparameters={"epochs": 2}))
    assert bench.jobs.wait(NAME, PATIENCE).state is JobState.SUCCEEDED
    assert bench.log() == "given: --epochs 2\n"


def test_everfits_own_programs_find_their_parameters_and_need_no_model(bench: Bench) -> None:
    spec = JobSpec(name="r1-prepare", kind=JobKind.PREPARE, run="r1", program="this", parameters={"rows": 3})
    bench.jobs.start(spec)
    bench.started.append("r1-prepare")
    assert bench.jobs.wait("r1-prepare", PATIENCE).state is JobState.SUCCEEDED
    assert json.loads((bench.job("r1-prepare") / "ml/input/config/parameters.json").read_bytes()) == {"rows": 3}


def test_a_search_without_end_for_a_metric_does_not_hold_the_timeout_up(bench: Bench) -> None:
    status = bench.train(
        "print('a' * 200, flush=True)\nwhile True: pass",
        timeout=timedelta(seconds=0.5),
        metric_definitions={"loss": "(a+)+b", "letters": "a{100}()"},
    )
    assert failure(status) is JobFailure.TIMED_OUT
    assert "the metric loss takes too long" in bench.log()


@pytest.mark.parametrize("obstacle", ["of the folder", "of the supervisor"])
def test_a_start_that_cannot_be_made_is_an_error_and_can_be_tried_again(bench: Bench, obstacle: str) -> None:
    spec = bench.spec(SAVE)
    (bench.home / "runs").mkdir(parents=True)
    blocked = bench.home / "runs" / "r1"
    if obstacle == "of the folder":
        blocked.write_text("a file where a folder must be")
    else:
        (bench.job() / "log").mkdir(parents=True)
    with pytest.raises(BackendError, match="r1-train-1"):
        bench.jobs.start(spec)
    assert bench.jobs.observe(NAME).state is JobState.UNKNOWN
    blocked.unlink() if obstacle == "of the folder" else (bench.job() / "log").rmdir()
    bench.jobs.start(spec)
    assert bench.jobs.wait(NAME, PATIENCE).state is JobState.SUCCEEDED


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_full_disk_at_the_start_is_told_and_the_job_can_be_started_later(bench: Bench) -> None:
    bench.job().mkdir(parents=True)
    (bench.job() / "spec.json.partial").symlink_to("/dev/full")
    with pytest.raises(BackendError, match="No space left on device"):
        bench.jobs.start(bench.spec(SAVE))
    (bench.job() / "spec.json.partial").unlink()
    assert bench.train(SAVE).state is JobState.SUCCEEDED


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_log_that_finds_no_room_does_not_end_the_training(bench: Bench) -> None:
    bench.job().mkdir(parents=True)
    (bench.job() / "log").symlink_to("/dev/full")
    status = bench.train(SAVE + "print('loss=1')", metric_definitions={"loss": "loss=(.+)"})
    assert status.state is JobState.SUCCEEDED
    assert status.claims == {"loss": 1.0}


def test_copying_the_data_counts_for_the_timeout(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number in range(200):
        (tmp_path / "data" / str(number)).touch()
    status = bench.train(SAVE, channels={"train": str(tmp_path / "data")}, timeout=timedelta(microseconds=1))
    assert failure(status) is JobFailure.TIMED_OUT
    assert not (bench.job() / "begun.json").exists()


def test_a_program_that_cannot_be_started_says_why(bench: Bench) -> None:
    status = bench.train(SAVE, environment={"BROKEN": "a\0b"})
    assert failure(status) is JobFailure.EXIT
    assert "could not be started" in message(status)


def test_an_unknown_job_is_unknown(bench: Bench) -> None:
    assert bench.jobs.observe("r1-nothing").state is JobState.UNKNOWN
    bench.jobs.stop("r1-nothing")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"program": "absent.py"}, "absent.py is not in the code"),
        ({"program": "train.r"}, r"\.py or \.sh"),
        ({"name": "../escape"}, "cannot name a job"),
        ({"channels": {"train": "/nowhere"}}, "/nowhere does not exist"),
        ({"metric_definitions": {"loss": "("}}, "no regular expression"),
    ],
)
def test_what_cannot_run_is_refused_before_it_starts(bench: Bench, change: Mapping[str, object], words: str) -> None:
    spec = dataclasses.replace(bench.spec(SAVE), **change)  # type: ignore[arg-type]
    with pytest.raises(RequestError, match=words):
        bench.jobs.start(spec)
