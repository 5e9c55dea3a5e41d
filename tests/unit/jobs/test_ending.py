"""Each way to fail is told apart, and told in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from everfit.domain.job import JobFailure
from everfit.jobs.supervision.ending import Facts, failure_of, message_of


def facts(code: int | None, **more: object) -> Facts:
    made = Facts("train.py", code)
    for name, value in more.items():
        setattr(made, name, value)
    return made


@pytest.mark.parametrize(
    ("given_facts", "failure"),
    [
        (facts(0), None),
        (facts(0, needs_model=True), "no model"),
        (facts(3), "exit"),
        (facts(-11), "killed"),
        (facts(-9), "killed"),
        (facts(-9, oom_kills=1), "out of memory"),
        (facts(137, oom_kills=1), "out of memory"),
        (facts(1, lines=["numpy._core._exceptions._ArrayMemoryError: Unable to allocate"]), "out of memory"),
        (facts(1, lines=["torch.OutOfMemoryError: CUDA"]), "out of memory"),
        (facts(1, lines=["MemoryErrors were 0.3"]), "exit"),
        (facts(1, lines=["OSError: [Errno 28] No space left on device"]), "disk full"),
        (facts(1, free=0), "disk full"),
        (facts(0, lines=["MemoryError"]), None),
        (facts(1, stage="requirements"), "requirements"),
        (facts(0, wish="stopped"), "stopped"),
        (facts(-15, wish="timed out"), "timed out"),
        (facts(None), "exit"),
    ],
)
def test_failures_are_told_apart(given_facts: Facts, failure: str | None) -> None:
    assert failure_of(given_facts) == failure


@given(some.integers(-64, 255), some.booleans(), some.integers(0, 2), some.sampled_from([None, "stopped", "timed out"]))
def test_every_failure_is_one_of_the_known_and_has_a_sentence(
    code: int, needs_model: bool, oom_kills: int, wish: str | None
) -> None:
    made = facts(code, needs_model=needs_model, oom_kills=oom_kills, wish=wish)
    failure = failure_of(made)
    assert (failure is None) == (code == 0 and not needs_model and wish is None)
    if failure is not None:
        assert failure in {each.value for each in JobFailure}
        assert message_of(made, failure).startswith("train.py ")
