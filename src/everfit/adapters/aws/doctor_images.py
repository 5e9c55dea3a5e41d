"""Examines the images of jobs and endpoints: there, and readable."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.doctor_words import Finding, Subject, looked
from everfit.adapters.aws.images import own_image, serving_image, training_image
from everfit.domain.errors import RequestError

_ECR: Final = re.compile(
    r"(?P<account>[0-9]{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/"
    r"(?P<repository>[^:@]+)(?:@(?P<digest>sha256:[0-9a-f]{64})|:(?P<tag>[^:@]+))?"
)


def examine_images(subject: Subject) -> Iterator[Finding]:
    """Yield what was found out about each image."""
    project, place = subject.project, subject.place
    uris: dict[str, str] = {}
    wanted: tuple[tuple[str, Callable[[], str]], ...] = (
        ("Everfit's own jobs", partial(own_image, place)),
        ("the training", partial(training_image, project, place)),
        ("what serves", partial(serving_image, project, place)),
    )
    for what, find in wanted:
        try:
            uris.setdefault(find(), what)
        except RequestError as error:
            yield Finding(name="image", is_well=False, words=str(error))
    for uri, what in uris.items():
        yield _image(subject, uri, what)


def _image(subject: Subject, uri: str, what: str) -> Finding:
    match = _ECR.fullmatch(uri)
    if match is None:
        words = f"the image of {what} is not in ECR ({uri}): SageMaker loads images from there alone"
        return Finding(name="image", is_well=False, words=words)
    if match["region"] != subject.place.region:
        words = f"the image of {what} is in {match['region']}: copy it to {subject.place.region}"
        return Finding(name="image", is_well=False, words=words)

    def look() -> Finding:
        failure = _failure(subject.clients, match)
        if failure is not None:
            return Finding(name="image", is_well=False, words=f"{uri}, for {what}: {failure}")
        return Finding(name="image", is_well=True, words=f"{uri}, for {what}")

    return looked("image", f"the image {uri}", look, missing=f"there is no image {uri}, for {what}: push it")


def _failure(clients: Clients, match: re.Match[str]) -> str | None:
    """Return why the image cannot be had; BatchGetImage works for AWS's own repositories as well."""
    identity = {"imageDigest": match["digest"]} if match["digest"] else {"imageTag": match["tag"] or "latest"}
    answer: dict[str, Any] = clients("ecr").batch_get_image(
        registryId=match["account"], repositoryName=match["repository"], imageIds=[identity]
    )
    failures: list[dict[str, Any]] = answer.get("failures", [])
    if failures:
        return str(failures[0].get("failureReason") or failures[0].get("failureCode"))
    return None if answer.get("images") else "it is not there"
