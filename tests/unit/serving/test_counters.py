"""What is counted of live traffic, and what of it is recent."""

import json
from math import isclose

from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.live import RECENT, Tally, bucket_of
from everfit.serving.counters import LAST_BUCKET, Counter, live_numbers, tally_document, tally_from
from everfit.serving.frames import Trouble

TROUBLES = st.sampled_from([None, *Trouble])
SECONDS = st.floats(0, 1e9)


@given(st.lists(st.tuples(TROUBLES, SECONDS), max_size=50))
def test_every_answer_is_counted_once_in_the_bucket_of_its_latency(answers: list[tuple[Trouble | None, float]]) -> None:
    counter = Counter(0.0)
    for trouble, seconds in answers:
        counter.count(trouble, seconds)
    total = counter.total()
    troubles = [trouble for trouble, _ in answers if trouble is not None]
    assert total.requests == len(answers) == sum(total.latency.values())
    assert total.refused == troubles.count(Trouble.REFUSED)
    assert total.errors == len(troubles) - total.refused
    buckets = [min(bucket_of(seconds), LAST_BUCKET) for _, seconds in answers]
    assert dict(total.latency) == {bucket: buckets.count(bucket) for bucket in set(buckets)}


def test_what_is_recent_ends_with_the_last_minutes() -> None:
    counter, minutes = Counter(0.0), RECENT.total_seconds()
    counter.count(Trouble.MODEL, 0.01)
    for second in range(int(minutes)):
        counter.look(float(second))
    assert counter.recent().errors == 1
    counter.count(None, 0.01)
    for second in range(int(minutes), int(minutes) + 30):
        counter.look(float(second))
    assert counter.recent() == Tally(requests=1, latency={bucket_of(0.01): 1})
    assert counter.total().errors == 1


def test_what_is_recent_takes_no_more_memory_with_time() -> None:
    counter = Counter(0.0)
    for second in range(10_000):
        counter.look(float(second))
    assert len(counter._looks) <= RECENT.total_seconds() / 10 + 1


def test_the_rate_is_that_of_the_last_ten_seconds() -> None:
    counter = Counter(0.0)
    assert counter.rate == 0.0
    for second in range(1, 30):
        for _ in range(second):
            counter.count(None, 0.001)
        counter.look(float(second))
    assert isclose(counter.rate, sum(range(20, 30)) / 10)


@given(st.lists(st.tuples(TROUBLES, SECONDS), max_size=20), st.integers(0, 5))
def test_a_tally_crosses_to_the_control_plane_as_it_is(
    answers: list[tuple[Trouble | None, float]], compared: int
) -> None:
    counter = Counter(0.0)
    for trouble, seconds in answers:
        counter.count(trouble, seconds)
    for number in range(compared):
        counter.count_comparison(agrees=number % 2 == 0)
    assert tally_from(json.loads(json.dumps(tally_document(counter.total())))) == counter.total()
    assert json.loads(json.dumps(live_numbers(counter)))["totals"]["disagreed"] == compared // 2
