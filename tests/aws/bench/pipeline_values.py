"""The definition of a SageMaker pipeline: checking it, and the values that its expressions stand for.

The format is that of the schema 2020-12-01 (SageMaker guide, "Pipeline definition JSON schema").
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from tests.aws.bench.call import Document
from tests.aws.bench.errors import invalid

VERSION = "2020-12-01"
KINDS = {"Training", "Processing", "Condition", "Callback", "Fail"}
PARAMETERS: dict[str, Callable[[Any], Any]] = {"String": str, "Integer": int, "Float": float, "Boolean": bool}
PART = re.compile(r"\.?([\w-]+)|\[(?:'([^']+)'|(\d+))\]")
COMPARISONS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": lambda left, right: bool(left == right),
    "GreaterThan": lambda left, right: bool(left > right),
    "GreaterThanOrEqualTo": lambda left, right: bool(left >= right),
    "LessThan": lambda left, right: bool(left < right),
    "LessThanOrEqualTo": lambda left, right: bool(left <= right),
}


class ValueFailureError(Exception):
    """An expression has no value; the step fails with this reason."""


def read_definition(text: str) -> Document:
    """Return the definition, or refuse it as CreatePipeline does."""
    try:
        found = json.loads(text)
    except ValueError as error:
        raise invalid(f"Pipeline definition is not valid JSON: {error}") from error
    if found.get("Version") != VERSION:
        raise invalid(f"Pipeline definition has version {found.get('Version')!r}; it must be {VERSION}.")
    for parameter in found.get("Parameters", []):
        if parameter.get("Type") not in PARAMETERS or "Name" not in parameter:
            raise invalid(f"Pipeline parameter {parameter} has no name or no known type.")
    names = step_names(found)
    declared = {parameter["Name"] for parameter in found.get("Parameters", [])}
    for path in references(found["Steps"]):
        root, _, rest = path.partition(".")
        name = rest.split(".")[0]
        if (root == "Parameters" and name not in declared) or (root == "Steps" and name not in names):
            raise invalid(f"Unable to find {path} in the pipeline definition.")
    return dict(found)


def step_names(definition: Document) -> list[str]:
    """Return the names of all steps, also those of branches, or refuse a step that is wrong."""
    names: list[str] = []
    for step in all_steps(definition.get("Steps", [])):
        check_step(step)
        names.append(step["Name"])
    if not names or len(set(names)) < len(names):
        raise invalid(f"Steps must have names of their own: {names}")
    return names


def all_steps(steps: list[Document]) -> Iterator[Document]:
    for step in steps:
        yield step
        for branch in ("IfSteps", "ElseSteps"):
            yield from all_steps(step.get("Arguments", {}).get(branch, []))


def check_step(step: Document) -> None:
    if step.get("Type") not in KINDS:
        raise invalid(f"Step {step.get('Name')} has type {step.get('Type')!r}; the bench knows {sorted(KINDS)}.")
    if not re.fullmatch(r"[A-Za-z0-9](-*[A-Za-z0-9])*", str(step.get("Name", ""))) or "Arguments" not in step:
        raise invalid(f"Step {step.get('Name')!r} needs a name of letters, digits and dashes, and Arguments.")
    if step["Type"] == "Callback" and not str(step.get("SqsQueueUrl", "")).startswith("http"):
        raise invalid(f"Callback step {step['Name']} needs the URL of a queue.")


def references(value: Any) -> Iterator[str]:
    """Yield the paths of every ``Get``."""
    if isinstance(value, list):
        for each in value:
            yield from references(each)
    if isinstance(value, dict):
        if set(value) == {"Get"}:
            yield str(value["Get"])
        for each in value.values():
            yield from references(each)


@dataclass(slots=True, kw_only=True)
class Values:
    """What the expressions of one execution stand for.

    Args:
        steps: what Describe told about the job of each step that has ended.
        read_file: the content of a property file: step and name of the file.
    """

    parameters: Document
    execution: Document
    read_file: Callable[[str, str], Any]
    steps: Document = field(default_factory=dict[str, Any])

    def of(self, given: Any) -> Any:
        """Return *given* with every expression replaced."""
        if isinstance(given, list):
            return [self.of(each) for each in given]
        if not isinstance(given, dict):
            return given
        if set(given) == {"Get"}:
            return self._get(str(given["Get"]))
        if set(given) == {"Std:Join"}:
            joined = given["Std:Join"]
            return str(joined["On"]).join(str(self.of(each)) for each in joined["Values"])
        if set(given) == {"Std:JsonGet"}:
            return self._from_file(given["Std:JsonGet"])
        return {name: self.of(each) for name, each in given.items()}

    def _get(self, path: str) -> Any:
        root, _, rest = path.partition(".")
        if root == "Parameters":
            return self.parameters[rest]
        if root == "Execution":
            return self.execution[rest]
        name, _, inner = rest.partition(".")
        if name not in self.steps:
            raise ValueFailureError(f"Step {name} has not run, so {path} has no value.")
        return along(self.steps[name], inner, path)

    def _from_file(self, given: Document) -> Any:
        place = str(given["PropertyFile"]["Get"]).split(".")
        return along(self.read_file(place[1], place[-1]), self.of(given["Path"]), given["Path"])

    def holds(self, condition: Document) -> bool:
        """Return whether *condition* is true."""
        match condition["Type"]:
            case "Not":
                return not self.holds(condition["Expression"])
            case "Or":
                return any(self.holds(each) for each in condition["Conditions"])
            case "In":
                return self.of(condition["QueryValue"]) in self.of(condition["Values"])
            case kind if kind in COMPARISONS:
                return COMPARISONS[kind](self.of(condition["LeftValue"]), self.of(condition["RightValue"]))
            case kind:
                raise ValueFailureError(f"There is no condition {kind}.")


def along(value: Any, path: str, whole: str) -> Any:
    """Return what is at *path*; a named member of a list is the one whose name it is."""
    found = value
    for member, name, place in PART.findall(path):
        key = member or name
        if isinstance(found, list) and key:
            found = next((each for each in found if key in each.values()), None)
        elif place:
            found = found[int(place)] if isinstance(found, list) and int(place) < len(found) else None
        else:
            found = found.get(key) if isinstance(found, dict) else None
        if found is None:
            raise ValueFailureError(f"{whole} has no value.")
    return found
