"""Keeps the object that says what was trained last, for programs that read it."""

import json
from collections.abc import Callable
from typing import Final

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.metrics_channel import EvidenceOf
from everfit.adapters.aws.s3_objects import NOTHING, Put, S3Objects
from everfit.application.ports.channels import Letter
from everfit.domain.alert import Channel
from everfit.domain.aws import split_url
from everfit.domain.errors import BackendError, NotFoundError
from everfit.domain.notice import NoticeKind
from everfit.domain.project import Project
from everfit.domain.told_figures import is_newer, last_trained

ATTEMPTS: Final = 5


class LastTrainedSender:
    """Writes the object by conditional writes, so that an older message never takes the place of a newer one."""

    def __init__(self, clients_in: Callable[[str], Clients], project: Project, evidence: EvidenceOf) -> None:
        self._clients_in = clients_in
        self._project = project
        self._evidence = evidence

    def send(self, letter: Letter) -> None:
        content = letter.message.content
        environment = self._project.environments.get(str(content.get("environment")))
        place = None if environment is None else environment.aws
        if place is None or place.last_trained is None or content["kind"] == NoticeKind.TEST.value:
            return
        said = last_trained(content, self._evidence(content))
        if said is None:
            return
        bucket, key = split_url(place.last_trained)
        objects = S3Objects(self._clients_in(place.region), place, bucket)
        body = json.dumps(said, indent=2, sort_keys=True).encode()
        for _ in range(ATTEMPTS):
            before, etag = _kept(objects, key)
            if not is_newer(said, before):
                return
            if objects.put(Put(key=key, body=body, replaces=etag)) is not None:
                return
        raise BackendError(f"{place.last_trained} is being written by others all the time.", retryable=True)

    def trouble(self, channel: Channel) -> str | None:
        del channel
        return None


def _kept(objects: S3Objects, key: str) -> tuple[object, str]:
    """Return what the object says, and what a write must replace."""
    try:
        content = objects.get(key)
    except NotFoundError:
        return None, NOTHING
    if content is None:
        return None, NOTHING
    try:
        return json.loads(content.data), content.facts.etag
    except ValueError:
        return None, content.facts.etag
