"""What is written as YAML is read as what it was."""

from typing import Any

import yaml
from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.ci.yaml_text import Commented, yaml_text

LINE = st.text(st.characters(codec="utf-8", categories=("L", "N", "P", "S", "Zs")), max_size=30)
# GitHub's "on" is written bare, and this reader of YAML 1.1 takes it for a truth.
KEYS = st.from_regex(r"[A-Za-z_.'? -]{1,12}", fullmatch=True).filter(lambda key: key != "on")
SINGLE = st.one_of(LINE, st.booleans(), st.integers(-5, 10_000))


def values(below: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    item = st.one_of(SINGLE, st.dictionaries(KEYS, below, min_size=1, max_size=3))
    return st.one_of(SINGLE, st.lists(item, max_size=3), st.dictionaries(KEYS, below, max_size=3))


@given(st.dictionaries(KEYS, st.recursive(SINGLE, values, max_leaves=8), min_size=1, max_size=4))
def test_every_value_comes_back(tree: dict[str, Any]) -> None:
    assert yaml.safe_load(yaml_text(tree)) == tree


@given(
    st.lists(st.from_regex(r"[^\s\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff][ -~]{0,20}[!-~]", fullmatch=True), min_size=2)
)
def test_a_script_of_several_lines_comes_back(lines: list[str]) -> None:
    script = "\n".join(lines)
    assert yaml.safe_load(yaml_text({"run": script}))["run"] == f"{script}\n"


def test_words_that_yaml_takes_for_something_else_are_quoted() -> None:
    tree: dict[str, Any] = {"a": "on", "b": "3.12", "c": "null", "d": "1e3", "e": "0 0 * * SAT", "f": "*.py", "g": ""}
    assert yaml.safe_load(yaml_text(tree)) == tree


def test_a_key_that_yaml_takes_for_something_else_is_quoted_but_for_githubs_own() -> None:
    tree: dict[str, Any] = {"NO": "", "y": "1", "null": "2", "1": "3", ".5": "4"}
    assert yaml.safe_load(yaml_text(tree)) == tree
    assert yaml_text({"on": "push"}) == "on: push\n"


def test_a_comment_stands_behind_its_value() -> None:
    text = yaml_text({"uses": Commented(text="actions/checkout@0123", comment="v5.0.0")})
    assert text == "uses: actions/checkout@0123 # v5.0.0\n"
    assert yaml.safe_load(text) == {"uses": "actions/checkout@0123"}
