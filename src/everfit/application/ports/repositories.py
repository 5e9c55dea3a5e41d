"""The git repositories that the projects' code lives in."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from everfit.application.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A repository that pushes and tags come to.

    Args:
        name: the same for every way to write its address; see ``repository_name``.
        address: what git is given; it may hold a password and is shown to nobody.
        settings: a working copy of it, whose settings hold and which may have its commits; None when there is none.
    """

    name: str
    address: str
    settings: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where a project lives.

    Args:
        folder: of the project in the repository; empty at its top.
    """

    remote: Remote
    folder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Refs:
    """Where the branches and tags of a repository stand: the commit of each, by its short name."""

    branches: Mapping[str, str]
    tags: Mapping[str, str]


class Repositories(Protocol):
    """Git repositories, here or elsewhere. No message that is raised holds a password."""

    def home(self, workspace: Workspace) -> Home:
        """Return where a project lives; a cheap call.

        Raises:
            RequestError: it lies in no repository, and everfit.yaml names none.
        """
        ...

    def refs(self, remote: Remote) -> Refs:
        """Return where the branches and tags stand, or raise ``BackendError`` when it does not answer."""
        ...

    def sign(self, remote: Remote) -> str | None:
        """Return what is another text once a ref has moved; None when only a look at the refs can tell."""
        ...

    def changed(self, remote: Remote, old: str, new: str) -> frozenset[str] | None:
        """Return the paths that differ between two commits, from the top of the repository.

        None when a commit is no longer there. Raises ``BackendError`` when the repository does not answer.
        """
        ...
