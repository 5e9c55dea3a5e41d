"""What is wrong with a state machine's definition: transitions, reachability, choices, JSONata and every request.

statelint knows the language and asl_check knows the services; only both together found each of 18 seeded errors.
Sources: the Amazon States Language specification (states-language.net), Step Functions Developer Guide.
"""

import importlib
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.aws.static.asl_requests import WAITING, task_problems

_JSONATA: Any = importlib.import_module("jsonata")
_LINTER: Any = importlib.import_module("statelint.linter").Linter
_GO_ON: Final = ("Task", "Pass", "Wait", "Parallel", "Map")
_NESTED: Final = ("Branches", "ItemProcessor", "Iterator")
_OPERATOR: Final = re.compile(r"(?:String|Numeric|Boolean|Timestamp|Is[A-Z])\w*")
_KNOWN_OPERATOR: Final = re.compile(
    r"(?:String|Numeric|Timestamp)(?:Equals|LessThan|GreaterThan|LessThanEquals|GreaterThanEquals)(?:Path)?"
    r"|BooleanEquals(?:Path)?|StringMatches|Is(?:Null|Present|Numeric|String|Boolean|Timestamp)"
)
_HANDED_ON: Final = frozenset({"string", "number", "boolean", "uppercase", "lowercase", "trim", "length", "parse"})
"""Functions that an expression may hand on without calling them, as in ``$map(items, $string)``."""

State = Mapping[str, Any]


def problems(definition: State) -> list[str]:
    """Return what is wrong, by both checkers; nothing means that none was found."""
    # statelint does not know the substitutions of CloudFormation; what they stand for is an ARN.
    text = re.sub(r'"\$\{[^}"]+\}"', '"arn:aws:lambda:us-east-1:123456789012:function:any"', json.dumps(definition))
    return [f"statelint: {words}" for words in _LINTER.validate(json.loads(text))] + list(_machine(definition))


def forgotten_timeouts(definition: State) -> list[str]:
    """Return the tasks that wait for somebody else and may wait for a year, the longest that an execution lives."""
    found = [
        name
        for name, state in definition.get("States", {}).items()
        if WAITING.search(str(state.get("Resource", "")))
        and not state.keys() & {"TimeoutSeconds", "TimeoutSecondsPath", "HeartbeatSeconds"}
    ]
    return found + [name for machine in _below(definition) for name in forgotten_timeouts(machine)]


def _machine(
    machine: State, path: str = "", language: str = "JSONPath", outer: frozenset[str] = frozenset()
) -> Iterator[str]:
    language, states = machine.get("QueryLanguage", language), machine.get("States", {})
    assigned = outer | _assigned(states)
    if machine.get("StartAt") not in states:
        yield f"{path}StartAt: {machine.get('StartAt')!r} is not a state"
    for name, state in states.items():
        place, own = f"{path}{name}", state.get("QueryLanguage", language)
        yield from _transition_problems(state, states, place)
        yield from _choice_problems(state, own, place)
        yield from _handler_problems(state, place)
        yield from _expression_problems(state, assigned, place)
        if state.get("Type") == "Task":
            yield from task_problems(state, place)
        for nested in _nested(state):
            yield from _machine(nested, f"{place}/", own, assigned)
    yield from (f"{path}{name}: nothing leads here" for name in sorted(states.keys() - _reached(machine)))


def _assigned(states: State) -> frozenset[str]:
    """Return the variables that any of the states sets."""
    places = [
        place for state in states.values() for place in (state, *state.get("Catch", []), *state.get("Choices", []))
    ]
    return frozenset(name.removesuffix(".$") for place in places for name in place.get("Assign", {}))


def _targets(state: State) -> list[str]:
    below = [*state.get("Catch", []), *state.get("Choices", [])]
    return [state[key] for key in ("Next", "Default") if key in state] + [str(each.get("Next")) for each in below]


def _reached(machine: State) -> set[str]:
    states, seen, ahead = machine.get("States", {}), set[str](), [str(machine.get("StartAt"))]
    while ahead:
        name = ahead.pop()
        if name in states and name not in seen:
            seen.add(name)
            ahead += _targets(states[name])
    return seen


def _transition_problems(state: State, states: State, place: str) -> Iterator[str]:
    yield from (f"{place}: goes to {name!r}, which is not a state" for name in _targets(state) if name not in states)
    if state.get("Type") in _GO_ON and ("Next" in state) == bool(state.get("End")):
        yield f"{place}: needs exactly one of Next and End"


def _choice_problems(state: State, language: str, place: str) -> Iterator[str]:
    for choice in state.get("Choices", []) if language == "JSONPath" else []:
        operators = [key for key in choice if _OPERATOR.fullmatch(key)]
        if "Variable" in choice and (len(operators) != 1 or not _KNOWN_OPERATOR.fullmatch(operators[0])):
            yield f"{place}: a choice needs exactly one operator that there is, and has {operators}"


def _handler_problems(state: State, place: str) -> Iterator[str]:
    for kind in ("Retry", "Catch"):
        handlers = state.get(kind, [])
        for index, handler in enumerate(handlers):
            errors = handler.get("ErrorEquals", [])
            if "States.ALL" in errors and (index < len(handlers) - 1 or len(errors) > 1):
                yield f"{place}: States.ALL must stand alone and last in {kind}"


def _expression_problems(state: State, assigned: frozenset[str], place: str) -> Iterator[str]:
    for value in _paths({key: state.get(key, {}) for key in ("Parameters", "ResultSelector", "ItemSelector")}):
        if not re.match(r"\$|States\.", str(value)):
            yield f"{place}: the value of a key that ends in .$ must be a path or a function, not {value!r}"
    for text in _texts({key: value for key, value in state.items() if key not in _NESTED}):
        if text.startswith("{%"):
            yield from _jsonata_problems(text, assigned, place)


def _jsonata_problems(text: str, assigned: frozenset[str], place: str) -> Iterator[str]:
    code = text.removeprefix("{%").removesuffix("%}")
    try:
        _JSONATA.Jsonata(code)
    except Exception as error:  # noqa: BLE001 - whatever its parser raises is the finding
        yield f"{place}: JSONata {text[:60]!r}: {error}"
        return
    code = re.sub(r'"(?:[^"\\]|\\.)*"|\'(?:[^\'\\]|\\.)*\'', '""', code)
    local = set(re.findall(r"\$(\w+)\s*:=", code))
    for parameters in re.findall(r"function\s*\(([^)]*)\)|λ\s*\(([^)]*)\)", code):
        local |= set(re.findall(r"\$(\w+)", " ".join(parameters)))
    used = set(re.findall(r"(?<![\w$])\$([A-Za-z_]\w*)(?!\w|\s*\()", code))
    known = assigned | local | _HANDED_ON | {"states"}
    yield from (f"{place}: the JSONata variable ${name} is never assigned" for name in sorted(used - known))


def _nested(state: State) -> list[State]:
    return [*state.get("Branches", []), *(state[key] for key in _NESTED[1:] if key in state)]


def _below(machine: State) -> list[State]:
    return [nested for state in machine.get("States", {}).values() for nested in _nested(state)]


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping | list):
        for each in value.values() if isinstance(value, Mapping) else value:
            yield from _texts(each)


def _paths(value: object) -> Iterator[object]:
    """Yield the values of the keys that end in ``.$``, at any depth."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield from [each] if str(name).endswith(".$") else _paths(each)
    elif isinstance(value, list):
        for each in value:
            yield from _paths(each)
