"""Which programs an image has on board: framework images by the name of their repository, others as a test says."""

import re
import sys
from pathlib import Path

from tests.aws.bench.world import World

PROGRAMS = Path(__file__).parent / "programs"
# The repositories of SageMaker's framework images (SageMaker guide, "Docker Registry Paths and Example Code").
FRAMEWORKS = re.compile(
    r"\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/"
    r"(sagemaker-(scikit-learn|xgboost)|(pytorch|tensorflow|huggingface-pytorch|mxnet)-(training|inference)|sagemaker-(pytorch|tensorflow)-serving)"
    r":[\w.-]+$"
)
ECR = re.compile(r"\d{12}\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(\.cn)?/.+")


def is_framework(uri: str) -> bool:
    return FRAMEWORKS.search(uri) is not None


def has_toolkits(world: World, uri: str) -> bool:
    """Return whether the image calls ``train.py`` and ``inference.py`` as SageMaker's toolkits do."""
    return is_framework(uri) or bool(world.images.get(uri, {}).get("toolkits"))


def is_missing(world: World, uri: str, region: str) -> bool:
    """Return whether no repository has the image; one of another region is as good as none."""
    match = ECR.fullmatch(uri)
    return uri in world.settings.images_missing or (match is not None and match["region"] != region)


def train_program(world: World, uri: str) -> list[str] | None:
    """Return the command of ``docker run IMAGE train``; None when the image has no such program."""
    given = world.images.get(uri, {}).get("train")
    if given:
        return [*given, "train"]
    return [sys.executable, str(PROGRAMS / "train_toolkit.py")] if has_toolkits(world, uri) else None


def serve_program(world: World, uri: str) -> list[str] | None:
    """Return the command of ``docker run IMAGE serve``; None when the image has no such program."""
    given = world.images.get(uri, {}).get("serve")
    if given:
        return [*given, "serve"]
    return [sys.executable, str(PROGRAMS / "serve.py")] if has_toolkits(world, uri) else None
