"""Writes the files of a commit as a checkout would, without touching the working copy that holds it."""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from everfit.adapters.files.disk import writing
from everfit.adapters.local.git import FETCH_PATIENCE, Answer, git, text_of
from everfit.domain.errors import BackendError, NotFoundError, RequestError
from everfit.domain.release_name import SHOWN

_COMMIT: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SUBMODULE: Final = "160000"
_LINK: Final = "120000"
_POINTER: Final = b"version https://git-lfs.github.com/spec/v"
_LONGEST_POINTER: Final = 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class _Entry:
    mode: str
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """The part of a commit in which a project lives.

    Args:
        repository: on this machine, which has the commit.
        folder: of the project in the repository; empty at its top.
    """

    repository: str
    id: str
    folder: str

    @property
    def short(self) -> str:
        """The commit as people are shown it."""
        return self.id[:SHOWN]


def check_commit(commit: str) -> str:
    """Return the commit, or raise ``RequestError`` when it is not a whole one."""
    if _COMMIT.fullmatch(commit) is None:
        raise RequestError(f"{commit!r} is not a commit. Give all of its 40 (or 64) hexadecimal digits.")
    return commit


def check_out(commit: Commit, place: Path, leaves_out: Callable[[str], bool]) -> Path:
    """Write the project's files of the commit below *place*, and return the folder of the project there.

    Args:
        leaves_out: whether a path below the project folder is none of our business, or of a folder that is not.

    Raises:
        NotFoundError: the commit does not have the folder.
        RequestError: a part of the code is not in the commit: a submodule, or a file that is kept elsewhere.
    """
    tree = place / "tree"
    with writing(place):
        tree.mkdir()
    variables = {"GIT_DIR": _git_folder(commit), "GIT_WORK_TREE": str(tree), "GIT_INDEX_FILE": str(place / "index")}

    def ask(*arguments: str, given: bytes | None = None) -> Answer:
        # What the working copy leaves out on purpose must not be left out here.
        whole = ("-c", "core.sparseCheckout=false", *arguments)
        answer = git(str(tree), *whole, patience=FETCH_PATIENCE, given=given, variables=variables)
        if not answer.is_good:
            words = f"The commit {commit.short} cannot be read from {commit.repository} ({answer.words}). Try again."
            raise BackendError(words, retryable=True)
        return answer

    ask("read-tree", "--end-of-options", commit.id)
    below = ["--", f":(top,literal){commit.folder}"] if commit.folder else []
    entries = list(_entries(ask("ls-files", "--stage", "-z", *below).output))
    if not entries:
        raise NotFoundError(f"The commit {commit.short} has no folder {commit.folder or 'with files'}. Check the tag.")
    wanted = _wanted(entries, commit, leaves_out)
    given = b"".join(os.fsencode(entry.path) + b"\0" for entry in wanted)
    ask("checkout-index", "--force", "--quiet", "-z", "--stdin", given=given)
    _check_pointers(wanted, tree, commit)
    return tree / commit.folder


def _git_folder(commit: Commit) -> str:
    found = text_of(git(commit.repository, "rev-parse", "--absolute-git-dir"))
    if found is None:
        raise BackendError(f"The git repository {commit.repository} cannot be read any more. Look at it.")
    return found


def _entries(output: bytes) -> Iterator[_Entry]:
    for line in os.fsdecode(output).split("\0"):
        if line:
            about, _, path = line.partition("\t")
            yield _Entry(mode=about.partition(" ")[0], path=path)


def _wanted(entries: Sequence[_Entry], commit: Commit, leaves_out: Callable[[str], bool]) -> Sequence[_Entry]:
    """Return what is to be written: all files when a link may lead to one that is not code by itself."""
    start = len(commit.folder) + 1 if commit.folder else 0
    code = [entry for entry in entries if not _is_left_out(entry.path[start:], leaves_out)]
    submodule = next((entry.path for entry in code if entry.mode == _SUBMODULE), None)
    if submodule is not None:
        raise RequestError(
            f"{submodule} is a submodule in commit {commit.short}: its code is not part of the commit. "
            "Put the code into the repository, or name it as a package in requirements.txt."
        )
    if any(entry.mode == _LINK for entry in code):
        return [entry for entry in entries if entry.mode != _SUBMODULE]
    return code


def _is_left_out(path: str, leaves_out: Callable[[str], bool]) -> bool:
    parts = path.split("/")
    return any(leaves_out("/".join(parts[:depth])) for depth in range(1, len(parts) + 1))


def _check_pointers(entries: Sequence[_Entry], tree: Path, commit: Commit) -> None:
    for entry in entries:
        place = tree / entry.path
        if place.is_symlink() or not place.is_file() or place.stat().st_size > _LONGEST_POINTER:
            continue
        if place.read_bytes().startswith(_POINTER):
            raise RequestError(
                f"{entry.path} in commit {commit.short} is kept by Git LFS, so the commit only points to it. "
                "Keep code in git itself, and large files with the data."
            )
