"""Read a template: parameters, conditions, intrinsic functions, and the order of its resources."""

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml

from tests.aws.bench.call import Document
from tests.aws.bench.errors import ACCOUNT, AwsError

NOTHING = object()
VARIABLE = re.compile(r"\$\{([^!}][^}]*)\}")


def invalid(message: str) -> AwsError:
    return AwsError("ValidationError", message)


def read_template(text: str) -> Document:
    """Return the template; JSON, or YAML without short forms."""
    try:
        found = json.loads(text) if text.lstrip().startswith("{") else yaml.safe_load(text)
    except (ValueError, yaml.YAMLError) as error:
        raise invalid(f"Template format error: {error}") from error
    if not isinstance(found, dict) or not isinstance(found.get("Resources"), dict) or not found["Resources"]:
        raise invalid("Template format error: At least one Resources member must be defined.")
    known = {
        "AWSTemplateFormatVersion", "Description", "Metadata", "Parameters", "Rules", "Mappings", "Conditions",
        "Transform", "Resources", "Outputs", "Hooks",
    }  # fmt: skip
    unknown = sorted(set(found) - known)
    if unknown:
        raise invalid(f"Invalid template property or properties {unknown}")
    return found


def parameters_of(template: Document, given: list[Document], before: Mapping[str, str]) -> dict[str, str]:
    """Return the value of every parameter (API reference, Parameter)."""
    declared = template.get("Parameters", {})
    told = {each["ParameterKey"]: each for each in given}
    unknown = sorted(set(told) - set(declared))
    if unknown:
        raise invalid(f"Parameters: {unknown} do not exist in the template")
    values: dict[str, str] = {}
    for name, settings in declared.items():
        each = told.get(name, {})
        if each.get("UsePreviousValue"):
            values[name] = before[name]
        elif "ParameterValue" in each:
            values[name] = each["ParameterValue"]
        elif "Default" in settings:
            values[name] = str(settings["Default"])
        else:
            raise invalid(f"Parameters: [{name}] must have values")
        check_parameter(name, values[name], settings)
    return values


def check_parameter(name: str, value: str, settings: Document) -> None:
    if "AllowedValues" in settings and value not in [str(each) for each in settings["AllowedValues"]]:
        raise invalid(f"Parameter '{name}' must be one of AllowedValues")
    if "AllowedPattern" in settings and not re.fullmatch(settings["AllowedPattern"], value):
        raise invalid(f"Parameter '{name}' must match pattern {settings['AllowedPattern']}")


@dataclass(slots=True, kw_only=True)
class Scope:
    """What the functions of a template can refer to.

    Args:
        references: what ``Ref`` gives for each resource that is there.
        attributes: what ``Fn::GetAtt`` gives.
    """

    template: Document
    stack: str
    stack_id: str
    region: str
    parameters: Mapping[str, str]
    references: dict[str, str] = field(default_factory=dict[str, str])
    attributes: dict[str, Document] = field(default_factory=dict[str, Document])
    conditions: dict[str, bool] = field(default_factory=dict[str, bool])

    def value(self, given: Any) -> Any:
        """Return *given* with every function replaced by its value."""
        if isinstance(given, list):
            listed = [self.value(each) for each in given]
            return [each for each in listed if each is not NOTHING]
        if not isinstance(given, dict):
            return given
        if len(given) == 1:
            ((name, argument),) = given.items()
            if name in FUNCTIONS:
                return FUNCTIONS[name](self, argument)
            if name.startswith("Fn::"):
                raise invalid(f"Template error: the function {name} is not known")
        values = {name: self.value(each) for name, each in given.items()}
        return {name: each for name, each in values.items() if each is not NOTHING}

    def condition(self, name: str) -> bool:
        declared = self.template.get("Conditions", {})
        if name not in declared:
            raise invalid(f"Template format error: Unresolved condition dependency {name}")
        if name not in self.conditions:
            self.conditions[name] = bool(self.value(declared[name]))
        return self.conditions[name]

    def has(self, resource: Document) -> bool:
        """Return whether a resource is wanted under the conditions."""
        return "Condition" not in resource or self.condition(resource["Condition"])

    def reference(self, name: str) -> Any:
        pseudo = {
            "AWS::AccountId": ACCOUNT,
            "AWS::Region": self.region,
            "AWS::Partition": "aws",
            "AWS::URLSuffix": "amazonaws.com",
            "AWS::StackName": self.stack,
            "AWS::StackId": self.stack_id,
            "AWS::NoValue": NOTHING,
            "AWS::NotificationARNs": [],
        }
        if name in pseudo:
            return pseudo[name]
        if name in self.parameters:
            kind = str(self.template["Parameters"][name].get("Type", "String"))
            return self.parameters[name].split(",") if "List" in kind else self.parameters[name]
        if name in self.references:
            return self.references[name]
        if name in self.template["Resources"]:
            return UNKNOWN.format(name=name, attribute="Ref")
        raise invalid(f"Template format error: Unresolved resource dependencies [{name}] in the template")

    def attribute(self, name: str, attribute: str) -> Any:
        if name not in self.template["Resources"]:
            raise invalid(f"Template error: instance of Fn::GetAtt references undefined resource {name}")
        if name not in self.attributes:
            return UNKNOWN.format(name=name, attribute=attribute)
        found = self.attributes[name].get(attribute)
        if found is None:
            kind = self.template["Resources"][name]["Type"]
            raise invalid(f"Template error: resource {name} of type {kind} does not support attribute {attribute}")
        return found


