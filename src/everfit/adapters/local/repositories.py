"""Asks git repositories, here and elsewhere, where their branches and tags stand."""

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from everfit.adapters.local.git import git, text_of
from everfit.adapters.local.mirrors import Mirrors, unreachable
from everfit.application.ports.repositories import Home, Refs, Remote
from everfit.application.workspace import Workspace
from everfit.domain.errors import BackendError, RequestError
from everfit.domain.repository_name import folder_of, is_folder, repository_name

_BRANCHES: Final = "refs/heads/"
_TAGS: Final = "refs/tags/"
_PEELED: Final = "^{}"
_COARSE: Final = 2_000_000_000
"""Nanoseconds within which two changes may have one time."""


class LocalRepositories:
    """Repositories by the git program of this machine, with its user's credentials."""

    def __init__(self, home: Path) -> None:
        self._mirrors = Mirrors(home)
        self._origins: dict[str, tuple[int, str | None]] = {}

    def home(self, workspace: Workspace) -> Home:
        return self.place(workspace.folder, workspace.project.repository.url)

    def place(self, folder: str, url: str | None) -> Home:
        """Return where the project in *folder* lives, whose everfit.yaml names that repository.

        Args:
            url: None when it names none.
        """
        root = os.path.realpath(folder)
        top = top_of(root)
        if top is None and url is None:
            raise RequestError(
                f"{folder} lies in no git repository, so no push or tag can be noticed. "
                "Put it into one, or name one in everfit.yaml: repository: {url: …}"
            )
        written = url if url is not None else self._origin(top or root) or top or root
        address = _resolved(written, root if url is not None else top or root)
        remote = Remote(name=repository_name(address), address=address, settings=top)
        return Home(remote=remote, folder="" if top in (None, root) else os.path.relpath(root, top))

    def refs(self, remote: Remote) -> Refs:
        place = remote.settings or os.path.sep
        try:
            answer = git(place, "ls-remote", "--heads", "--tags", "--end-of-options", remote.address)
        except BackendError as error:
            raise unreachable(remote, str(error)) from error
        if not answer.is_good:
            raise unreachable(remote, answer.words)
        return _refs(answer.output)

    def sign(self, remote: Remote) -> str | None:
        if not is_folder(remote.address):
            return None
        place = Path(remote.address, ".git") if Path(remote.address, ".git").exists() else Path(remote.address)
        if not (place / "refs").is_dir():
            return None
        changes = sorted(_changes(place))
        newest = max((changed for _, changed in changes), default=0)
        # Times of change are coarse: what has just changed may change again and look the same.
        unsettled = time.time_ns() if newest > time.time_ns() - _COARSE else 0
        words = "\0".join([str(unsettled), *(f"{path} {changed}" for path, changed in changes)])
        return hashlib.sha256(words.encode(errors="surrogateescape")).hexdigest()

    def changed(self, remote: Remote, old: str, new: str) -> frozenset[str] | None:
        place = self._mirrors.holder(remote, old, new)
        if place is None:
            return None
        answer = git(place, "diff-tree", "-r", "-z", "--name-only", "--end-of-options", old, new)
        if not answer.is_good:
            raise unreachable(remote, answer.words)
        return frozenset(path for path in answer.output.decode(errors="surrogateescape").split("\0") if path)

    def _origin(self, top: str) -> str | None:
        """Return the address of ``origin``; git is asked again once the settings of the repository have changed."""
        try:
            changed = os.stat(os.path.join(top, ".git", "config")).st_mtime_ns
        except OSError:
            return text_of(git(top, "config", "--get", "remote.origin.url"))
        if top not in self._origins or self._origins[top][0] != changed:
            self._origins[top] = changed, text_of(git(top, "config", "--get", "remote.origin.url"))
        return self._origins[top][1]


def top_of(folder: str) -> str | None:
    """Return the top of the working copy that the folder lies in."""
    places = (folder, *map(str, Path(folder).parents))
    return next((place for place in places if os.path.exists(os.path.join(place, ".git"))), None)


def _resolved(address: str, folder: str) -> str:
    if not is_folder(address):
        return address
    return os.path.realpath(os.path.join(folder, os.path.expanduser(folder_of(address))))


def _refs(output: bytes) -> Refs:
    branches: dict[str, str] = {}
    tags: dict[str, str] = {}
    for line in output.splitlines():
        commit, _, ref = line.partition(b"\t")
        try:
            name = ref.decode()
        except UnicodeDecodeError:
            continue  # No trigger can name it: everfit.yaml is UTF-8.
        if name.startswith(_BRANCHES):
            branches[name.removeprefix(_BRANCHES)] = commit.decode()
        elif name.startswith(_TAGS):
            # The line of what an annotated tag points to follows that of the tag itself.
            tags[name.removeprefix(_TAGS).removesuffix(_PEELED)] = commit.decode()
    return Refs(branches=branches, tags=tags)


def _changes(place: Path) -> Iterator[tuple[str, int]]:
    """Give each file and folder that git writes when a ref moves, with the time of its last change."""
    for name in ("packed-refs", "reftable"):
        yield from _change(str(place / name))
    for folder, _, _ in os.walk(place / "refs"):
        yield from _change(folder)


def _change(path: str) -> Iterator[tuple[str, int]]:
    try:
        yield path, os.stat(path).st_mtime_ns
    except OSError:
        return
