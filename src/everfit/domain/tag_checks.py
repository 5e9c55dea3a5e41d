"""Whether a tag could start runs where it was not meant to: patterns must not overlap between environments."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from everfit.domain.document import Fields, Items, Reading
from everfit.domain.release_name import can_both_match

Values = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    text: str
    place: str
    line: int
    environments: frozenset[str]


def check_tags(document: Fields, values: Values, reading: Reading) -> None:
    """Note each pattern that could match a tag which another one takes for other environments."""
    before: list[_Pattern] = []
    for pattern in _patterns(document, values):
        other = next((each for each in before if _is_mixed_up(each, pattern)), None)
        if other is not None:
            reading.add(
                pattern.line,
                f"{pattern.place}: one tag could fit this and {other.place}, {other.text}, "
                "and would start runs in the environments of both",
                found=pattern.text,
                expected="a pattern with a start of its own, such as production-churn-v*",
            )
        before.append(pattern)


def _is_mixed_up(one: _Pattern, other: _Pattern) -> bool:
    return one.environments != other.environments and can_both_match(one.text, other.text)


def _patterns(document: Fields, values: Values) -> Iterator[_Pattern]:
    environments: Mapping[str, Values] = values.get("environments", {})
    for name, environment in environments.items():
        if "tag" in environment:
            line = document.line_of("environments", name, "tag")
            place = f"environments.{name}.tag"
            yield _Pattern(text=environment["tag"], place=place, line=line, environments=frozenset({name}))
    trained = [name for name, each in environments.items() if each.get("promote_from", "retrain") == "retrain"]
    node = document.at("triggers")
    for index, trigger in enumerate(values.get("triggers", ())):
        if "tag" in trigger:
            fields = node.nodes[index] if isinstance(node, Items) and index < len(node.nodes) else document
            yield _Pattern(
                text=trigger["tag"],
                place=f"triggers[{index}].tag",
                line=fields.line_of("tag") if isinstance(fields, Fields) else fields.line,
                environments=frozenset(trigger.get("environments", trained)),
            )
