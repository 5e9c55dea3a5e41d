"""New data in S3 as one ``repository_dispatch`` of GitHub, however many objects a batch brings.

Source: GitHub's REST reference, "Create a repository dispatch event": 204 without a body; at most ten properties in
``client_payload``, at most 100 letters in ``event_type``.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from everfit.domain.errors import BackendError, EverfitError, RequestError
from everfit.domain.s3_event import S3Change

USUAL_EVENT: Final = "dataset-upload"
USUAL_API: Final = "https://api.github.com"
MOST_KEYS: Final = 20
"""A key has 1,024 bytes at most, and GitHub takes 64 kB."""

_OWNER: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,38}")
_NAME: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
_API: Final = re.compile(r"(https://[A-Za-z0-9.-]+(:[0-9]+)?|http://(127\.0\.0\.1|localhost)(:[0-9]+)?)(/[\w./-]*)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class GitHubRepository:
    """The repository that is told of new data."""

    owner: str
    name: str
    event: str = USUAL_EVENT
    api: str = USUAL_API

    @property
    def url(self) -> str:
        """Where a dispatch is posted to."""
        return f"{self.api}/repos/{self.owner}/{self.name}/dispatches"


def repository_of(variables: Mapping[str, str]) -> GitHubRepository:
    """Return what the environment of the function says.

    Raises:
        RequestError: a variable is missing or wrong.
    """
    found = {
        name: variables.get(name) or usual
        for name, usual in (
            ("GITHUB_OWNER", ""),
            ("GITHUB_REPO", ""),
            ("GITHUB_EVENT_TYPE", USUAL_EVENT),
            ("GITHUB_API_URL", USUAL_API),
        )
    }
    for name, pattern in (("GITHUB_OWNER", _OWNER), ("GITHUB_REPO", _NAME), ("GITHUB_API_URL", _API)):
        if not pattern.fullmatch(found[name]):
            said = f"is {found[name]!r}, which is none" if found[name] else "is not set"
            raise RequestError(f"{name} {said}; it names the repository that is told of new data.")
    event = found["GITHUB_EVENT_TYPE"]
    if len(event) > 100 or not event.isprintable():
        raise RequestError("GITHUB_EVENT_TYPE must be at most 100 letters that can be printed.")
    return GitHubRepository(
        owner=found["GITHUB_OWNER"],
        name=found["GITHUB_REPO"],
        event=event,
        api=found["GITHUB_API_URL"].rstrip("/"),
    )


def dispatch_body(repository: GitHubRepository, changes: Sequence[S3Change]) -> bytes | None:
    """Return what is posted for the objects that were written; None when none was."""
    written = [change for change in changes if not change.is_removal]
    if not written:
        return None
    bucket = written[0].bucket
    keys = list(dict.fromkeys(change.key for change in written if change.bucket == bucket))
    payload = {"bucket": bucket, "keys": keys[:MOST_KEYS], "count": len({(each.bucket, each.key) for each in written})}
    return json.dumps({"event_type": repository.event, "client_payload": payload}).encode()


def refused(repository: GitHubRepository, status: int, *, is_limited: bool = False) -> EverfitError:
    """Return what the answer means, and whether trying again can help.

    Args:
        is_limited: whether the answer asks for patience, which GitHub also does with 403.
    """
    where = f"GitHub repository {repository.owner}/{repository.name}"
    if is_limited or status == 429 or status >= 500:
        return BackendError(f"The {where} cannot be told of new data right now (status {status}).", retryable=True)
    words = {
        401: "GitHub does not know the token. Make a new one, and put it into GITHUB_TOKEN_SECRET or GITHUB_TOKEN.",
        403: "the token may not start workflows. It needs write access to the contents of the repository.",
        404: "there is none of that name, or the token cannot see it. Look at GITHUB_OWNER, GITHUB_REPO and token.",
        422: "GitHub does not take the event. Look at GITHUB_EVENT_TYPE.",
    }
    said = words.get(status, "it was renamed or moved. Look at GITHUB_OWNER and GITHUB_REPO." if status < 400 else "")
    return RequestError(f"The {where} was not told of new data (status {status}): {said or 'GitHub refused it.'}")
