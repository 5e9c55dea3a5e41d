"""A part of the service goes on after whatever happens to it, and says so."""

from collections.abc import Callable, Iterator
from threading import Event

import pytest

from everfit.domain.errors import EverfitError, StateError
from everfit.interfaces.service.health import HealthBook
from everfit.interfaces.service.part import Part, pause_after

LONG = 30.0


class Turns:
    """Does what the test has set, turn by turn, then waits until it is woken."""

    def __init__(self, *turns: Callable[[], float | None]) -> None:
        self._turns: Iterator[Callable[[], float | None]] = iter(turns)
        self.is_over = Event()

    def __call__(self) -> float | None:
        turn = next(self._turns, None)
        if turn is None:
            self.is_over.set()
            return None
        return turn()


def failing(error: Exception) -> Callable[[], float | None]:
    def turn() -> float | None:
        raise error

    return turn


class Told:
    def __init__(self) -> None:
        self.words: list[tuple[str, str | None]] = []
        self.heard = Event()

    def __call__(self, part: str, words: str | None) -> None:
        self.words.append((part, words))
        self.heard.set()


@pytest.mark.parametrize("error", [StateError("The disk is full."), ValueError("a bug")])
def test_a_failed_turn_is_told_and_the_part_goes_on(error: Exception) -> None:
    health, told, turns = HealthBook(), Told(), Turns(failing(error), lambda: 0)
    part = Part("dispatcher", turns, health, told)
    part.start()
    assert told.heard.wait(LONG)
    assert not health.now().is_ready
    part.wake()
    assert turns.is_over.wait(LONG)
    part.stop()
    assert part.has_ended(LONG)
    assert health.now().is_ready
    assert [words is None for _, words in told.words] == [False, True]
    if isinstance(error, EverfitError):
        assert told.words[0] == ("dispatcher", "The disk is full.")


def test_the_same_trouble_is_told_once() -> None:
    told, turns = Told(), Turns(failing(StateError("full")), failing(StateError("full")), lambda: 0)
    part = Part("dispatcher", turns, HealthBook(), told)
    part.start()
    while not turns.is_over.wait(0.01):
        part.wake()
    part.stop()
    assert part.has_ended(LONG)
    assert told.words == [("dispatcher", "full"), ("dispatcher", None)]


def test_a_part_rests_longer_after_each_failure_but_never_for_ever() -> None:
    pauses = [pause_after(failures) for failures in range(1, 2000)]
    assert pauses[:4] == [1.0, 2.0, 4.0, 8.0]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 30.0


def test_a_service_that_drains_is_not_ready() -> None:
    health = HealthBook()
    health.drain()
    assert not health.now().is_ready
