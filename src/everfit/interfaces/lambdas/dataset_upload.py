"""New objects in S3 start the workflow of a GitHub repository: one ``repository_dispatch`` for each batch.

It takes S3's own notifications, EventBridge's events of S3, and both within SNS or SQS. What GitHub does not take is
raised, so that Lambda or the queue tries again and nothing is lost; the message says whether a person must mend it.
"""

from collections.abc import Mapping
from functools import lru_cache
from http.client import HTTPException
from typing import Final
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, Request, build_opener

from everfit.domain.errors import BackendError, RequestError
from everfit.domain.repository_dispatch import GitHubRepository, dispatch_body, refused, repository_of
from everfit.domain.s3_event import s3_changes
from everfit.settings import read_settings

SECONDS: Final = 10
UNKNOWN_TOKEN: Final = 401


class _Stay(HTTPRedirectHandler):
    """Follows no redirection: the token is for one address."""

    def redirect_request(self, *_: object, **__: object) -> None:
        """Return nothing, so that the answer itself is what comes back."""


_OPENER: Final = build_opener(_Stay())


def handler(event: object, context: object = None) -> Mapping[str, object]:
    """Tell the repository of the objects that *event* names.

    Raises:
        RequestError: a variable or the token is wrong.
        BackendError: GitHub cannot be reached or asks for patience.
    """
    del context
    variables = read_settings().variables
    repository = repository_of(variables)
    changes = list(s3_changes(event))
    body = dispatch_body(repository, changes)
    if body is None:
        return {"dispatched": False, "objects": 0}
    _send(repository, body, variables)
    return {"dispatched": True, "objects": len(changes), "repository": f"{repository.owner}/{repository.name}"}


def _send(repository: GitHubRepository, body: bytes, variables: Mapping[str, str]) -> None:
    secret, token = variables.get("GITHUB_TOKEN_SECRET"), variables.get("GITHUB_TOKEN")
    if not secret:
        if not token:
            raise RequestError("Neither GITHUB_TOKEN_SECRET nor GITHUB_TOKEN is set; GitHub wants a token.")
        status, is_limited = _posted(repository, body, token)
    else:
        status, is_limited = _posted(repository, body, _secret(secret))
        if status == UNKNOWN_TOKEN:
            # It may have been replaced since this function was started.
            _secret.cache_clear()
            status, is_limited = _posted(repository, body, _secret(secret))
    if not 200 <= status < 300:
        raise refused(repository, status, is_limited=is_limited)


def _posted(repository: GitHubRepository, body: bytes, token: str) -> tuple[int, bool]:
    """Post the dispatch and return the status, and whether GitHub asks for patience."""
    headers = {
        "Authorization": f"Bearer {token}",
        "Accept": "application/vnd.github+json",
        "Content-Type": "application/json",
        "User-Agent": "everfit",
        "X-GitHub-Api-Version": "2022-11-28",
    }
    # repository_of has taken nothing but https, and http on this machine.
    request = Request(repository.url, data=body, headers=headers, method="POST")  # noqa: S310
    try:
        with _OPENER.open(request, timeout=SECONDS) as answer:
            return answer.status, False
    except HTTPError as error:
        # REST reference, "Rate limits": 403 or 429, with one of these headers.
        is_limited = "Retry-After" in error.headers or error.headers.get("X-RateLimit-Remaining") == "0"
        with error:
            return error.code, is_limited
    except (OSError, HTTPException) as error:
        # No cause: nothing that was sent may stand in a log.
        reason = type(error).__name__
        raise BackendError(f"GitHub does not answer at {repository.api} ({reason}).", retryable=True) from None


@lru_cache(maxsize=1)
def _secret(arn: str) -> str:
    from everfit.bootstrap_aws.secrets import secret_text  # noqa: PLC0415 - loads boto3, which a plain token needs not

    text = secret_text(arn).strip()
    if not text or not text.isprintable():
        raise RequestError("The secret that GITHUB_TOKEN_SECRET names holds no token: store the token alone, as text.")
    return text
