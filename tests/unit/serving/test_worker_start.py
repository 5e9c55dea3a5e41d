"""What a worker is started with, and how busy the machine is seen to be."""

import os

import pytest

from everfit.serving import life
from everfit.serving.idle_cores import IdleCores
from everfit.serving.watched_process import computed, held_memory
from everfit.serving.worker_start import is_worker, surroundings


def test_a_process_has_one_thread_for_numbers_unless_the_user_wants_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert surroundings()["OMP_NUM_THREADS"] == "1"
    monkeypatch.setenv("OMP_NUM_THREADS", "4")
    assert surroundings()["OMP_NUM_THREADS"] == "4"


def test_a_model_learns_nothing_of_the_pipe_that_it_lives_by(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(life.VARIABLE, "3,4")
    assert life.VARIABLE not in surroundings()


def test_what_hands_the_pipe_on_names_both_ends() -> None:
    line = life.opened()
    reading, writing = life.handed_on(line)
    os.write(writing, b"x")
    assert os.read(reading, 1) == b"x"
    os.close(writing)
    assert os.read(reading, 1) == b""
    os.close(reading)


def test_no_more_cores_are_idle_than_there_are() -> None:
    cores = IdleCores()
    assert 0.0 <= cores.since(1e-6) <= (os.cpu_count() or 1)
    assert cores.since(0.0) == 0.0


def test_a_process_that_is_gone_holds_nothing_and_computes_nothing() -> None:
    assert held_memory([os.getpid(), 2**22 + 1]).keys() == {os.getpid()}
    assert held_memory([os.getpid()])[os.getpid()] > 1_000_000
    assert computed([2**22 + 1]) == 0.0
    assert (computed([os.getpid()]) or 0.0) > 0.0


def test_this_process_is_no_worker() -> None:
    assert not is_worker(os.getpid())
    assert not is_worker(2**22 + 1)
