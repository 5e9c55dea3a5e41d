"""What a stack's functions run and read, and how it comes into the bucket."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from everfit.adapters.aws.permissions import Role
from everfit.adapters.aws.project_bundle import ProjectBundle
from everfit.adapters.aws.s3_objects import NOTHING, Put, S3Objects


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A file whose key is made of its content, so that it is written once.

    Args:
        sha256: hexadecimal digest of the content.
    """

    key: str
    body: bytes | Path
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Cargo:
    """What has to be in the bucket before a stack can work.

    Args:
        package: the zip with the code of every function.
        handlers: by the role that each function acts in.
        more: the project's code, and what jobs install.
        bundle: what puts this project in force.
    """

    package: Parcel
    handlers: Mapping[Role, str]
    more: tuple[Parcel, ...]
    bundle: ProjectBundle


def ship(objects: S3Objects, parcels: Iterable[Parcel]) -> int:
    """Write what is not there yet, and return how many that were."""
    return sum(
        objects.put(Put(key=each.key, body=each.body, replaces=NOTHING, sha256=each.sha256)) is not None
        for each in parcels
    )
