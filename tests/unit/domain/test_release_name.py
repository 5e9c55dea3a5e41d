import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.errors import ProjectError, RuleError
from everfit.domain.release_name import can_both_match, check_branch, check_pattern, is_release, precedence, tag_name
from tests.project_example import node_of, read_tree, refusals, with_keys

PUBLISHED = re.compile(
    r"^(?P<major>0|[1-9]\d*)\.(?P<minor>0|[1-9]\d*)\.(?P<patch>0|[1-9]\d*)"
    r"(?:-(?P<prerelease>(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][0-9a-zA-Z-]*))*))?"
    r"(?:\+(?P<buildmetadata>[0-9a-zA-Z-]+(?:\.[0-9a-zA-Z-]+)*))?$",
    re.ASCII,
)
"""The expression that semver.org publishes."""

NUMBER = st.integers(0, 10**6).map(str)
WORDS = st.lists(st.one_of(NUMBER, st.text("019aZ-", max_size=4)), min_size=1, max_size=3).map(".".join)
LIKE_VERSIONS = st.builds(
    "".join,
    st.tuples(
        st.tuples(NUMBER, NUMBER, NUMBER).map(".".join),
        st.one_of(st.just(""), WORDS.map("-{}".format)),
        st.one_of(st.just(""), WORDS.map("+{}".format)),
    ),
)
NEARLY = st.text("0123456789.-+aZ v", max_size=14)
FIXED = st.text("abv-1./", max_size=6)


@given(st.one_of(LIKE_VERSIONS, NEARLY, st.text(max_size=12)))
def test_a_release_is_what_semver_says_it_is(text: str) -> None:
    assert is_release(text) == (PUBLISHED.fullmatch(text) is not None)


@pytest.mark.parametrize(
    ("pattern", "tag", "release"),
    [
        ("staging-recommender-v*", "staging-recommender-v0.1.2", "0.1.2"),
        ("staging-recommender-v*", "staging-recommender-v1.0.0-rc.1+build.5", "1.0.0-rc.1+build.5"),
        ("staging-*", "staging-v1.2.3", "1.2.3"),
        ("staging-*", "staging-1.2.3", "1.2.3"),
        ("*", "v1.2.3", "1.2.3"),
        ("v*-live", "v1.2.3-live", "1.2.3"),
    ],
)
def test_what_stands_for_the_star_is_the_release(pattern: str, tag: str, release: str) -> None:
    name = tag_name(pattern, tag)
    assert name is not None
    assert name.release == release


@pytest.mark.parametrize(
    "star", ["X", "", "1", "1.2", "01.2.3", "v1.2.3", "1.2.3 ", "1.2.3-", "1.2.3-01", "\u0661.2.3"]
)
def test_a_tag_whose_star_is_no_version_holds_none(star: str) -> None:
    name = tag_name("staging-recommender-v*", f"staging-recommender-v{star}")
    assert name is not None
    assert (name.star, name.release) == (star, None)


@pytest.mark.parametrize(
    "tag", ["production-recommender-v0.1.2", "staging-recommender", "", "xstaging-recommender-v1.2.3"]
)
def test_a_tag_that_does_not_fit_is_no_name(tag: str) -> None:
    assert tag_name("staging-recommender-v*", tag) is None
    assert tag_name("aa*aa", "aaa") is None


def test_releases_are_ordered_as_semver_orders_them() -> None:
    ordered = ["1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11"]
    ordered += ["1.0.0-rc.1", "1.0.0", "1.0.1", "1.9.0", "1.10.0", "2.0.0"]
    assert all(precedence(one) < precedence(other) for one, other in pairwise(ordered))
    assert precedence("1" * 5000 + ".0.0") > precedence("9.9.9")


@given(FIXED, FIXED, FIXED, FIXED, st.text("abv-1.", max_size=5))
def test_two_patterns_that_fit_one_tag_are_said_to_overlap(a: str, b: str, c: str, d: str, star: str) -> None:
    one, other, tag = f"{a}*{b}", f"{c}*{d}", f"{a}{star}{b}"
    if tag_name(one, tag) and tag_name(other, tag):
        assert can_both_match(one, other)


@pytest.mark.parametrize("text", ["v1", "*", "v*"])
def test_a_pattern_has_one_star(text: str) -> None:
    assert "*" not in text or check_pattern(text) == text
    for wrong in (text.replace("*", ""), f"{text}**", f"{text} *", f"-{text}", "a..*", "x" * 300 + "*", "\ud800*"):
        with pytest.raises(RuleError):
            check_pattern(wrong)


@pytest.mark.parametrize("text", ["refs/heads/main", "feature/*", "a b", "-x", "a..b"])
def test_a_branch_is_named_by_its_short_name(text: str) -> None:
    assert check_branch("feature/x") == "feature/x"
    with pytest.raises(RuleError):
        check_branch(text)


@pytest.mark.parametrize(
    ("one", "other"), [("v*", "v*"), ("model-v*", "model-v*-staging"), ("*", "staging-*"), ("a*", "ab*")]
)
def test_patterns_of_two_environments_must_not_overlap(one: str, other: str) -> None:
    """Staging's tag never touches production."""
    environments = {"staging": {"tag": one}, "production": {"tag": other}}
    assert "one tag could fit this and environments.staging.tag" in " ".join(
        map(str, refusals(environments=environments))
    )
    triggers = [{"tag": other, "environments": ["production"]}]
    mixed = refusals(environments={"staging": {"tag": one}, "production": {}}, triggers=triggers)
    assert "triggers[0].tag: one tag could fit this" in " ".join(map(str, mixed))


def test_patterns_that_differ_at_the_start_may_stand_side_by_side() -> None:
    environments = {"staging": {"tag": "staging-v*"}, "production": {"tag": "production-v*"}}
    assert len(read_tree(node_of(with_keys(environments=environments))).triggers) == 2


def test_one_pattern_may_start_runs_in_several_environments_by_one_trigger() -> None:
    keys = {"environments": {"staging": {}, "production": {}}, "triggers": [{"tag": "v*"}]}
    (trigger,) = read_tree(node_of(with_keys(**keys))).triggers
    assert trigger.environments == ("staging", "production")
    with pytest.raises(ProjectError, match=r"exactly one \*"):
        read_tree(node_of(with_keys(triggers=[{"tag": "v1.0.0"}])))
