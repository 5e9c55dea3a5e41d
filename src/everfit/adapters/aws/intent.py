"""What is wanted of an endpoint, as one object in S3: its fence, its versions and the change that is under way.

SageMaker and Lambda know no fencing token. Whoever changes an endpoint first writes its token here, by a conditional
write, and an older token is refused; so of two controllers only the newer goes on.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import code_of, explained, is_ambiguous
from everfit.domain.aws import AwsPlace
from everfit.domain.errors import BackendError, StateError
from everfit.serving.desired import DesiredEndpoint, DesiredState, from_document, to_document

FORMAT: Final = 1
ATTEMPTS: Final = 10
# PutObject with If-Match or If-None-Match: 412 when the object is another one, 409 when two writes met, 404 when the
# object to match is gone (API reference, PutObject).
_CONFLICTS: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412", "409"})
_GONE: Final = frozenset({"NoSuchKey", "404"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A change that is under way, or has failed.

    Args:
        config: what shall serve: the name of a configuration, or the number of a function's version.
        identity: of the deployment; the same one is made once, whoever goes on with it.
        previous: what served before; None when nothing did.
        seen: when the endpoint was last modified before the change, as it says itself.
        asked: when AWS had accepted the change, in seconds since the epoch; None while that is not known.
        is_repair: whether the way back is being forced.
        step: of a rollout in several steps, counted from 0.
        since: when that step began, in seconds since the epoch.
        failed: why it failed; None unless it did.
    """

    config: str
    version: int
    identity: str
    previous: str | None = None
    seen: str | None = None
    asked: float | None = None
    is_repair: bool = False
    step: int = 0
    since: float = 0.0
    failed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A version that hears each request as a shadow, and answers nobody.

    Args:
        identity: of the deployment that it belongs to.
        config: with which the one before serves and this one listens.
        previous: with which the one before serves alone.
        version: the one before.
        since: when it began to listen, in seconds since the epoch; 0 before.
        failed: why it is not brought in; None unless it is not.
    """

    identity: str
    config: str
    previous: str
    version: int
    since: float = 0.0
    failed: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What is wanted of one endpoint.

    Args:
        desired: the versions that are staged, and the one that has been seen serving.
        made: version -> what stands for it on AWS.
        good: what has been seen serving last; None before the first deployment.
        scaling: what autoscaling was before it had to be taken away for a while.
    """

    desired: DesiredEndpoint
    made: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    good: str | None = None
    change: Change | None = None
    scaling: Mapping[str, Any] | None = None
    trial: Trial | None = None

    def with_change(self, change: Change | None) -> "Intent":
        """Return it with the change."""
        return replace(self, change=change)

    def without(self, version: int) -> "Intent":
        """Return it without a version that takes no traffic."""
        desired = self.desired.without_version(version)
        return replace(
            self, desired=desired, made={key: self.made[key] for key in self.made if key in desired.versions}
        )


Move = Callable[[Intent], Intent]


class Intents:
    """The objects ``endpoints/<name>.json`` of an installation."""

    def __init__(self, clients: Clients, place: AwsPlace) -> None:
        self._clients = clients
        self._place = place

    def read(self, name: str) -> Intent:
        """Return what is wanted; an endpoint that nobody has changed yet wants nothing."""
        return self._read(name)[0]

    def exists(self, name: str) -> bool:
        """Tell whether the endpoint was ever changed."""
        return self._read(name)[1] is not None

    def change(self, name: str, fence: int, move: Move) -> Intent:
        """Write what *move* makes of the newest intent, and return it; nothing is written when nothing changes.

        Args:
            move: is given the intent with the fence; it may be called again when another writer came first.

        Raises:
            FencedError: somebody with a newer token has changed the endpoint.
        """
        for _ in range(ATTEMPTS):
            before, tag = self._read(name)
            after = move(replace(before, desired=before.desired.claimed(fence)))
            if after == before or self._write(name, after, tag):
                return after
        raise BackendError(f"Endpoint {name} is changed by too many at once. Try again.", retryable=True)

    def check(self, name: str, fence: int) -> None:
        """Raise ``FencedError`` when somebody with a newer token has changed the endpoint."""
        self.read(name).desired.claimed(fence)

    def _read(self, name: str) -> tuple[Intent, str | None]:
        with explained(f"read what is wanted of endpoint {name} in {self._place.home}"):
            try:
                found = self._clients("s3").get_object(**self._address(name))
            except ClientError as error:
                if code_of(error) in _GONE:
                    return Intent(desired=DesiredEndpoint(name=name)), None
                raise
            return read_intent(name, found["Body"].read()), str(found["ETag"])

    def _write(self, name: str, intent: Intent, tag: str | None) -> bool:
        """Write it over the object with that ETag; False when another one is there by now."""
        body = written(intent)
        condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
        kept = {"ContentType": "application/json", **encryption(self._place)}
        with explained(f"write down what is wanted of endpoint {name} in {self._place.home}"):
            try:
                self._clients("s3").put_object(**self._address(name), Body=body, **condition, **kept)
            except (ClientError, BotoCoreError) as error:
                is_conflict = isinstance(error, ClientError) and code_of(error) in _CONFLICTS | _GONE
                if not is_conflict and not is_ambiguous(error):
                    raise
                # A write whose answer was lost meets itself when it is tried again: look whose object is there.
                return written(self._read(name)[0]) == body
        return True

    def _address(self, name: str) -> dict[str, str]:
        return {
            "Bucket": self._place.bucket,
            "Key": f"{self._place.prefix}/endpoints/{name}.json",
            **owner(self._place),
        }


def owner(place: AwsPlace) -> dict[str, str]:
    """Return the parameter that has S3 refuse a bucket of another account."""
    return {} if place.account is None else {"ExpectedBucketOwner": place.account}


def encryption(place: AwsPlace) -> dict[str, str]:
    """Return the parameters that encrypt a new object with the user's key, if there is one."""
    return {} if place.key is None else {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": place.key}


def written(intent: Intent) -> bytes:
    """Return the intent as the object says it."""
    name = intent.desired.name
    document = {
        "format": FORMAT,
        "desired": to_document(DesiredState(endpoints={name: intent.desired})),
        "made": {str(number): made for number, made in intent.made.items()},
        "good": intent.good,
        "change": None if intent.change is None else asdict(intent.change),
        "scaling": intent.scaling,
        "trial": None if intent.trial is None else asdict(intent.trial),
    }
    return json.dumps(document, sort_keys=True, indent=1).encode()


def read_intent(name: str, content: bytes) -> Intent:
    """Return the intent that an object says, or raise ``StateError``."""
    try:
        document: dict[str, Any] = json.loads(content)
        if document["format"] != FORMAT:
            raise StateError(
                f"What is wanted of endpoint {name} has format {document['format']}, and this Everfit knows {FORMAT}: "
                "use the newer Everfit that wrote it."
            )
        change, trial = document["change"], document["trial"]
        return Intent(
            desired=from_document(document["desired"]).endpoint(name),
            made={int(number): str(made) for number, made in document["made"].items()},
            good=document["good"],
            change=None if change is None else Change(**change),
            scaling=document["scaling"],
            trial=None if trial is None else Trial(**trial),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StateError(
            f"The object endpoints/{name}.json in the bucket is damaged ({error!r}). Put its version before back."
        ) from error
