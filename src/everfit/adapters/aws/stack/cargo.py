"""What a stack's functions run and read, and how it comes into the bucket."""

from collections.abc import Callable, Mapping
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
        bundle: uploads the project's code and what jobs install, and gives what puts the project in force.
    """

    package: Parcel
    handlers: Mapping[Role, str]
    bundle: Callable[[], ProjectBundle]


def ship(objects: S3Objects, parcel: Parcel) -> bool:
    """Write the parcel unless it is there, and return whether it was written."""
    put = Put(key=parcel.key, body=parcel.body, replaces=NOTHING, sha256=parcel.sha256)
    return objects.put(put) is not None
