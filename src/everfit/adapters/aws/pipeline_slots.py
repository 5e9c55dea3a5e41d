"""Requests with gaps: what is only known later is a slot, which a pipeline fills from a parameter or an earlier step.

The same template makes the step of a pipeline and tells whether a request that is due is the one that the step makes.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final, cast

Template = Mapping[str, object]
"""A request whose texts may hold slots."""

_SLOT: Final = re.compile(r"<<everfit:([A-Za-z0-9_]+)>>")


def slot(name: str) -> str:
    """Return the text that stands for a value that is not known yet."""
    return f"<<everfit:{name}>>"


def slots_in(template: object) -> list[str]:
    """Return the names of all slots, in the order of the alphabet."""
    return sorted({name for text in _texts(template) for name in _SLOT.findall(text)})


def expressed(template: object, path: Callable[[str], str]) -> object:
    """Return the template as arguments of a step (Developer Guide, "Pipeline definition JSON schema").

    Args:
        path: returns where the value of a slot comes from, such as ``Parameters.run``.
    """
    if isinstance(template, str):
        return _expression(template, path)
    if isinstance(template, Mapping):
        members = cast("Mapping[str, object]", template)
        return {name: expressed(value, path) for name, value in members.items()}
    if isinstance(template, list | tuple):
        return [expressed(each, path) for each in cast("Sequence[object]", template)]
    return template


def values_for(template: object, request: object) -> Mapping[str, str] | None:
    """Return the values of the slots that make *request* of the template; None when none do."""
    values: dict[str, str] = {}
    return values if _fits(template, request, values) else None


def _expression(text: str, path: Callable[[str], str]) -> object:
    # Split by a pattern with one group gives text, name, text, name, …, text.
    parts = _SLOT.split(text)
    found: list[object] = [
        {"Get": path(part)} if number % 2 else part for number, part in enumerate(parts) if part or number % 2
    ]
    if len(parts) == 1:
        return text
    return found[0] if len(found) == 1 else {"Std:Join": {"On": "", "Values": found}}


def _fits(template: object, request: object, values: dict[str, str]) -> bool:
    if isinstance(template, str):
        return isinstance(request, str) and _text_fits(template, request, values)
    if isinstance(template, Mapping):
        return isinstance(request, Mapping) and _members_fit(
            cast("Mapping[str, object]", template), cast("Mapping[str, object]", request), values
        )
    if isinstance(template, list | tuple):
        wanted, given = cast("Sequence[object]", template), cast("Sequence[object]", request)
        is_list = isinstance(request, list | tuple)
        return is_list and len(wanted) == len(given) and all(map(lambda a, b: _fits(a, b, values), wanted, given))
    return template == request


def _members_fit(template: Mapping[str, object], request: Mapping[str, object], values: dict[str, str]) -> bool:
    return set(template) == set(request) and all(_fits(template[name], request[name], values) for name in template)


def _text_fits(template: str, request: str, values: dict[str, str]) -> bool:
    parts = _SLOT.split(template)
    pattern = "".join("(.*)" if number % 2 else re.escape(part) for number, part in enumerate(parts))
    found = re.fullmatch(pattern, request, re.DOTALL)
    if found is None:
        return False
    return all(values.setdefault(name, value) == value for name, value in zip(parts[1::2], found.groups(), strict=True))


def _texts(template: object) -> list[str]:
    if isinstance(template, str):
        return [template]
    if isinstance(template, Mapping):
        return [text for each in cast("Mapping[str, object]", template).values() for text in _texts(each)]
    if isinstance(template, list | tuple):
        return [text for each in cast("Sequence[object]", template) for text in _texts(each)]
    return []
