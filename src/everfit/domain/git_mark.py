"""What is remembered of a repository, and what has moved in it since.

A branch or a pattern of tags that is seen for the first time is taken as it stands and starts nothing: a trigger that
was just written must not fire for what happened before it.
"""

import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from everfit.domain.errors import RequestError
from everfit.domain.release_name import precedence, tag_name

MOST_TAGS: Final = 45_000
"""So many tags can be remembered of a repository."""
_LETTERS: Final = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedBranch:
    """A branch that stands at another commit; ``old`` is None when it was not there."""

    branch: str
    old: str | None
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MovedTag:
    """A tag that is new, or stands at another commit."""

    tag: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """How a repository stood.

    Args:
        branches: commit of each that is watched; None when it was not there.
        tags: of each pattern that is watched, one short text for each tag and its commit.
    """

    branches: Mapping[str, str | None] = field(default_factory=dict[str, "str | None"])
    tags: Mapping[str, Collection[str]] = field(default_factory=dict[str, "Collection[str]"])


def seen_from_json(value: Mapping[str, object]) -> Seen:
    """Return what was remembered; what cannot be read counts as never seen."""
    branches, tags = value.get("branches"), value.get("tags")
    return Seen(
        branches=cast("Mapping[str, str | None]", branches) if isinstance(branches, Mapping) else {},
        tags=cast("Mapping[str, Collection[str]]", tags) if isinstance(tags, Mapping) else {},
    )


def seen_to_json(seen: Seen) -> dict[str, object]:
    """Return what is to be remembered, as JSON."""
    return {"branches": dict(seen.branches), "tags": {key: sorted(value) for key, value in seen.tags.items()}}


def look_at_branches(
    seen: Seen, now: Mapping[str, str], watched: Collection[str]
) -> tuple[list[MovedBranch], dict[str, str | None]]:
    """Return the watched branches that moved, and how all watched ones stand now."""
    stand = {branch: now.get(branch) for branch in sorted(watched)}
    moved = [
        MovedBranch(branch=branch, old=seen.branches[branch], new=commit)
        for branch, commit in stand.items()
        if commit is not None and branch in seen.branches and seen.branches[branch] != commit
    ]
    return moved, stand


def look_at_tags(
    seen: Seen, now: Mapping[str, str], watched: Collection[str]
) -> tuple[list[MovedTag], dict[str, list[str]]]:
    """Return the tags of watched patterns that moved, the oldest release first, and what to remember of all."""
    moved: dict[str, tuple[object, ...]] = {}
    stand: dict[str, list[str]] = {}
    for pattern in sorted(watched):
        found = {tag: name for tag in now if (name := tag_name(pattern, tag)) is not None}
        short = {tag: _short(tag, now[tag]) for tag in found}
        stand[pattern] = sorted(short.values())
        if pattern in seen.tags:
            known = frozenset(seen.tags[pattern])
            moved |= {tag: _order(found[tag].release) for tag in found if short[tag] not in known}
    if sum(map(len, stand.values())) > MOST_TAGS:
        raise RequestError(
            f"More than {MOST_TAGS:,} tags fit the patterns in everfit.yaml ({', '.join(stand)}). Delete old tags, "
            "or write a narrower pattern."
        )
    return [MovedTag(tag=tag, commit=now[tag]) for tag in sorted(moved, key=lambda each: (moved[each], each))], stand


def _order(release: str | None) -> tuple[object, ...]:
    return (0, ()) if release is None else (1, precedence(release))


def _short(tag: str, commit: str) -> str:
    return hashlib.sha256(f"{commit} {tag}".encode()).hexdigest()[:_LETTERS]
