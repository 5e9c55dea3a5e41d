"""Bare copies of remote repositories below the state folder, with the commits that were needed so far."""

import hashlib
from pathlib import Path
from typing import Final

from everfit.adapters.files.disk import alone, remove_folder, writing
from everfit.adapters.local.git import FETCH_PATIENCE, Answer, git
from everfit.application.ports.repositories import Remote
from everfit.domain.errors import BackendError
from everfit.domain.repository_name import is_folder, without_credentials

_EVERYTHING: Final = ("+refs/heads/*:refs/remotes/all/*", "+refs/tags/*:refs/tags/*")


class Mirrors:
    """Mirrors, each in a folder of its own that one process at a time may write."""

    def __init__(self, home: Path) -> None:
        self._kept = home / "git"

    def holder(self, remote: Remote, *commits: str) -> str | None:
        """Return a repository that has all the commits; None when the remote does not have them.

        Raises:
            BackendError: the remote does not answer.
        """
        known = (place for place in (remote.settings, remote.address) if place and is_folder(place))
        for place in known:
            if has_commits(place, *commits):
                return place
        if is_folder(remote.address):
            return None
        folder = self._kept / hashlib.sha256(remote.name.encode(errors="surrogateescape")).hexdigest()[:16]
        with alone(folder):
            return self._fetched(folder / "mirror", remote, commits)

    def _fetched(self, mirror: Path, remote: Remote, commits: tuple[str, ...]) -> str | None:
        if mirror.is_dir() and has_commits(str(mirror), *commits):
            return str(mirror)
        if not _is_sound(mirror):
            remove_folder(mirror)
            _make(mirror)
        place = str(mirror)
        if not all(has_commits(place, each) or _fetch_one(place, remote, each) for each in commits):
            # Some servers give no single commit.
            answer = _fetch(place, remote, *_EVERYTHING)
            if not answer.is_good:
                raise unreachable(remote, answer.words)
        return place if has_commits(place, *commits) else None


def has_commits(place: str, *commits: str) -> bool:
    """Tell whether the repository has all of the commits, and what they hold."""
    asked = "".join(f"{commit}^{{tree}}\n" for commit in commits)
    answer = git(place, "cat-file", "--batch-check", given=asked.encode())
    return answer.is_good and answer.output.count(b" tree ") == len(commits)


def unreachable(remote: Remote, words: str) -> BackendError:
    """Return what is told when a repository does not answer."""
    address = without_credentials(remote.address)
    return BackendError(
        f"The git repository {address} does not answer ({words}). Look at its address, the network and the credentials "
        "of the user that runs Everfit.",
        retryable=True,
    )


def _is_sound(mirror: Path) -> bool:
    """Tell whether the mirror is whole; a lock that is still there was left by a process that was killed."""
    return (mirror / "HEAD").is_file() and not next(mirror.rglob("*.lock"), None)


def _make(mirror: Path) -> None:
    with writing(mirror):
        mirror.mkdir(parents=True)
    answer = git(str(mirror), "init", "--bare", "--quiet", "--template=", ".")
    if not answer.is_good:
        raise BackendError(f"A git repository cannot be made in {mirror} ({answer.words}). Look at the disk.")


def _fetch_one(place: str, remote: Remote, commit: str) -> bool:
    return _fetch(place, remote, "--depth=1", f"+{commit}:refs/wanted/{commit}").is_good


def _fetch(place: str, remote: Remote, *wanted: str) -> Answer:
    options = [word for word in wanted if word.startswith("--")]
    refs = [word for word in wanted if not word.startswith("--")]
    fixed = ("--quiet", "--no-tags", "--no-write-fetch-head", "--no-recurse-submodules", "--no-auto-maintenance")
    return git(place, "fetch", *fixed, *options, "--end-of-options", remote.address, *refs, patience=FETCH_PATIENCE)
