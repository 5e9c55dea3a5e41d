"""What the keys of an environment on AWS must be to each other and to the rest of the project."""

from collections.abc import Mapping
from typing import Any, Final

from everfit.domain.document import Fields, Reading

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
        if key not in given and not _is_written(document, name, key):
            reading.add(line, f"{at} needs aws.{key} with backend: sagemaker", expected=expected)
    training = values.get("train", {}).get("sagemaker", {})
    if "image" not in training and not ("framework" in training and "version" in training):
        expected = 'train.sagemaker: {framework: sklearn, version: "1.4-2"}, or {image: <URI in ECR>}'
        reading.add(line, f"{at}: nothing says in which image the training runs", expected=expected)
    if environment.get("hosting") == "function":
        _check_function(document, name, environment, reading)
    elif "function" in environment:
        where = document.line_of("environments", name, "function")
        reading.add(where, f"{at}.function is only for a Lambda function", expected="hosting: function")


def _is_written(document: Fields, name: str, key: str) -> bool:
    """Tell whether the key stands there with a value that could not be read: that has been told of already."""
    return document.at("aws", key) is not None or document.at("environments", name, "aws", key) is not None


def _check_function(document: Fields, name: str, environment: Values, reading: Reading) -> None:
    strategy = environment.get("rollout", {}).get("strategy")
    if strategy == "shadow":
        where = document.line_of("environments", name, "rollout")
        what = f"environments.{name}.rollout: a Lambda function has no shadow"
        reading.add(where, what, found=strategy, expected="all-at-once, canary or linear")


def _check_local(document: Fields, name: str, environment: Values, reading: Reading) -> None:
    for key in ("aws", "hosting", "function"):
        if key in environment:
            where = document.line_of("environments", name, key)
            reading.add(where, f"environments.{name}.{key} says nothing on this machine", expected="backend: sagemaker")
