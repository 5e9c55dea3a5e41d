"""Who sees which row."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.holdout import PLACES, CutoffChoice, Side, bounds, choose_cutoff, place, row_text

shares = st.floats(0.01, 0.9)
texts = st.dictionaries(st.text(max_size=4), st.none() | st.text(max_size=8), min_size=1)


def test_the_place_of_a_row_is_fixed_for_ever() -> None:
    """A row never changes sides between snapshots."""
    assert place("abc") == 8250560606382298838
    assert place("") == 9098107892288553193


@given(texts, shares, shares)
def test_the_same_row_is_on_the_same_side_whatever_the_order_of_its_columns(
    row: dict[str, str | None], holdout: float, validation: float
) -> None:
    turned = dict(reversed(row.items()))
    limits = bounds(holdout, validation)
    assert limits.side(place(row_text(row))) is limits.side(place(row_text(turned)))


@given(st.integers(0, PLACES - 1), shares, shares)
def test_the_validation_never_overlaps_the_holdout(where: int, holdout: float, validation: float) -> None:
    without = bounds(holdout, 0.0).side(where)
    assert (without is Side.HOLDOUT) == (bounds(holdout, validation).side(where) is Side.HOLDOUT)


@given(st.integers(0, PLACES - 1), shares, shares)
def test_a_larger_holdout_keeps_every_row_of_a_smaller_one(where: int, one: float, other: float) -> None:
    small, large = sorted((one, other))
    if bounds(small, 0.1).side(where) is Side.HOLDOUT:
        assert bounds(large, 0.1).side(where) is Side.HOLDOUT


def test_the_sides_have_about_their_shares() -> None:
    limits = bounds(0.2, 0.1)
    sides = [limits.side(place(str(number))) for number in range(20_000)]
    counts = [sides.count(side) / 20_000 for side in Side]
    assert all(abs(count - share) < 0.01 for count, share in zip(counts, (0.72, 0.08, 0.2), strict=True))


def choices(*rows: int) -> list[CutoffChoice]:
    return [CutoffChoice(at=f"2025-01-{day:02}", rows=count) for day, count in enumerate(rows, start=1)]


def test_the_cutoff_nearest_to_the_share_is_taken() -> None:
    assert choose_cutoff(choices(30, 19, 10), 100, 0.2) == "2025-01-02"
    assert choose_cutoff(choices(60, 1), 100, 0.2) == "2025-01-02"


def test_no_cutoff_leaves_a_side_empty() -> None:
    assert choose_cutoff(choices(100, 60), 100, 0.2) == "2025-01-02"
    assert choose_cutoff(choices(100), 100, 0.2) is None
    assert choose_cutoff([], 0, 0.2) is None


@given(st.lists(st.integers(0, 50), min_size=1), st.integers(1, 50), shares)
def test_a_chosen_cutoff_is_never_worse_than_another(rows: list[int], total: int, share: float) -> None:
    offered = choices(*rows)
    chosen = choose_cutoff(offered, total, share)
    possible = {choice.at: choice.rows for choice in offered if 0 < choice.rows < total}
    assert (chosen is None) == (not possible)
    if chosen is not None:
        wanted = Fraction(str(share))
        distance = abs(Fraction(possible[chosen], total) - wanted)
        assert all(distance <= abs(Fraction(count, total) - wanted) for count in possible.values())
