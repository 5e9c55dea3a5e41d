"""Copies the user's code below the state folder, once per content, and tells which commit it came from."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from blake3 import blake3

from everfit.adapters.local.disk import alone, incoming, put_folder, writing
from everfit.adapters.local.objects import digest_of
from everfit.adapters.local.tree import Tree, TreeFile, read_error
from everfit.application.ports import FrozenCode
from everfit.domain.errors import BackendError, NotFoundError, RequestError

_LARGEST: Final = 50_000_000
_NEVER_CODE: Final = ("__pycache__", "node_modules")
_PATIENCE: Final = 30


class LocalCode:
    """Frozen code as read-only folders.

    Hidden files are left out, all of them: they hold secrets, tools' caches and editors' leftovers.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._kept = home / "code"

    def freeze(self, folder: str, *, leave_out: Sequence[str] = ()) -> FrozenCode:
        tree = _code_tree(folder, leave_out, os.path.realpath(self._home))
        with alone(self._kept), incoming(self._kept) as temporary:
            copy = temporary / "code"
            with writing(self._kept):
                copy.mkdir()
            for file in tree.files():
                _copy(file, copy)
            digest = _digest(copy)
            if not next(copy.iterdir(), None):
                raise RequestError(f"{folder} holds no code. Run Everfit in the folder of the project.")
            target = self._kept / digest.partition(":")[2]
            if not target.is_dir() or _digest(target) != digest:
                _make_read_only(copy)
                put_folder(copy, target)
        commit, is_dirty = _commit(tree.root, (*leave_out, os.path.relpath(os.path.realpath(self._home), tree.root)))
        return FrozenCode(digest=digest, folder=str(target), commit=commit, is_dirty=is_dirty)

    def text(self, folder: str, path: str) -> str:
        place = Path(folder, path)
        if not place.resolve().is_relative_to(Path(folder).resolve()):
            raise NotFoundError(f"{path} lies outside the project. Put it inside.")
        try:
            return place.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError as error:
            raise RequestError(f"{path} is not UTF-8 text ({error.reason}). Save it as UTF-8.") from error
        except OSError as error:
            raise NotFoundError(f"There is no file {path} in the project's code. Check its name.") from error

    def modules(self, folder: str) -> frozenset[str]:
        tree = Tree(root=os.path.realpath(folder), leaves_out=lambda _: False)
        tops = (file.path.partition("/")[0] for file in tree.files() if file.path.endswith((".py", ".so", ".pyd")))
        return frozenset(name.partition(".")[0] for name in tops if name.partition(".")[0].isidentifier())


def _code_tree(folder: str, leave_out: Sequence[str], home: str) -> Tree:
    root = os.path.realpath(folder)
    if not os.path.isdir(root):
        raise RequestError(f"There is no folder {folder}. Run Everfit in the folder of the project.")
    out = {os.path.relpath(os.path.join(root, path), root) for path in leave_out}

    def leaves_out(path: str) -> bool:
        name, place = path.rpartition("/")[2], f"{root}/{path}"
        if name.startswith(".") or name in _NEVER_CODE or path in out:
            return True
        return os.path.isdir(place) and (os.path.exists(f"{place}/pyvenv.cfg") or os.path.realpath(place) == home)

    return Tree(root=root, leaves_out=leaves_out)


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


def _digest(folder: Path) -> str:
    """Return the digest of every file's path, executable bit and content; what else lies there counts as well."""
    hasher = blake3()
    with writing(folder):
        for path in sorted(_all_below(folder)):
            place = folder / path
            if place.is_symlink() or not place.is_file():
                hasher.update(f"other {path}\0".encode())
                continue
            with place.open("rb") as file:
                mode = "x" if place.stat().st_mode & 0o100 else "-"
                hasher.update(f"{mode} {path}\0{digest_of(file)}\0".encode())
    return f"blake3:{hasher.hexdigest()}"


def _all_below(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        for name in files:
            yield os.path.relpath(os.path.join(place, name), folder)
        for name in folders:
            if os.path.islink(os.path.join(place, name)):
                yield os.path.relpath(os.path.join(place, name), folder)


def _make_read_only(folder: Path) -> None:
    with writing(folder):
        for place, _, files in os.walk(folder):
            for name in files:
                path = os.path.join(place, name)
                os.chmod(path, os.stat(path).st_mode & 0o555)


def _commit(root: str, leave_out: Sequence[str]) -> tuple[str | None, bool]:
    if shutil.which("git") is None or _git(root, "rev-parse", "--is-inside-work-tree") != "true":
        return None, False
    hidden = (":(exclude,glob)**/.*", ":(exclude,glob)**/.*/**")
    below = (os.path.relpath(os.path.join(root, path), root) for path in leave_out)
    excluded = (f":(exclude,literal){path}" for path in below if not path.startswith(".."))
    changes = _git(root, "status", "--porcelain", "--", ".", *hidden, *excluded)
    return _git(root, "rev-parse", "--verify", "--quiet", "HEAD") or None, changes != ""


def _git(root: str, *arguments: str) -> str | None:
    # No optional locks: somebody may be committing; no file monitor: a repository must not start programs here.
    command = ["git", "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", root, *arguments]
    # A hook of git sets GIT_DIR and more for its children: they would point at another repository.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False, env=environment)
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"git did not answer within {_PATIENCE} s in {root}. Try again.", retryable=True) from error
    return done.stdout.strip() if done.returncode == 0 else None
