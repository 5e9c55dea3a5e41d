"""Webhooks of GitHub: whether one is signed, and what it says."""

import hashlib
import hmac
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from everfit.domain.errors import RequestError
from everfit.domain.git_event import Change, Dispatched, Pushed, Tagged
from everfit.domain.release_name import is_encodable
from everfit.domain.repository_name import is_folder, repository_name

UNGUARDED: Final = (
    "webhooks are refused because this service has no secret to check them by; set EVERFIT_WEBHOOK_SECRET to the "
    "webhook's secret and start it again"
)
MOST_COMMITS: Final = 2048
"""GitHub lists at most so many commits of a push."""
_MOST_PATHS: Final = 3000
_LARGEST_PAYLOAD: Final = 8_000
_SIGNATURE: Final = re.compile(r"sha256=([0-9a-f]{64})", re.IGNORECASE)
_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_NO_REF: Final = re.compile(r"[\x00-\x20\x7f~^:?*\[\\]|\.\.|@\{|//|^[-/]|[/.]$")
_ADDRESSES: Final = ("clone_url", "ssh_url", "git_url", "html_url")
_DELIVERY: Final = re.compile(r"[A-Za-z0-9-]{1,100}")

Json = Mapping[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """What came over HTTP, once its signature is known to be right.

    Args:
        event: of the header ``X-GitHub-Event``.
        delivery: of the header ``X-GitHub-Delivery``.
    """

    event: str
    delivery: str
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Ignored:
    """A webhook that is nothing to us, and why."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a webhook says, and all names of the repository that it is about."""

    change: Change
    repositories: frozenset[str]


def is_signed(secrets: Sequence[str], body: bytes, signature: str | None) -> bool:
    """Tell whether *signature* is that of the raw *body* by any of the secrets; how long it takes tells nothing.

    Args:
        signature: the header ``X-Hub-Signature-256``; the older one with SHA-1 is not taken.
    """
    match = _SIGNATURE.fullmatch(signature or "")
    if match is None:
        return False
    given, is_right = bytes.fromhex(match[1]), False
    for secret in secrets:
        is_right |= hmac.compare_digest(hmac.digest(secret.encode(errors="surrogateescape"), body, "sha256"), given)
    return is_right


def decoded(webhook: Webhook, now: datetime) -> Told | Ignored:
    """Return what the webhook says, or raise ``RequestError`` when it cannot be read."""
    if webhook.event == "ping":
        return Ignored(reason="the webhook works: GitHub's ping has arrived")
    if webhook.event not in _READERS:
        return Ignored(reason=f"events of the kind {_shown(webhook.event)} start nothing here")
    if _DELIVERY.fullmatch(webhook.delivery) is None:
        raise RequestError("The header X-GitHub-Delivery is missing or no id. Send the webhook as GitHub does.")
    body = _parsed(webhook.body)
    return _READERS[webhook.event](body, webhook.delivery, now)


def _parsed(body: bytes) -> Json:
    if body.startswith(b"payload="):
        raise RequestError("The webhook is sent as a form. Set its content type to application/json in GitHub.")
    try:
        found: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RequestError("The body of the webhook is not JSON in UTF-8.") from error
    if not isinstance(found, dict):
        raise RequestError("The body of the webhook is not a JSON object.")
    return cast("Json", found)


def _push(body: Json, delivery: str, now: datetime) -> Told | Ignored:
    ref = _text(body, "ref")
    if body.get("deleted") is True or not _text(body, "after").strip("0"):
        return Ignored(reason=f"{_shown(ref)} was deleted, which starts nothing")
    names, commit, actor = _repositories(body), _commit(body), _actor(body)
    if ref.startswith("refs/tags/"):
        tag = _name(ref, "refs/tags/")
        tagged = Tagged(repository=min(names), actor=actor, at=now, delivery=delivery, tag=tag, commit=commit)
        return Told(change=tagged, repositories=names)
    if not ref.startswith("refs/heads/"):
        return Ignored(reason=f"{_shown(ref)} is neither a branch nor a tag")
    pushed = Pushed(
        repository=min(names),
        actor=actor,
        at=now,
        delivery=delivery,
        branch=_name(ref, "refs/heads/"),
        commit=commit,
        paths=_paths(body),
    )
    return Told(change=pushed, repositories=names)


def _created(body: Json, delivery: str, now: datetime) -> Told | Ignored:
    del body, delivery, now
    return Ignored(reason="the push event tells the same with its commit; let the webhook send pushes")


def _dispatch(body: Json, delivery: str, now: datetime) -> Told | Ignored:
    names = _repositories(body)
    payload = _below(body, "client_payload")
    is_small = len(json.dumps(payload)) <= _LARGEST_PAYLOAD
    change = Dispatched(
        repository=min(names),
        actor=_actor(body),
        at=now,
        delivery=delivery,
        id=_id(payload.get("id")) or delivery,
        action=_plain(_text(body, "action"), 100),
        payload=payload if is_small else None,
    )
    return Told(change=change, repositories=names)


_READERS: Final = {"push": _push, "create": _created, "repository_dispatch": _dispatch}


def _repositories(body: Json) -> frozenset[str]:
    repository = _below(body, "repository")
    addresses = [repository.get(key) for key in _ADDRESSES]
    # A webhook must never speak for a folder of this machine.
    names = frozenset(
        repository_name(each)
        for each in addresses
        if isinstance(each, str) and each.isprintable() and is_encodable(each) and not is_folder(each)
    )
    if not names:
        raise RequestError("The webhook names no repository: repository.clone_url is missing.")
    return names


def _commit(body: Json) -> str:
    """Return the commit; for an annotated tag ``after`` is the tag's own object, and the commit is ``head_commit``."""
    commit = _below(body, "head_commit").get("id", body.get("after"))
    if not isinstance(commit, str) or _COMMIT.fullmatch(commit) is None:
        raise RequestError("The webhook names no commit: head_commit.id and after must be 40 or 64 hexadecimal digits.")
    return commit


def _paths(body: Json) -> frozenset[str] | None:
    """Return the paths that changed; None when the list of commits does not tell all of them."""
    commits = body.get("commits")
    if body.get("forced") is True or body.get("created") is True or not isinstance(commits, list):
        return None
    listed = cast("list[object]", commits)
    if not 0 < len(listed) < MOST_COMMITS:
        return None
    paths: set[str] = set()
    for commit in listed:
        found = _paths_of(commit)
        if found is None or len(found) >= _MOST_PATHS:
            return None
        paths.update(found)
    return frozenset(paths)


def _paths_of(commit: object) -> list[str] | None:
    if not isinstance(commit, dict):
        return None
    lists = [cast("Json", commit).get(key) for key in ("added", "removed", "modified")]
    if not all(isinstance(each, list) for each in lists):
        return None
    return [path for each in lists for path in _texts(cast("list[object]", each))]


def _texts(values: list[object]) -> Iterator[str]:
    return (value for value in values if isinstance(value, str))


def _actor(body: Json) -> str:
    for section, key in (("sender", "login"), ("pusher", "name")):
        name = _below(body, section).get(key)
        if isinstance(name, str) and name:
            return _plain(name, 100)
    return "github"


def _name(ref: str, prefix: str) -> str:
    name = ref.removeprefix(prefix)
    if not name or len(name) > 1000 or _NO_REF.search(name) or not is_encodable(name):
        raise RequestError(f"The webhook names {_shown(ref)}, which no branch or tag can be called.")
    return name


def _below(body: Json, key: str) -> Json:
    """Return the object of that name; what is none is an empty one."""
    found = body.get(key)
    return cast("Json", found) if isinstance(found, dict) else {}


def _text(body: Json, key: str) -> str:
    value = body.get(key)
    if not isinstance(value, str):
        raise RequestError(f"The webhook has no usable {key!r}: it must be a text.")
    return value


def _id(value: object) -> str | None:
    """Return a program's own id in a form that is short and safe to keep; None when it gave none."""
    if not isinstance(value, (str, int)) or isinstance(value, bool) or value == "":
        return None
    return hashlib.sha256(str(value).encode(errors="surrogatepass")).hexdigest()[:32]


def _plain(text: str, most: int) -> str:
    return "".join(letter if letter.isprintable() else "�" for letter in text[:most])


def _shown(text: str) -> str:
    return repr(_plain(text, 100))
