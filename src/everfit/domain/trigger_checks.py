"""Whether the triggers of a project name environments that there are, and wait for different things."""

from collections.abc import Iterator, Mapping
from typing import Any

from everfit.domain.document import Fields, Items, Node, Reading
from everfit.domain.trigger_reader import key_of
from everfit.domain.words import listed, nearest

Values = Mapping[str, Any]


def check_triggers(document: Fields, values: Values, names: tuple[str, ...], reading: Reading) -> None:
    """Note each trigger for an environment that is not there, and each that another one repeats.

    Args:
        names: of all environments, also of those in which something else is wrong.
    """
    for at, fields, trigger in _triggers(document, values):
        for name in trigger.get("environments", ()):
            if name not in names:
                line = fields.line_of("environments") if isinstance(fields, Fields) else fields.line
                what = f"{at}.environments: there is no environment {name}"
                reading.add(line, what, expected=listed(names), nearest=nearest(name, names))
    # What one waits for can only be said when it could be read.
    if not reading.problems:
        _check_repeated(document, values, reading)


def _check_repeated(document: Fields, values: Values, reading: Reading) -> None:
    environments: Mapping[str, Values] = values.get("environments", {"production": {}})
    trained = [name for name, each in environments.items() if each.get("promote_from", "retrain") == "retrain"]
    first: dict[tuple[str, str], str] = {}
    for name, environment in environments.items():
        if "tag" in environment:
            first[name, f"tag:{environment['tag']}"] = f"environments.{name}.tag"
    for at, fields, trigger in _triggers(document, values):
        key = key_of(trigger)
        places = [(name, key) for name in trigger.get("environments", trained)]
        other = next((first[place] for place in places if place in first), None)
        if other is not None:
            expected = "one of them, or different environments"
            reading.add(fields.line, f"{at} waits for the same as {other}", expected=expected)
        first.update((place, at) for place in places if place not in first)


def _triggers(document: Fields, values: Values) -> Iterator[tuple[str, Node, Values]]:
    node = document.at("triggers")
    if isinstance(node, Items):
        for index, (fields, trigger) in enumerate(zip(node.nodes, values.get("triggers", ()), strict=False)):
            yield f"triggers[{index}]", fields, trigger
