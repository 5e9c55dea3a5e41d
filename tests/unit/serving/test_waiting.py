"""Which requests go together, and that none is lost, doubled or overtaken."""

from hypothesis import given
from hypothesis import strategies as st

from everfit.serving.frames import Reply, Request
from everfit.serving.waiting import MOST_BYTES, Call, Waiting


def call(kind: str = "text/csv", body: bytes = b"1", until: float = 10.0, accept: str = "*/*") -> Call:
    def done(_reply: Reply) -> None:
        raise AssertionError("Nobody answers here.")

    return Call(Request(body=body, content_type=kind, accept=accept), done, since=0.0, until=until)


def test_the_oldest_takes_its_likes_along_in_their_order() -> None:
    waiting = Waiting()
    calls = [call("a"), call("b"), call("a"), call("b"), call("a", accept="x")]
    for each in calls:
        waiting.add(each)
    assert waiting.take(10) == [calls[0], calls[2]]
    assert waiting.take(10) == [calls[1], calls[3]]
    assert waiting.take(10) == [calls[4]]
    assert waiting.take(10) == []


def test_large_bodies_do_not_share_a_frame_and_one_alone_may_be_larger() -> None:
    waiting = Waiting()
    large = [call(body=b"x" * (MOST_BYTES + 1)), call(body=b"x" * MOST_BYTES), call(body=b"x")]
    for each in large:
        waiting.add(each)
    assert [waiting.take(10) for _ in range(3)] == [[each] for each in large]


def test_one_that_lost_its_process_is_taken_alone_and_first() -> None:
    waiting = Waiting()
    lost, other, fresh = call(), call(), call()
    waiting.add(lost)
    waiting.add(other)
    assert waiting.take(10) == [lost, other]
    waiting.add(fresh)
    waiting.add_again([lost, other])
    assert [waiting.take(10) for _ in range(4)] == [[lost], [other], [fresh], []]


def test_what_has_waited_too_long_is_taken_out() -> None:
    waiting = Waiting()
    early, again, later = call(until=1.0), call(until=1.0), call(until=2.0)
    waiting.add(again)
    waiting.take(1)
    waiting.add(early)
    waiting.add(later)
    waiting.add_again([again])
    assert waiting.take_late(1.0) == [again, early]
    assert len(waiting) == 1
    assert waiting.take_all() == [later]
    assert waiting.oldest_since() is None


Step = tuple[str, int]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.integers(0, 3)),
        st.tuples(st.just("take"), st.integers(1, 5)),
        st.tuples(st.just("again"), st.integers(0, 5)),
    ),
    max_size=60,
)


@given(steps=STEPS)
def test_every_call_is_taken_once_for_each_time_that_it_was_added_and_never_after_a_younger_like(
    steps: list[Step],
) -> None:
    waiting = Waiting()
    names: dict[int, int] = {}
    taken: list[Call] = []
    fresh: list[Call] = []
    inside = 0
    for step, number in steps:
        if step == "add":
            new = call(str(number))
            names[id(new)] = len(names)
            fresh.append(new)
            waiting.add(new)
            inside += 1
        elif step == "again":
            again = taken[-number:] if number else []
            del taken[len(taken) - len(again) :]
            for each in again:
                each.lost += 1
            waiting.add_again(again)
            inside += len(again)
        else:
            batch = waiting.take(number)
            assert len(batch) <= number
            assert len({each.request.content_type for each in batch}) <= 1
            assert len(batch) == 1 or not any(each.lost for each in batch)
            taken += batch
            inside -= len(batch)
        assert len(waiting) == inside
    taken += waiting.take_all()
    assert sorted(names[id(each)] for each in taken) == list(range(len(fresh)))
    for kind in {each.request.content_type for each in taken}:
        order = [names[id(each)] for each in taken if each.request.content_type == kind and not each.lost]
        assert order == sorted(order)
