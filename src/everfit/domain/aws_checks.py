"""What the keys of an environment on AWS must be to each other and to the rest of the project."""

from collections.abc import Mapping
from typing import Any, Final

from everfit.domain.document import Fields, Node, Reading, Scalar

Values = Mapping[str, Any]
REQUIRED: Final = {"region": "aws: {region: us-east-1, …}", "bucket": "aws: {bucket: the-name-of-a-bucket, …}"}


def check_aws(document: Fields, values: Values, reading: Reading) -> None:
    """Note every contradiction in what the project says about AWS."""
    environments: Mapping[str, Values] = values.get("environments", {})
    for name, environment in environments.items():
        if environment.get("backend") == "sagemaker":
            _check_place(document, name, environment, values, reading)
        else:
            _check_local(document, name, environment, reading)


def _check_place(document: Fields, name: str, environment: Values, values: Values, reading: Reading) -> None:
    at, line = f"environments.{name}", document.line_of("environments", name)
    given = {**values.get("aws", {}), **environment.get("aws", {})}
    for key, expected in REQUIRED.items():
        written = _written(document, name, key)
        if key not in given and written is None:
            reading.add(line, f"{at} needs aws.{key} with backend: sagemaker", expected=expected)
        elif key not in given and not reading.needs_variables and _is_unset(written):
            what = f"{at} cannot be found without aws.{key}, and a variable in it is not set"
            reading.add(written.line if written else line, what, found=written, expected="a value for that variable")
    training = document.at("train", "sagemaker")
    given_keys = {key.text for key, _ in training.pairs} if isinstance(training, Fields) else set[str]()
    if "image" not in given_keys and not {"framework", "version"} <= given_keys:
        expected = 'train.sagemaker: {framework: sklearn, version: "1.4-2"}, or {image: <URI in ECR>}'
        reading.add(line, f"{at}: nothing says in which image the training runs", expected=expected)
    if environment.get("hosting") == "function":
        _check_function(document, name, environment, reading)
    elif "function" in environment:
        where = document.line_of("environments", name, "function")
        reading.add(where, f"{at}.function is only for a Lambda function", expected="hosting: function")


def _written(document: Fields, name: str, key: str) -> Node | None:
    """Return what stands there for the key, also when it could not be read: that has been told of already."""
    return document.at("environments", name, "aws", key) or document.at("aws", key)


def _is_unset(node: Node | None) -> bool:
    return isinstance(node, Scalar) and not node.is_known


def _check_function(document: Fields, name: str, environment: Values, reading: Reading) -> None:
    strategy = environment.get("rollout", {}).get("strategy")
    if strategy in ("shadow", "rolling"):
        where = document.line_of("environments", name, "rollout")
        what = f"environments.{name}.rollout: {_STRANGE[strategy]}"
        reading.add(where, what, found=strategy, expected="all-at-once, canary or linear")


_STRANGE: Final[Mapping[str, str]] = {
    "shadow": "a Lambda function has no shadow",
    "rolling": "a Lambda function has no instances to replace one by one",
}


def _check_local(document: Fields, name: str, environment: Values, reading: Reading) -> None:
    if environment.get("rollout", {}).get("strategy") == "rolling":
        where = document.line_of("environments", name, "rollout")
        what = f"environments.{name}.rollout: there are no instances on this machine to replace one by one"
        reading.add(where, what, found="rolling", expected="all-at-once, canary, linear or shadow")
    for key in ("aws", "hosting", "function"):
        if key in environment:
            where = document.line_of("environments", name, key)
            reading.add(where, f"environments.{name}.{key} says nothing on this machine", expected="backend: sagemaker")
