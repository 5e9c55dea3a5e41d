"""Check a state machine without running it: transitions, reachability, JSONata, and each call by botocore's model.

Step Functions itself checks structure only; what it cannot see before the first execution is seen here (FACTS §2).
"""

import json
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import botocore.session
import jsonata  # type: ignore[import-untyped]

from tests.aws.bench.strict import deep_errors, service_model

State = dict[str, Any]
SERVICES = {"states": "stepfunctions", "sfn": "stepfunctions", "eventbridge": "events", "cloudwatchlogs": "logs"}
RESOURCE = re.compile(r"arn:aws[\w-]*:states:::(aws-sdk:)?([\w-]+):(\w+)(\.sync|\.sync:2|\.waitForTaskToken)?")
ENDING = {"Task", "Pass", "Wait", "Parallel", "Map"}
KINDS = ENDING | {"Choice", "Succeed", "Fail"}
LANGUAGE = "QueryLanguage"


@cache
def known_services() -> frozenset[str]:
    return frozenset(botocore.session.get_session().get_available_services())


def check(
    machine: State, path: str = "", language: str = "JSONPath", outer: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Yield what is wrong with *machine*."""
    language = machine.get(LANGUAGE, language)
    states: dict[str, State] = machine.get("States", {})
    if machine.get("StartAt") not in states:
        yield f"{path}StartAt: {machine.get('StartAt')!r} is not a state"
    assigned = outer | {name.removesuffix(".$") for state in states.values() for name in assignments(state)}
    for name, state in states.items():
        yield from check_state(state, f"{path}{name}", states)
        yield from check_expressions(state, f"{path}{name}", assigned)
        for part in parts(state):
            yield from check(part, f"{path}{name}/", state.get(LANGUAGE, language), assigned)
    for name in sorted(set(states) - reachable(machine)):
        yield f"{path}{name}: unreachable"


def assignments(state: State) -> Iterator[str]:
    for place in (state, *state.get("Catch", []), *state.get("Choices", [])):
        yield from place.get("Assign", {})


def parts(state: State) -> list[State]:
    """Return the machines inside a Parallel or a Map."""
    inner = [*state.get("Branches", []), state.get("ItemProcessor"), state.get("Iterator")]
    return [part for part in inner if part]


def successors(state: State) -> list[Any]:
    named = [state[key] for key in ("Next", "Default") if key in state]
    return named + [branch.get("Next") for branch in (*state.get("Catch", []), *state.get("Choices", []))]


def reachable(machine: State) -> set[str]:
    states, seen = machine.get("States", {}), set[str]()
    waiting: list[Any] = [machine.get("StartAt")]
    while waiting:
        name = waiting.pop()
        if name in states and name not in seen:
            seen.add(name)
            waiting += successors(states[name])
    return seen


def check_state(state: State, where: str, states: dict[str, State]) -> Iterator[str]:
    kind = state.get("Type")
    if kind not in KINDS:
        yield f"{where}: there is no Type {kind!r}"
    for name in successors(state):
        if name not in states:
            yield f"{where}: transition to missing state {name!r}"
    if kind in ENDING and ("Next" in state) == bool(state.get("End")):
        yield f"{where}: needs exactly one of Next, End"
    for member in ("Retry", "Catch"):
        yield from check_rules(state.get(member, []), f"{where}.{member}")
    if kind == "Task":
        yield from check_task(state, where)


def check_rules(rules: list[State], where: str) -> Iterator[str]:
    for number, rule in enumerate(rules):
        is_last = number == len(rules) - 1
        errors = rule.get("ErrorEquals", [])
        if "States.ALL" in errors and (not is_last or len(errors) > 1):
            yield f"{where}: States.ALL must stand alone and last"


def check_task(state: State, where: str) -> Iterator[str]:
    """Check that the call exists, and its arguments as far as they are constant."""
    resource = str(state.get("Resource", ""))
    match = RESOURCE.fullmatch(resource)
    if not match:
        if not re.match(r"arn:aws[\w-]*:(lambda|states):[\w-]*:\d*:", resource) and "${" not in resource:
            yield f"{where}: Resource {resource!r} is not recognised"
        return
    sdk, named, action, pattern = match.groups()
    service = SERVICES.get(named, named)
    if service not in known_services():
        yield f"{where}: there is no service {named!r}"
        return
    found = {name.lower(): name for name in service_model(service).operation_names}.get(action.lower())
    if found is None:
        yield f"{where}: {named} has no action {action!r}"
        return
    yield from check_form(state, where, action, pattern if sdk else None)
    shape = service_model(service).operation_model(found).input_shape
    given = state.get("Parameters", state.get("Arguments", {}))
    if isinstance(given, dict) and shape is not None:
        yield from check_arguments(given, shape, f"{where}.{action}")


def check_form(state: State, where: str, action: str, sdk_pattern: str | None) -> Iterator[str]:
    if action[0].isupper():
        yield f"{where}: action {action!r} must begin with a small letter"
    if sdk_pattern in {".sync", ".sync:2"}:
        yield f"{where}: aws-sdk integrations have no {sdk_pattern}"
    if str(state["Resource"]).endswith(".waitForTaskToken") and "Task.Token" not in json.dumps(state):
        yield f"{where}: .waitForTaskToken, but the token is never passed on"


def is_dynamic(name: str, value: Any) -> bool:
    return name.endswith(".$") or (isinstance(value, str) and value.startswith("{%"))


def check_arguments(value: Any, shape: Any, path: str) -> Iterator[str]:
    if shape.type_name == "structure" and isinstance(value, dict):
        yield from check_structure(value, shape, path)
    elif shape.type_name == "list" and isinstance(value, list):
        for place, member in enumerate(value):
            if not is_dynamic("", member):
                yield from check_arguments(member, shape.member, f"{path}[{place}]")
    elif shape.type_name == "string" and not isinstance(value, (dict, list)):
        yield from () if str(value).startswith(("arn:", "${")) else deep_errors(str(value), shape, path)
    elif shape.type_name in {"integer", "long"} and (not isinstance(value, int) or isinstance(value, bool)):
        yield f"{path}: {value!r} is not an integer"
    else:
        yield from deep_errors(value, shape, path)


def check_structure(value: State, shape: Any, path: str) -> Iterator[str]:
    members = {member.lower(): member for member in shape.members}
    seen: set[str] = set()
    for name, each in value.items():
        plain = name.removesuffix(".$")
        member = members.get(plain.lower())
        if member is None:
            yield f"{path}.{plain}: unknown; one of {', '.join(list(shape.members)[:8])}…"
            continue
        seen.add(member)
        if not is_dynamic(name, each):
            yield from check_arguments(each, shape.members[member], f"{path}.{plain}")
    for member in shape.required_members:
        if member not in seen and not shape.members[member].metadata.get("idempotencyToken"):
            yield f"{path}.{member}: required, missing"


def texts(value: Any) -> Iterator[str]:
    match value:
        case dict():
            for each in value.values():
                yield from texts(each)
        case list():
            for each in value:
                yield from texts(each)
        case str():
            yield value
        case _:
            return


def check_expressions(state: State, where: str, assigned: frozenset[str]) -> Iterator[str]:
    """Check that JSONata can be read and uses only variables that something assigns."""
    own = {name: value for name, value in state.items() if name not in {"Branches", "ItemProcessor", "Iterator"}}
    for text in texts(own):
        if not text.startswith("{%"):
            continue
        try:
            jsonata.Jsonata(text[2:-2])
        except Exception as error:  # noqa: BLE001 - the parser raises whatever it meets
            yield f"{where}: JSONata {text[:60]!r}: {error}"
            continue
        local = set(re.findall(r"\$(\w+)\s*:=", text))
        if "function" in text:
            local |= set(re.findall(r"[(,]\s*\$(\w+)\s*(?=[,)])", text))
        used = set(re.findall(r"(?<![\w$])\$([a-zA-Z_]\w*)(?!\w*\s*\()", text))
        for name in sorted(used - assigned - local - {"states"}):
            yield f"{where}: JSONata variable ${name} is never assigned"
