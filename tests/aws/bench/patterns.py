"""Match events against event patterns (EventBridge user guide, "Comparison operators for use in event patterns")."""

import json
import re
from collections.abc import Callable
from typing import Any

from tests.aws.bench.errors import AwsError

OPERATORS = {"prefix", "suffix", "equals-ignore-case", "anything-but", "numeric", "exists", "wildcard"}
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "=": lambda a, b: a == b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}
TEXTS: dict[str, Callable[[str, str], bool]] = {
    "prefix": str.startswith,
    "suffix": str.endswith,
    "equals-ignore-case": lambda found, wanted: found.lower() == wanted.lower(),
    "wildcard": lambda found, wanted: re.fullmatch(re.escape(wanted).replace(r"\*", ".*"), found) is not None,
}
MISSING = object()


def read_pattern(text: str) -> dict[str, Any]:
    """Return the pattern, or refuse it as PutRule does."""
    try:
        pattern = json.loads(text)
    except ValueError as error:
        raise bad(f"JSON: {error}") from error
    if not isinstance(pattern, dict) or not pattern:
        raise bad("Filter is not an object, or is empty")
    check_object(pattern)
    return pattern


def bad(reason: str) -> AwsError:
    return AwsError("InvalidEventPatternException", f"Event pattern is not valid. Reason: {reason}")


def check_object(pattern: dict[str, Any]) -> None:
    for name, wanted in pattern.items():
        if name == "$or" and isinstance(wanted, list):
            for each in wanted:
                check_object(each)
        elif isinstance(wanted, dict):
            check_object(wanted)
        elif not isinstance(wanted, list):
            raise bad(f'"{name}" must be an object or an array')
        elif not wanted:
            raise bad("Empty arrays are not allowed")
        else:
            check_filters(wanted)


def check_filters(filters: list[Any]) -> None:
    for each in filters:
        if isinstance(each, list):
            raise bad("Array in an array")
        if isinstance(each, dict) and (len(each) != 1 or not set(each) <= OPERATORS):
            raise bad(f"Unrecognized match type {'/'.join(each)}")


def matches(pattern: dict[str, Any], event: Any) -> bool:
    """Return whether *event* has everything that *pattern* asks for."""
    for name, wanted in pattern.items():
        if name == "$or":
            if not any(matches(each, event) for each in wanted):
                return False
            continue
        found = event.get(name, MISSING) if isinstance(event, dict) else MISSING
        is_so = matches(wanted, found) if isinstance(wanted, dict) else any(passes(found, each) for each in wanted)
        if not is_so:
            return False
    return True


def passes(found: Any, wanted: Any) -> bool:
    """Return whether one value, or one of a list of values, passes one filter."""
    if isinstance(wanted, dict) and "exists" in wanted:
        return (found is not MISSING) == bool(wanted["exists"])
    if isinstance(found, list):
        return any(passes(each, wanted) for each in found)
    if found is MISSING:
        return False
    if not isinstance(wanted, dict):
        return bool(found == wanted) and isinstance(found, bool) == isinstance(wanted, bool)
    ((operator, argument),) = wanted.items()
    return passes_operator(found, operator, argument)


def passes_operator(found: Any, operator: str, argument: Any) -> bool:
    if operator == "anything-but":
        if isinstance(argument, dict):
            return not passes(found, argument)
        return found not in (argument if isinstance(argument, list) else [argument])
    if operator == "numeric":
        pairs = zip(argument[::2], argument[1::2], strict=True)
        return isinstance(found, (int, float)) and all(COMPARISONS[sign](found, bound) for sign, bound in pairs)
    return isinstance(found, str) and TEXTS[operator](found, str(argument))
