"""What a training script is given, and what becomes of what it gives back."""

import dataclasses
import json
import os
import pickle
import sys
from pathlib import Path
from types import MappingProxyType

import pytest

from everfit.adapters.local.jobs import LocalJobs
from everfit.domain.job import JobKind, JobSpec, JobState
from tests.training_bench import NAME, PATIENCE, SAVE, Bench, bench, message

__all__ = ["bench"]


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


def test_a_script_that_floods_within_its_limit_loses_nothing(bench: Bench) -> None:
    bench.train(SAVE + "[print(number) for number in range(20000)]")
    assert [line for line in bench.log().split() if line.isdigit()] == [str(number) for number in range(20000)]


def test_a_flood_of_output_is_bounded_and_says_how_much_was_cut(bench: Bench) -> None:
    script = SAVE + (
        "print('the very first line')\nline = b'x' * 65535 + b'\\n'\n"
        "for _ in range(1000): os.write(1, line)\nprint('the very last line')"
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


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no device that is always full")
def test_a_log_that_finds_no_room_does_not_end_the_training(bench: Bench) -> None:
    bench.job().mkdir(parents=True)
    (bench.job() / "log").symlink_to("/dev/full")
    status = bench.train(SAVE + "print('loss=1')", metric_definitions={"loss": "loss=(.+)"})
    assert status.state is JobState.SUCCEEDED
    assert status.claims == {"loss": 1.0}
