"""ECR: moto keeps the account's own images; those of AWS's accounts are there unless the settings say otherwise."""

from typing import Any, cast

from moto.ecr.models import ecr_backends

from tests.aws.bench.call import Call, Document
from tests.aws.bench.errors import ACCOUNT, AwsError
from tests.aws.bench.images import is_framework, is_missing
from tests.aws.bench.operations import operation
from tests.aws.bench.world import World


@operation("ecr", "BatchGetImage")
def batch_get_image(world: World, call: Call) -> Document:
    """Other accounts answer for their own registries (API reference, BatchGetImage, registryId)."""
    registry, repository = call.params.get("registryId", ACCOUNT), call.params["repositoryName"]
    known = kept(repository, call.region) if registry == ACCOUNT else None
    answer: Document = {"images": [], "failures": []}
    for image in call.params["imageIds"]:
        uri = f"{registry}.dkr.ecr.{call.region}.amazonaws.com/{repository}:{image.get('imageTag', 'latest')}"
        is_there = is_framework(uri) if known is None else not known.isdisjoint(image.values())
        if is_there and not is_missing(world, uri, call.region):
            answer["images"].append({"registryId": registry, "repositoryName": repository, "imageId": image})
        else:
            failure = {"failureCode": "ImageNotFound", "failureReason": "Requested image not found"}
            answer["failures"].append({"imageId": image, **failure})
    return answer


def kept(repository: str, region: str) -> set[str]:
    """Return tags and digests of what moto keeps in a repository."""
    backend: Any = cast("Any", ecr_backends[ACCOUNT])[region]
    if repository not in backend.repositories:
        words = f"The repository with name '{repository}' does not exist in the registry with id '{ACCOUNT}'"
        raise AwsError("RepositoryNotFoundException", words)
    images = backend.repositories[repository].images
    return {str(name) for each in images for name in (*each.image_tags, each.get_image_digest())}
