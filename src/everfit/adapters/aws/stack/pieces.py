"""The pieces of a CloudFormation template, and how they are written down: the same every time, readable when shown."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Union, cast

Tree = Union["Ref", "GetAtt", "Sub", str, int, float, bool, None, Mapping[str, "Tree"], Sequence["Tree"]]
"""What a property may be; a None in a mapping leaves its key out."""

ACCOUNT: Final = "${AWS::AccountId}"

TAGGED: Final = frozenset(
    {
        "AWS::CloudTrail::Trail",
        "AWS::CloudWatch::Alarm",
        "AWS::Events::Rule",
        "AWS::IAM::Role",
        "AWS::Lambda::EventSourceMapping",
        "AWS::Lambda::Function",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::SNS::Topic",
        "AWS::SQS::Queue",
        "AWS::SageMaker::ModelPackageGroup",
        "AWS::StepFunctions::StateMachine",
    }
)
"""Types with a list of tags (CloudFormation Template Reference); the others that are used here have none."""


@dataclass(frozen=True, slots=True)
class Ref:
    """The name or address of another resource."""

    resource: str


@dataclass(frozen=True, slots=True)
class GetAtt:
    """An attribute of another resource."""

    resource: str
    attribute: str = "Arn"


@dataclass(frozen=True, slots=True)
class Sub:
    """A text in which ``${AWS::AccountId}`` and ``${Bucket}`` stand for values; ``${aws:…}`` of IAM stays as it is."""

    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One resource.

    Args:
        depends_on: what must be there first, where no reference says so.
        is_data: kept when the stack is deleted, as nobody can make it again.
    """

    type: str
    properties: Mapping[str, Tree]
    depends_on: tuple[str, ...] = ()
    is_data: bool = False

    def plain(self, tags: Mapping[str, str]) -> Mapping[str, object]:
        """Return the resource as JSON."""
        properties = dict(self.properties)
        if self.type in TAGGED:
            properties["Tags"] = [{"Key": key, "Value": value} for key, value in sorted(tags.items())]
        written: dict[str, object] = {"Type": self.type}
        if self.depends_on:
            written["DependsOn"] = list(self.depends_on)
        if self.is_data:
            # Kept like Retain, but gone again when the very creation of the stack fails: the next attempt would find
            # its name taken otherwise (CloudFormation User Guide, DeletionPolicy).
            written |= {"DeletionPolicy": "RetainExceptOnCreate", "UpdateReplacePolicy": "Retain"}
        return {**written, "Properties": plain(properties)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A whole template."""

    description: str
    resources: Mapping[str, Resource]
    outputs: Mapping[str, Tree] = field(default_factory=dict[str, "Tree"])
    metadata: Mapping[str, Tree] = field(default_factory=dict[str, "Tree"])
    tags: Mapping[str, str] = field(default_factory=dict[str, str])

    def plain(self) -> dict[str, object]:
        """Return the template as JSON, its resources by name."""
        made: dict[str, object] = {"AWSTemplateFormatVersion": "2010-09-09", "Description": self.description}
        if self.metadata:
            made["Metadata"] = plain(self.metadata)
        made["Resources"] = {name: self.resources[name].plain(self.tags) for name in sorted(self.resources)}
        if self.outputs:
            made["Outputs"] = {name: {"Value": plain(self.outputs[name])} for name in sorted(self.outputs)}
        return made

    def text(self) -> str:
        """Return what is sent: as short as it can be, as 51,200 bytes may be sent directly."""
        return json.dumps(self.plain(), separators=(",", ":"), ensure_ascii=False)

    def shown(self) -> str:
        """Return what people read."""
        return json.dumps(self.plain(), indent=2, ensure_ascii=False)


def plain(value: Tree) -> object:
    """Return a property as JSON."""
    match value:
        case Ref(resource=resource):
            return {"Ref": resource}
        case GetAtt(resource=resource, attribute=attribute):
            return {"Fn::GetAtt": [resource, attribute]}
        case Sub(text=text):
            return _substituted(text)
        case str() | int() | float() | None:
            return value
        case Mapping():
            return {key: plain(below) for key, below in value.items() if below is not None}
        case _:
            return [plain(below) for below in value]


def _substituted(text: str) -> object:
    if not re.search(r"\$\{(?!aws:)", text):
        return text
    # ${!name} is CloudFormation's way to write ${name}, as IAM's own variables want it.
    return {"Fn::Sub": re.sub(r"\$\{(?=aws:)", "${!", text)}


def as_tree(value: object) -> Tree:
    """Return plain JSON, such as a policy, with a ``Sub`` for each text that names the account."""
    if isinstance(value, str):
        return Sub(value) if "${AWS::" in value else value
    if isinstance(value, Mapping):
        return {str(key): as_tree(below) for key, below in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [as_tree(below) for below in cast("Sequence[object]", value)]
    if value is None or isinstance(value, int | float):
        return value
    raise TypeError(f"{type(value).__name__} does not go into a template")
