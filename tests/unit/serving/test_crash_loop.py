"""When crashes are a loop, and how long the next process waits."""

from everfit.serving.crash_loop import CRASH_LOOP, LONGEST_PAUSE, REMEMBERED, Crashes


def crashed(*asked: list[bytes], apart: float = 1.0) -> Crashes:
    crashes = Crashes()
    for number, bodies in enumerate(asked):
        crashes.happened(1000.0 + number * apart, bodies)
    return crashes


def test_crashes_at_whatever_is_asked_are_a_loop() -> None:
    assert not crashed([b"1"], [b"2"]).is_loop
    assert crashed([b"1"], [b"2"], [b"3"]).is_loop
    assert crashed([], [], []).is_loop


def test_one_request_that_is_sent_again_and_again_is_no_loop() -> None:
    assert not crashed(*[[b"bad"]] * 20).is_loop
    assert not crashed([b"bad", b"good"], *[[b"bad"]] * 20).is_loop


def test_as_long_as_nobody_knows_which_of_several_requests_it_was_there_is_no_loop() -> None:
    assert not crashed(*[[b"1", b"2"]] * 20).is_loop


def test_an_answer_between_ends_a_loop() -> None:
    crashes = crashed([], [], [])
    crashes.answered()
    assert not crashes.is_loop
    assert crashes.pause == 0.0


def test_crashes_that_are_far_apart_are_no_loop() -> None:
    assert not crashed(*[[]] * 10, apart=REMEMBERED + 1).is_loop


def test_the_first_crash_is_mended_at_once_and_a_loop_more_and_more_slowly() -> None:
    pauses = [crashed(*[[]] * number).pause for number in range(1, 30)]
    assert pauses[0] == 0.0
    assert pauses == sorted(pauses)
    assert pauses[CRASH_LOOP] > 0.0
    assert pauses[-1] == LONGEST_PAUSE
