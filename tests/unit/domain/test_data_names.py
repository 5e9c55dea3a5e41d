"""Which files are data, and which of them a glob means."""

import fnmatch

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from everfit.domain.data_names import is_data, matches


@pytest.mark.parametrize("path", [".a.csv.swp", "a.csv~", "a.CSV.TMP", "b/.c/a.csv", "a.part", "x/a.crdownload"])
def test_hidden_and_unfinished_files_are_no_data(path: str) -> None:
    assert not is_data(path)


@pytest.mark.parametrize("path", ["a.csv", "part-0001.csv", "b/tmp/a.csv", "a.temporary", "partition=1/x.parquet"])
def test_everything_else_is_data(path: str) -> None:
    assert is_data(path)


@pytest.mark.parametrize(
    ("path", "pattern", "expected"),
    [
        ("data/a.csv", "data/*.csv", True),
        ("data/b/a.csv", "data/*.csv", False),
        ("data/b/a.csv", "data/**/*.csv", True),
        ("data/a.csv", "data/**/*.csv", True),
        ("data/a.csv", "data/?.csv", True),
        ("data/2026-01.csv", "data/20[12][0-9]-*.csv", True),
        ("data/2036-01.csv", "data/20[12][0-9]-*.csv", False),
        ("data/x.csv", "data/[!a].csv", True),
        ("data/a.csv", "data/[!a].csv", False),
        ("data/a+b.csv", "data/a+b.csv", True),
        ("dataXa.csv", "data.a.csv", False),
    ],
)
def test_a_star_stays_inside_one_folder(path: str, pattern: str, expected: bool) -> None:
    assert matches(path, pattern) is expected


@given(st.text("ab", max_size=4), st.text("ab*?", max_size=4))
def test_inside_one_folder_globs_mean_what_they_mean_everywhere(path: str, pattern: str) -> None:
    if "**" not in pattern:
        assert matches(path, pattern) is fnmatch.fnmatchcase(path, pattern)


@given(st.text(max_size=20), st.text("ab[]!-\\^*?/&|~", max_size=12))
@example("a", "[[a]")
@example("a", "[a--b]")
@example("a", "[a&&b]")
@example("a", "[b-a]")
def test_no_glob_is_too_strange(path: str, pattern: str) -> None:
    assert matches(path, pattern) in (True, False)
