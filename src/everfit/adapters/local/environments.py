"""Which interpreter a job runs in: Everfit's own when it has what is asked for, else a cached virtual environment."""

import hashlib
import importlib.metadata
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from everfit.jobs.supervision import installation


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An interpreter, and how to make it when it does not exist yet.

    Args:
        folder: of the virtual environment; None for Everfit's own interpreter.
        requirements: to install in the folder; the job's supervisor does it, as a part of the job.
    """

    python: str
    folder: str | None = None
    requirements: str | None = None


class Environments:
    """The cached virtual environments below one folder, named by the digest of what they hold."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def choose(self, requirements: str | None, code: str | None = None) -> Environment:
        """Return the environment for the text of a ``requirements.txt``.

        Args:
            requirements: None asks for nothing.
            code: folder of frozen code; its content counts where the requirements point to files.
        """
        if requirements is None or is_satisfied(requirements):
            return Environment(python=sys.executable)
        lines = "\n".join(_lines(requirements))
        key = [lines, sys.version, sys.platform, code or "" if _points_to_files(requirements) else ""]
        folder = str(self._folder / hashlib.sha256("\0".join(key).encode()).hexdigest()[:32])
        return Environment(python=installation.python_of(folder), folder=folder, requirements=requirements)


def is_satisfied(requirements: str) -> bool:
    """Tell whether the interpreter that runs this has everything that the text asks for."""
    try:
        wanted = [Requirement(line) for line in _lines(requirements)]
    except InvalidRequirement:
        return False
    return all(_is_installed(requirement, "", frozenset()) for requirement in wanted)


def _is_installed(requirement: Requirement, extra: str, seen: frozenset[str]) -> bool:
    if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
        return True
    if requirement.url is not None:
        return False
    try:
        found = importlib.metadata.distribution(requirement.name)
    except importlib.metadata.PackageNotFoundError:
        return False
    if not requirement.specifier.contains(found.version, prereleases=True):
        return False
    return all(_has_extra(found, each, seen) for each in requirement.extras)


def _has_extra(found: importlib.metadata.Distribution, extra: str, seen: frozenset[str]) -> bool:
    name = f"{canonicalize_name(found.metadata['Name'])}[{canonicalize_name(extra)}]"
    if name in seen:
        return True
    offered = {canonicalize_name(each) for each in found.metadata.get_all("Provides-Extra") or []}
    needs = [Requirement(text) for text in found.requires or []]
    return canonicalize_name(extra) in offered and all(_is_installed(need, extra, seen | {name}) for need in needs)


def _lines(requirements: str) -> Iterator[str]:
    for line in requirements.replace("\\\n", " ").splitlines():
        # A comment needs a space before it: the fragment of a URL has none.
        if text := f" {line}".split(" #")[0].strip():
            yield text


def _points_to_files(requirements: str) -> bool:
    return any(
        line.startswith(("-r", "-c", "-e", "--req", "--con", "--edit", ".", "/")) for line in _lines(requirements)
    )
