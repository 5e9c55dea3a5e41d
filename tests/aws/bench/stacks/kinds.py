"""What each type of resource is in calls: create, update, delete; its reference and its attributes."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import ClientError

from tests.aws.bench.call import Document
from tests.aws.bench.world import World

GONE = {
    "NoSuchEntity", "ResourceNotFoundException", "NoSuchBucket", "NotFoundException", "NotFound", "ResourceNotFound",
    "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "StateMachineDoesNotExist", "NoSuchBucketPolicy",
}  # fmt: skip


@dataclass(slots=True, kw_only=True)
class Place:
    """Where a resource is made: by whose rights, and under which name when it has none of its own.

    Args:
        role: the service role of the stack, or the role of who called; None for the user.
    """

    world: World
    region: str
    role: str | None
    stack: str
    logical: str
    tags: list[Document]

    def client(self, service: str) -> Any:
        return self.world.client(service, self.region, self.role)

    def name(self, limit: int = 63) -> str:
        """Return a new name: stack, logical name, and twelve signs."""
        tail = uuid.uuid4().hex[:12].upper()
        return f"{self.stack}-{self.logical}"[: limit - 13] + f"-{tail}"

    def all_tags(self, given: Document) -> list[Document]:
        """Return the tags of the resource with those of the stack."""
        own = given.get("Tags", [])
        listed = own if isinstance(own, list) else [{"Key": key, "Value": value} for key, value in own.items()]
        mine = {tag["Key"]: tag["Value"] for tag in listed}
        return [{"Key": key, "Value": value} for key, value in {**tag_map(self.tags), **mine}.items()]


def tag_map(tags: list[Document]) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in tags}


Made = tuple[str, Document]
Create = Callable[[Place, Document], Made]
Update = Callable[[Place, str, Document, Document], Made]
Delete = Callable[[Place, str, Document], None]
Read = Callable[[Place, str], Document]


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """The calls of one type.

    Args:
        create: returns what ``Ref`` gives and the attributes.
        update: the same, from the old to the new properties; None makes everything anew by create.
        read: returns properties as they really are, for drift; None cannot tell.
    """

    create: Create
    update: Update
    delete: Delete
    read: Read | None = None


KINDS: dict[str, Kind] = {}


def is_gone(error: ClientError) -> bool:
    return str(error.response["Error"]["Code"]) in GONE or "does not exist" in str(error)


def chosen(given: Document, *names: str) -> Document:
    return {name: given[name] for name in names if name in given}
