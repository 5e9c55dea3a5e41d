"""Copies the user's code below the state folder, once per content, and tells which commit it came from."""

import os
import shutil
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Final

from everfit.adapters.files.digests import folder_digest
from everfit.adapters.files.disk import alone, incoming, put_folder, writing
from everfit.adapters.files.folders import importable_names, text_below
from everfit.adapters.files.tree import Tree, TreeFile, read_error
from everfit.adapters.local.checkout import Commit, check_commit, check_out
from everfit.adapters.local.git import git, text_of
from everfit.adapters.local.mirrors import Mirrors
from everfit.adapters.local.repositories import LocalRepositories
from everfit.application.ports import FrozenCode
from everfit.domain.errors import NotFoundError, RequestError
from everfit.domain.repository_name import without_credentials

_LARGEST: Final = 50_000_000
_NEVER_CODE: Final = ("__pycache__", "node_modules")


class LocalCode:
    """Frozen code as read-only folders.

    Hidden files are left out, all of them: they hold secrets, tools' caches and editors' leftovers.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._kept = home / "code"
        self._mirrors = Mirrors(home)
        self._repositories = LocalRepositories(home)

    def freeze(
        self,
        folder: str,
        *,
        leave_out: Sequence[str] = (),
        commit: str | None = None,
        repository: str | None = None,
    ) -> FrozenCode:
        if commit is None:
            tree = _code_tree(folder, leave_out, os.path.realpath(self._home))
            with alone(self._kept):
                digest, target = self._kept_copy(tree, folder)
            state = (*leave_out, os.path.relpath(os.path.realpath(self._home), tree.root))
            found, is_dirty = _commit(tree.root, state)
            return FrozenCode(digest=digest, folder=target, commit=found, is_dirty=is_dirty)
        wanted = self._found(folder, check_commit(commit), repository)
        with alone(self._kept), incoming(self._kept) as temporary:
            digest, target = self._kept_commit(wanted, temporary, leave_out)
        return FrozenCode(digest=digest, folder=target, commit=commit, is_dirty=False)

    def _found(self, folder: str, commit: str, repository: str | None) -> Commit:
        """Return the commit in a repository on this machine, to which it is fetched when it is elsewhere."""
        home = self._repositories.place(folder, repository)
        holder = self._mirrors.holder(home.remote, commit)
        if holder is None:
            address = without_credentials(home.remote.address)
            raise NotFoundError(
                f"The git repository {address} has no commit {commit}. Was its branch or tag deleted or moved since?"
            )
        return Commit(repository=holder, id=commit, folder=home.folder)

    def _kept_commit(self, commit: Commit, temporary: Path, leave_out: Sequence[str]) -> tuple[str, str]:
        root = check_out(commit, temporary, lambda path: _is_no_code(path, set(map(os.path.normpath, leave_out))))
        try:
            tree = _code_tree(str(root), leave_out, os.path.realpath(self._home))
            return self._kept_copy(tree, f"commit {commit.short}")
        except RequestError as error:
            # Where it was written for a moment tells nobody anything.
            words = str(error).replace(f"{os.path.realpath(root)}/", "").replace(str(root), "the project")
            raise RequestError(f"In commit {commit.short}: {words}") from error

    def _kept_copy(self, tree: Tree, name: str) -> tuple[str, str]:
        """Return the digest of the tree and where a copy of it lies."""
        with incoming(self._kept) as temporary:
            copy = temporary / "code"
            with writing(self._kept):
                copy.mkdir()
            for file in tree.files():
                _copy(file, copy)
            digest = folder_digest(copy)
            if not next(copy.iterdir(), None):
                raise RequestError(f"{name} holds no code. Run Everfit in the folder of the project.")
            target = self._kept / digest.partition(":")[2]
            if not target.is_dir() or folder_digest(target) != digest:
                _make_read_only(copy)
                put_folder(copy, target)
        return digest, str(target)

    def text(self, folder: str, path: str) -> str:
        return text_below(Path(folder), path)

    def modules(self, folder: str) -> frozenset[str]:
        return importable_names(Path(folder))


def _code_tree(folder: str, leave_out: Sequence[str], home: str) -> Tree:
    root = os.path.realpath(folder)
    if not os.path.isdir(root):
        raise RequestError(f"There is no folder {folder}. Run Everfit in the folder of the project.")
    out = {os.path.relpath(os.path.join(root, path), root) for path in leave_out}

    def leaves_out(path: str) -> bool:
        place = f"{root}/{path}"
        if _is_no_code(path, out):
            return True
        return os.path.isdir(place) and (os.path.exists(f"{place}/pyvenv.cfg") or os.path.realpath(place) == home)

    return Tree(root=root, leaves_out=leaves_out)


def _is_no_code(path: str, out: Collection[str]) -> bool:
    name = path.rpartition("/")[2]
    return name.startswith(".") or name in _NEVER_CODE or path in out


def _copy(file: TreeFile, copy: Path) -> None:
    if file.stat.st_size > _LARGEST:
        raise RequestError(
            f"{file.place} has {file.stat.st_size:,} bytes, too many for code (at most {_LARGEST:,}). "
            "Move it into the data folder or out of the project."
        )
    try:
        content = Path(file.place).read_bytes()
    except OSError as error:
        raise read_error(error, file.place) from error
    target = copy / file.path
    with writing(copy, len(content)):
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        target.chmod(0o755 if file.stat.st_mode & 0o100 else 0o644)


def _make_read_only(folder: Path) -> None:
    with writing(folder):
        for place, _, files in os.walk(folder):
            for name in files:
                path = os.path.join(place, name)
                os.chmod(path, os.stat(path).st_mode & 0o555)


def _commit(root: str, leave_out: Sequence[str]) -> tuple[str | None, bool]:
    if shutil.which("git") is None or text_of(git(root, "rev-parse", "--is-inside-work-tree")) != "true":
        return None, False
    hidden = (":(exclude,glob)**/.*", ":(exclude,glob)**/.*/**")
    below = (os.path.relpath(os.path.join(root, path), root) for path in leave_out)
    excluded = (f":(exclude,literal){path}" for path in below if not path.startswith(".."))
    changes = text_of(git(root, "status", "--porcelain", "--", ".", *hidden, *excluded))
    return text_of(git(root, "rev-parse", "--verify", "--quiet", "HEAD")) or None, changes != ""