# What stands for a value that is known only when the resource is there.
UNKNOWN = "{{{{known after apply: {name}.{attribute}}}}}"


def substitute(scope: Scope, argument: Any) -> str:
    text, own = (argument, {}) if isinstance(argument, str) else (argument[0], scope.value(argument[1]))

    def replaced(match: re.Match[str]) -> str:
        name = match[1].strip()
        if name in own:
            return str(own[name])
        resource, _, attribute = name.partition(".")
        return str(scope.attribute(resource, attribute) if attribute else scope.reference(name))

    return VARIABLE.sub(replaced, text).replace("${!", "${")


def attribute_of(scope: Scope, argument: Any) -> Any:
    name, attribute = argument.split(".", 1) if isinstance(argument, str) else (argument[0], scope.value(argument[1]))
    return scope.attribute(name, attribute)


def chosen(scope: Scope, argument: Any) -> Any:
    name, when_true, when_false = argument
    return scope.value(when_true if scope.condition(name) else when_false)


def joined(scope: Scope, argument: Any) -> str:
    separator, parts = argument
    return str(separator).join(str(each) for each in scope.value(parts))


def from_map(scope: Scope, argument: Any) -> Any:
    name, first, second = scope.value(argument)
    return scope.template["Mappings"][name][first][second]


def selected(scope: Scope, argument: Any) -> Any:
    place, values = scope.value(argument)
    return values[int(place)]


FUNCTIONS: dict[str, Callable[[Scope, Any], Any]] = {
    "Ref": lambda scope, name: scope.reference(name),
    "Condition": lambda scope, name: scope.condition(name),
    "Fn::GetAtt": attribute_of,
    "Fn::Sub": substitute,
    "Fn::Join": joined,
    "Fn::If": chosen,
    "Fn::FindInMap": from_map,
    "Fn::Select": selected,
    "Fn::Split": lambda scope, given: str(scope.value(given[1])).split(str(given[0])),
    "Fn::Base64": lambda scope, given: base64.b64encode(str(scope.value(given)).encode()).decode(),
    "Fn::ToJsonString": lambda scope, given: json.dumps(scope.value(given)),
    "Fn::Equals": lambda scope, given: scope.value(given[0]) == scope.value(given[1]),
    "Fn::Not": lambda scope, given: not scope.value(given[0]),
    "Fn::And": lambda scope, given: all(scope.value(each) for each in given),
    "Fn::Or": lambda scope, given: any(scope.value(each) for each in given),
}


def mentioned(value: Any, names: set[str]) -> Iterator[str]:
    """Yield the resources that *value* refers to."""
    if isinstance(value, list):
        for each in value:
            yield from mentioned(each, names)
    if isinstance(value, dict):
        for key, each in value.items():
            yield from mentioned_by(key, each, names)


def mentioned_by(key: str, argument: Any, names: set[str]) -> Iterator[str]:
    """Yield what one member of an object refers to; it may be a function."""
    if key == "Ref":
        yield from [argument] if argument in names else []
    elif key == "Fn::GetAtt":
        name = argument.split(".")[0] if isinstance(argument, str) else argument[0]
        if name not in names:
            raise invalid(f"Template error: instance of Fn::GetAtt references undefined resource {name}")
        yield name
    elif key == "Fn::Sub":
        text = argument if isinstance(argument, str) else argument[0]
        yield from {match[1].split(".")[0] for match in VARIABLE.finditer(text)} & names
        yield from mentioned(argument if isinstance(argument, list) else [], names)
    else:
        yield from mentioned(argument, names)


def in_order(template: Document) -> list[str]:
    """Return the resources so that each comes after those it needs, or refuse a circle."""
    resources = template["Resources"]
    names = set(resources)
    needs: dict[str, set[str]] = {}
    for name, resource in resources.items():
        depends = resource.get("DependsOn", [])
        listed = [depends] if isinstance(depends, str) else depends
        missing = [each for each in listed if each not in names]
        if missing:
            raise invalid(f"Template format error: Unresolved resource dependencies {missing} in the template")
        needs[name] = {*listed, *mentioned(resource.get("Properties", {}), names)} - {name}
    order: list[str] = []
    while needs:
        ready = sorted(name for name, wanted in needs.items() if wanted <= set(order))
        if not ready:
            raise invalid(f"Circular dependency between resources: {sorted(needs)}")
        order += ready
        for name in ready:
            del needs[name]
    return order
