"""Whatever is done to a project file, it is a project or a list of problems, and a project keeps its promises."""

import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from everfit.adapters.local.yaml_document import read_document
from everfit.domain.document import Fields, Items, Node, Reading, Scalar
from everfit.domain.errors import ProjectError
from everfit.domain.project import Project, Task
from tests.project_example import EXAMPLE, WEBHOOK, read_text, read_tree

DOCUMENT = read_document(EXAMPLE.encode(), Reading(file="everfit.yaml"))

WORDS = st.sampled_from(
    ["", "no", "true", "20%", "0.2", "20", "1h", "-1", "1e999", "canary", "all-at-once", "sagemaker", "custom", "files"]  # noqa: RUF005 - three readable lines
    + ["images", "forecast", "classification", "staging", "production", "retrain", "${SLACK_WEBHOOK}", "${NOBODY}"]
    + ["mape < 20", "accuracy >= 0.5", "claim(x) > 1", "rows >= 5", "UTC", "rate(1 hour)", "[", "\x00", "…", "0o7"]
) | st.text(max_size=12)
LEAVES = WORDS.map(lambda text: cast("Node", Scalar(line=1, text=text, written=text)))
NODES = st.recursive(
    LEAVES,
    lambda nodes: (
        st.lists(nodes, max_size=3).map(lambda each: cast("Node", Items(line=1, nodes=tuple(each))))
        | st.lists(st.tuples(WORDS, nodes), max_size=3, unique_by=lambda pair: pair[0]).map(
            lambda pairs: Fields(
                line=1, pairs=tuple((Scalar(line=1, text=name, written=name), node) for name, node in pairs)
            )
        )
    ),
    max_leaves=4,
)


@st.composite
def mutated(draw: st.DrawFn, node: Node) -> Node:
    """Give *node* with one part replaced, dropped or moved."""
    children = _children(node)
    if not children or draw(st.integers(0, 5)) == 0:
        return draw(NODES | st.sampled_from(children or [node]))
    index = draw(st.integers(0, len(children) - 1))
    if draw(st.integers(0, 4)) == 0:
        return _with_children(node, [None if here == index else child for here, child in enumerate(children)])
    changed = draw(mutated(children[index]))
    return _with_children(node, [changed if here == index else child for here, child in enumerate(children)])


def _children(node: Node) -> list[Node]:
    match node:
        case Items():
            return list(node.nodes)
        case Fields():
            return [value for _, value in node.pairs]
        case Scalar():
            return []


def _with_children(node: Node, children: list[Node | None]) -> Node:
    if isinstance(node, Items):
        return replace(node, nodes=tuple(child for child in children if child is not None))
    assert isinstance(node, Fields)
    pairs = zip(node.pairs, children, strict=True)
    return replace(node, pairs=tuple((key, child) for (key, _), child in pairs if child is not None))


def check_invariants(project: Project) -> None:
    assert re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", project.model)
    assert project.environments
    assert (project.task is Task.CUSTOM) == (project.evaluate is not None)
    endpoints = [each.endpoint for each in project.environments.values()]
    assert len(set(endpoints)) == len(endpoints)
    assert all(len(endpoint) <= 63 for endpoint in endpoints)
    for name, environment in project.environments.items():
        data = project.data_in(environment)
        assert 0 < data.holdout < 1
        assert 0 <= data.validation < 1
        assert data.format.is_table or (data.target, data.time, data.id) == (None, None, None)
        assert project.task is Task.CUSTOM or not data.format.is_table or data.target
        assert project.task is not Task.FORECAST or data.time
        assert project.rules_in(environment)
        assert environment.promote_from in {None, *project.environments} - {name}
        steps = cast("tuple[float, ...]", environment.rollout.get("steps", ()))
        assert all(low < high <= 1 for low, high in pairwise((0.0, *steps)))


def check_reading(read: Callable[[], Project]) -> None:
    try:
        project = read()
    except ProjectError as error:
        problems, text = error.problems, str(error)
    else:
        check_invariants(project)
        return
    assert problems
    assert WEBHOOK not in text


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_mutation_of_the_example_is_a_project_or_a_list_of_problems(data: st.DataObject) -> None:
    node = DOCUMENT
    for _ in range(data.draw(st.integers(1, 3))):
        node = data.draw(mutated(node))
    check_reading(lambda: read_tree(node))


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(EXAMPLE)), st.integers(0, 30), st.text(max_size=6))
def test_any_edit_of_the_text_is_a_project_or_a_list_of_problems(start: int, length: int, text: str) -> None:
    edited = EXAMPLE[:start] + text.encode("utf-8", "ignore").decode() + EXAMPLE[start + length :]
    check_reading(lambda: read_text(edited))


@given(st.binary(max_size=200))
def test_any_bytes_are_a_project_or_a_list_of_problems(content: bytes) -> None:
    check_reading(lambda: read_text(content))
