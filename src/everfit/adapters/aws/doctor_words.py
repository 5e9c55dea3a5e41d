"""What a part of the examination is given and gives, and how a look that fails is told."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

from botocore.exceptions import ClientError

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import DENIED, MISSING, code_of, explained
from everfit.domain.aws import AwsPlace
from everfit.domain.errors import EverfitError
from everfit.domain.project import Environment, Project

Document = dict[str, Any]
NOT_THERE: Final = MISSING | {"NoSuchEntity", "NoSuchBucket", "RepositoryNotFoundException", "ImageNotFoundException"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was examined.

    Args:
        is_well: None when it cannot be known, or is worth a word.
        words: what was seen, or what to do.
    """

    name: str
    is_well: bool | None
    words: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is examined.

    Args:
        caller: ARN of whoever has the credentials.
    """

    clients: Clients
    project: Project
    environment: Environment
    place: AwsPlace
    account: str
    caller: str


def statements_of(policy: object) -> list[Document]:
    """Return the statements of a policy, which may be one that stands in no list."""
    found: object = cast("Document", policy).get("Statement") if isinstance(policy, dict) else None
    if isinstance(found, dict):
        return [cast("Document", found)]
    return cast("list[Document]", found) if isinstance(found, list) else []


def looked(name: str, what: str, look: Callable[[], Finding], *, missing: str) -> Finding:
    """Return what *look* finds.

    Args:
        what: is looked at, in words.
        missing: what to say when it is not there.
    """
    try:
        with explained(f"look at {what}"):
            return _looked(name, what, look, missing)
    except EverfitError as error:
        return Finding(name=name, is_well=None, words=str(error))


def _looked(name: str, what: str, look: Callable[[], Finding], missing: str) -> Finding:
    try:
        return look()
    except ClientError as error:
        code = code_of(error)
        if code in NOT_THERE:
            return Finding(name=name, is_well=False, words=missing)
        if code in DENIED:
            words = f"these credentials may not look at {what} ({error.operation_name}), so it is not known"
            return Finding(name=name, is_well=None, words=words)
        raise
