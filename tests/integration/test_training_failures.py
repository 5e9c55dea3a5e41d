"""Training scripts that fail, each in its own way, as real processes."""

from datetime import timedelta
from pathlib import Path

import pytest

from everfit.domain.job import JobFailure, JobState
from tests.training_bench import FORKS, NAME, PATIENCE, SAVE, Bench, bench, failure, message

__all__ = ["bench"]


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


@pytest.mark.parametrize("end", ["", "signal.pause()"])
def test_no_child_outlives_its_script(bench: Bench, end: str) -> None:
    bench.start(SAVE + FORKS + end, grace=timedelta(seconds=0.2))
    if end:
        bench.until_printed("all born")
        bench.jobs.stop(NAME)
    status = bench.jobs.wait(NAME, PATIENCE)
    assert status.state is (JobState.FAILED if end else JobState.SUCCEEDED)
    assert bench.survivors() == []


def test_a_script_that_deletes_its_whole_folder_has_no_model(bench: Bench) -> None:
    status = bench.train(SAVE + "import shutil; shutil.rmtree(os.environ['SAGEMAKER_BASE_DIR'])")
    assert failure(status) is JobFailure.NO_MODEL


def test_a_search_without_end_for_a_metric_does_not_hold_the_timeout_up(bench: Bench) -> None:
    status = bench.train(
        "print('a' * 200, flush=True)\nwhile True: pass",
        timeout=timedelta(seconds=0.5),
        metric_definitions={"loss": "(a+)+b", "letters": "a{100}()"},
    )
    assert failure(status) is JobFailure.TIMED_OUT
    assert "the metric loss takes too long" in bench.log()


def test_copying_the_data_counts_for_the_timeout(bench: Bench, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    for number in range(200):
        (tmp_path / "data" / str(number)).touch()
    status = bench.train(SAVE, channels={"train": str(tmp_path / "data")}, timeout=timedelta(microseconds=1))
    assert failure(status) is JobFailure.TIMED_OUT
    assert not (bench.job() / "begun.json").exists()
