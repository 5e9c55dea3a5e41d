"""What a package of a model holds: the model's folder, the code, and the requirements."""

import os
from collections.abc import Mapping

from everfit.adapters.files.archive import Member
from everfit.adapters.files.tree import Tree, TreeFile
from everfit.domain.errors import RequestError


def plain_digest(digest: str) -> str:
    """Return the digits of an artifact's digest, or raise ``RequestError`` when it is none."""
    kind, _, plain = digest.partition(":")
    if kind != "sha256" or len(plain) != 64 or not set(plain) <= set("0123456789abcdef"):
        raise RequestError(f"{digest!r} is not the digest of an artifact; one looks like sha256:… with 64 digits.")
    return plain


def package_members(model: str, code: str | None, requirements: str | None) -> dict[str, Member]:
    """Return what goes into the package, by its name there.

    Args:
        code: the folder that becomes ``code/``.
        requirements: the text that becomes ``code/requirements.txt``.

    Raises:
        RequestError: there is no model, or something that cannot be packed.
    """
    members = folder_members("", model)
    if not any(isinstance(member, TreeFile) for member in members.values()):
        raise RequestError(f"{model} holds no model. Let the training script write it to SM_MODEL_DIR.")
    if code is not None:
        members |= {"code": None, **folder_members("code/", code)}
    if requirements is not None:
        members |= {"code": None, "code/requirements.txt": requirements.encode()}
    return members


def folder_members(prefix: str, folder: str) -> dict[str, Member]:
    """Return the files of a folder and the folders that they are in, each under *prefix*."""
    root = os.path.realpath(folder)
    if not os.path.isdir(root):
        raise RequestError(f"There is no folder {folder} to pack.")
    members: dict[str, Member] = {}
    for file in Tree(root=root, leaves_out=_is_cache).files():
        parts = file.path.split("/")[:-1]
        members |= {prefix + "/".join(parts[: depth + 1]): None for depth in range(len(parts))}
        members[prefix + file.path] = file
    return members


def size_of(members: Mapping[str, Member]) -> int:
    """Return how many bytes the files have together."""
    return sum(member.stat.st_size for member in members.values() if isinstance(member, TreeFile))


def _is_cache(path: str) -> bool:
    return path.rpartition("/")[2] == "__pycache__"
