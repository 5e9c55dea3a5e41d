"""Whether an interpreter already has what a ``requirements.txt`` asks for."""

import importlib.metadata
from collections.abc import Iterator

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name


def is_satisfied(requirements: str) -> bool:
    """Tell whether the interpreter that runs this has everything that the text asks for."""
    try:
        wanted = [Requirement(line) for line in lines_of(requirements)]
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


def lines_of(requirements: str) -> Iterator[str]:
    """Yield what each line says, without comments."""
    for line in requirements.replace("\\\n", " ").splitlines():
        # A comment needs a space before it: the fragment of a URL has none.
        if text := f" {line}".split(" #")[0].strip():
            yield text


def points_to_files(requirements: str) -> bool:
    """Tell whether what is asked for depends on files beside the text."""
    return any(
        line.startswith(("-r", "-c", "-e", "--req", "--con", "--edit", ".", "/")) for line in lines_of(requirements)
    )
