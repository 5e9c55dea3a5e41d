from hypothesis import given
from hypothesis import strategies as st

from everfit.serving.capture_retention import Stored, too_old_or_too_much, trusted_now

FILES = st.lists(
    st.builds(Stored, name=st.uuids().map(str), size=st.integers(0, 100), written=st.integers(0, 1000).map(float)),
    max_size=12,
    unique_by=lambda file: file.name,
)


def stored(**written: float) -> list[Stored]:
    return [Stored(name=name, size=10, written=moment) for name, moment in written.items()]


def test_what_is_older_than_it_may_be_goes() -> None:
    assert too_old_or_too_much(stored(old=50, new=150), now=200, keep=100, most=1000) == ["old"]


def test_of_what_is_too_much_the_oldest_goes() -> None:
    assert too_old_or_too_much(stored(first=1, third=3, second=2), now=4, keep=100, most=20) == ["first"]


def test_a_file_from_the_future_is_not_old() -> None:
    assert too_old_or_too_much(stored(future=900), now=200, keep=100, most=1000) == []


@given(FILES, st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 500))
def test_what_stays_is_newer_than_what_goes_and_fits(files: list[Stored], now: int, keep: int, most: int) -> None:
    gone = set(too_old_or_too_much(files, now, keep, most))
    stay = [file for file in files if file.name not in gone]
    assert sum(file.size for file in stay) <= most
    assert all(now - file.written <= keep for file in stay)
    newest_gone = max((file.written for file in files if file.name in gone), default=-1.0)
    assert all(file.written >= newest_gone for file in stay)


def test_a_clock_that_is_set_makes_nothing_old() -> None:
    """A host's clock may jump; what was kept a minute ago is a minute old."""
    files = stored(kept=1000)
    for jump in (-(10**8), 0, 10**8):
        now = trusted_now(1060 + jump, began=1000, elapsed=60)
        assert too_old_or_too_much(files, now, keep=100, most=1000) == []
    assert too_old_or_too_much(files, trusted_now(1200, began=1000, elapsed=200), keep=100, most=1000) == ["kept"]
