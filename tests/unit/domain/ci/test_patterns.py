"""Globs and tags mean to GitHub and GitLab what they mean in the project file."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.ci.patterns import path_filters, tag_expression, tag_filter
from everfit.domain.release_name import tag_name

PATTERNS = ("staging-recommender-v*", "release-*", "*-final", "a+b[1]v*")


@pytest.mark.parametrize(
    ("globs", "folder", "filters"),
    [
        ([], "", []),
        ([], "plant-doctor", ["plant-doctor/**"]),
        (["train.py"], "", ["train.py"]),
        (["train.py", "src"], "plant-doctor", ["plant-doctor/train.py", "plant-doctor/src", "plant-doctor/src/**"]),
        (["src/**", "/shared/**"], "a/b", ["a/b/src/**", "shared/**"]),
        (["part?.py", "a+b.py"], "", ["part*.py", r"a\+b.py"]),
    ],
)
def test_paths_are_read_from_the_top_of_the_repository(globs: list[str], folder: str, filters: list[str]) -> None:
    assert path_filters(globs, folder) == filters


def test_what_is_special_to_github_stands_for_itself() -> None:
    assert tag_filter("a+b[1]v*") == r"a\+b\[1\]v*"


@given(
    pattern=st.sampled_from(PATTERNS),
    star=st.one_of(
        st.from_regex(r"v?\d{1,2}\.\d{1,2}\.\d{1,2}(-rc\.\d)?(\+b)?", fullmatch=True),
        st.sampled_from(["X", "1.2", "", "v1", "1.2.3-", "01.2.3", "vv1.2.3", "1.2.3-0a.b-c", "1.2.3-01", "1.2.3-a.0"]),
    ),
)
def test_a_tag_is_let_through_exactly_when_everfit_reads_a_version_in_it(pattern: str, star: str) -> None:
    tag = pattern.replace("*", star)
    read = tag_name(pattern, tag)
    is_through = re.search(tag_expression([pattern]), tag) is not None
    assert is_through == (read is not None and read.release is not None)


def test_several_patterns_are_one_expression() -> None:
    expression = tag_expression(["staging-v*", "beta-*"])
    assert [re.search(expression, tag) is not None for tag in ("staging-v1.0.0", "beta-v1.0.0", "prod-v1.0.0")] == [
        True,
        True,
        False,
    ]
