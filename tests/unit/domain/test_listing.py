"""Comparing what a source holds with what it held."""

from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.listing import (
    Difference,
    ListedFile,
    aligned,
    changes,
    difference,
    is_alike,
    moving,
    order_of,
    settled,
)

PATHS = st.text(alphabet="ab./-", min_size=1, max_size=4)
CONTENTS = st.dictionaries(PATHS, st.tuples(st.integers(0, 3), st.sampled_from(["x", "y"])), max_size=8)


def listing(contents: dict[str, tuple[int, str]]) -> list[ListedFile]:
    files = (ListedFile(path=path, size=size, mark=mark) for path, (size, mark) in contents.items())
    return sorted(files, key=lambda file: order_of(file.path))


@given(CONTENTS, CONTENTS)
def test_every_path_is_met_once_with_what_each_listing_has(
    first: dict[str, tuple[int, str]], second: dict[str, tuple[int, str]]
) -> None:
    rows = list(aligned(listing(first), listing(second)))
    assert [file for file, _ in rows if file] == listing(first)
    assert [file for _, file in rows if file] == listing(second)
    assert len(rows) == len({*first, *second})


@given(CONTENTS, CONTENTS)
def test_the_changes_are_what_the_difference_counts(
    first: dict[str, tuple[int, str]], second: dict[str, tuple[int, str]]
) -> None:
    found = difference(changes(listing(first), listing(second)))
    assert found.added == len(second.keys() - first.keys())
    assert found.removed == len(first.keys() - second.keys())
    assert found.replaced == sum(first[path] != second[path] for path in first.keys() & second.keys())


@given(CONTENTS, CONTENTS)
def test_what_came_to_rest_is_reported_whole(
    known: dict[str, tuple[int, str]], now: dict[str, tuple[int, str]]
) -> None:
    assert list(settled(listing(known), listing(now), listing(now), ())) == listing(now)


@given(CONTENTS, CONTENTS, CONTENTS)
def test_what_is_changing_stays_as_it_was_reported(
    known: dict[str, tuple[int, str]], before: dict[str, tuple[int, str]], now: dict[str, tuple[int, str]]
) -> None:
    held = set(moving(listing(before), listing(now), 100))
    expected = {path: entry for path, entry in now.items() if path not in held}
    expected |= {path: known[path] for path in held if path in known}
    assert list(settled(listing(known), listing(before), listing(now), ())) == listing(expected)


@given(CONTENTS, CONTENTS, CONTENTS)
def test_what_has_been_changing_for_too_long_is_taken_as_it_is(
    known: dict[str, tuple[int, str]], before: dict[str, tuple[int, str]], now: dict[str, tuple[int, str]]
) -> None:
    taken = list(settled(listing(known), listing(before), listing(now), frozenset(now)))
    assert set(listing(now)) <= set(taken)


def test_a_file_of_which_only_the_size_is_known_is_alike_by_its_size() -> None:
    marked, bare = ListedFile(path="a", size=1, mark="x"), ListedFile(path="a", size=1, mark="")
    assert is_alike(marked, bare)
    assert not is_alike(marked, ListedFile(path="a", size=2, mark=""))
    assert not is_alike(marked, ListedFile(path="a", size=1, mark="y"))


def test_a_difference_is_said_in_words() -> None:
    assert Difference(added=3, replaced=1, removed=2).words == "3 files new, 1 replaced, 2 deleted"
    assert Difference(removed=1).words == "1 file deleted"


def test_bytes_are_what_has_come_and_never_what_has_gone() -> None:
    before = listing({"a": (10, "x"), "b": (10, "x"), "c": (10, "x")})
    after = listing({"a": (15, "y"), "b": (3, "y"), "d": (7, "x")})
    assert difference(changes(before, after)).bytes == 5 + 7


def test_only_a_few_examples_are_kept_of_many_files() -> None:
    many = listing({f"{number:05}": (1, "x") for number in range(1000)})
    found = difference(changes((), many))
    assert (found.added, len(found.examples)) == (1000, 10)
