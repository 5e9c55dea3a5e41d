"""What is handed to the workers, and what is not."""

from dataclasses import replace
from datetime import timedelta

from everfit.domain.run import Run
from everfit.interfaces.service.work import Work
from tests.stored import a_run


class Seconds:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def offered(*runs: Run) -> tuple[Work, Seconds, list[int]]:
    seconds, woken = Seconds(), list[int]()
    work = Work(lambda: woken.append(1), seconds)
    work.offer(runs)
    return work, seconds, woken


def test_the_oldest_run_is_taken_first_and_idle_workers_are_woken() -> None:
    work, _, woken = offered(a_run("run-1", "a"), a_run("run-2", "b"))
    first, second = work.take(), work.take()
    assert (first and first.id, second and second.id, len(woken)) == ("run-1", "run-2", 1)
    assert work.take() is None


def test_one_run_at_a_time_is_in_hand_for_a_model_and_environment() -> None:
    work, _, _ = offered(a_run("run-1"), a_run("run-2"), a_run("run-3", environment="staging"))
    assert [run.id for run in (work.take(), work.take()) if run] == ["run-1", "run-3"]
    assert work.take() is None
    assert work.in_hand == {("churn", "production"), ("churn", "staging")}


def test_a_run_that_was_offered_again_while_it_was_in_hand_is_not_taken_twice() -> None:
    work, _, _ = offered(a_run())
    run = work.take()
    assert run is not None
    work.offer([replace(run, fence=1)])
    work.give_back(run, again=False)
    assert work.take() is None


def test_a_run_that_cannot_go_on_is_put_off_longer_each_time_and_holds_up_no_other() -> None:
    work, seconds, _ = offered(a_run("run-1", "a"), a_run("run-2", "b"))
    pauses: list[float] = []
    for _ in range(10):
        run = work.take()
        assert run is not None
        assert run.id == "run-1"
        began = seconds.now
        work.give_back(run, again=True)
        work.offer([run, a_run("run-2", "b")])
        other = work.take()
        assert other is not None
        assert other.id == "run-2"
        work.give_back(other, again=False)
        while not work.is_due():
            seconds.now += 0.5
        pauses.append(seconds.now - began)
        work.offer([run])
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30.0


def test_what_is_known_of_a_run_is_forgotten_with_it() -> None:
    work, seconds, _ = offered(a_run())
    run = work.take()
    assert run is not None
    work.give_back(run, again=True)
    work.offer([])
    seconds.now += 1000
    assert not work.is_due()


def test_a_run_that_gathers_evidence_is_looked_at_again_at_its_own_pace() -> None:
    work, seconds, _ = offered(a_run())
    for _ in range(5):
        run = work.take()
        assert run is not None
        work.give_back(run, again=True, after=timedelta(seconds=2))
        work.offer([run])
        assert (work.take(), work.is_due()) == (None, False)
        seconds.now += 2
        assert work.is_due()
