"""The release that a tag names: what stands for the ``*`` of its pattern, when that is a semantic version.

The grammar is that of https://semver.org/spec/v2.0.0.html, with one addition: where the pattern itself does not end in
``v`` before the star, a ``v`` may stand before the version.
"""

import re
from dataclasses import dataclass
from typing import Final

from everfit.domain.errors import RuleError

PATTERN_WORDS: Final = "the name of a tag with one * where its version stands, such as staging-churn-v*"
BRANCH_WORDS: Final = "the name of one branch, such as main"
LONGEST_PATTERN: Final = 200

SHOWN: Final = 7
"""How many digits of a commit people are shown."""

_NUMBER: Final = "(?:0|[1-9][0-9]*)"
_WORD: Final = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SEMANTIC: Final = re.compile(
    rf"(?P<core>{_NUMBER}\.{_NUMBER}\.{_NUMBER})(?:-(?P<before>{_WORD}(?:\.{_WORD})*))?"
    r"(?:\+(?P<build>[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*))?"
)
_FORBIDDEN: Final = re.compile(r"[\x00-\x20\x7f~^:?\[\\]|\.\.|@\{|//|^[-/.]|[/.]$")
_LONGEST: Final = 255


@dataclass(frozen=True, slots=True, kw_only=True)
class TagName:
    """A tag that a pattern matches.

    Args:
        star: what stands for the star.
        release: the semantic version there; None when it is none.
    """

    star: str
    release: str | None


def check_pattern(text: str) -> str:
    """Return the pattern, or raise ``RuleError`` when it is none."""
    if text.count("*") != 1:
        raise RuleError("it must have exactly one *", expected=PATTERN_WORDS)
    if _FORBIDDEN.search(text) or len(text) > LONGEST_PATTERN or not is_encodable(text):
        raise RuleError("no tag can have such a name", expected=PATTERN_WORDS)
    return text


def check_branch(text: str) -> str:
    """Return the name of the branch, or raise ``RuleError`` when it is none."""
    if "*" in text or _FORBIDDEN.search(text) or len(text) > LONGEST_PATTERN or not is_encodable(text):
        raise RuleError("no branch can have such a name", expected=BRANCH_WORDS)
    if text.startswith("refs/"):
        raise RuleError("it is a ref", expected=BRANCH_WORDS, nearest=text.removeprefix("refs/heads/"))
    return text


def is_encodable(text: str) -> bool:
    """Tell whether the text can be written down as UTF-8; a lone half of a pair cannot."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def tag_name(pattern: str, tag: str) -> TagName | None:
    """Return what *tag* says by *pattern*; None when the pattern does not match it."""
    before, _, after = pattern.partition("*")
    if len(tag) < len(before) + len(after) or not tag.startswith(before) or not tag.endswith(after):
        return None
    star = tag[len(before) : len(tag) - len(after)]
    text = star if before.endswith(("v", "V")) else star.removeprefix("v")
    return TagName(star=star, release=text if is_release(text) else None)


def is_release(text: str) -> bool:
    """Tell whether the text is a semantic version."""
    return len(text) <= _LONGEST and _SEMANTIC.fullmatch(text) is not None


def precedence(release: str) -> tuple[object, ...]:
    """Return what semantic versions are sorted by; build metadata counts last, so that the order is total."""
    match = _SEMANTIC.fullmatch(release)
    if match is None:
        raise RuleError(f"{release} is not a semantic version", expected="a version such as 1.2.3")
    words = match["before"].split(".") if match["before"] else []
    before = tuple((0, _number(word), "") if word.isdigit() else (1, (0, ""), word) for word in words)
    return tuple(_number(part) for part in match["core"].split(".")), not words, before, match["build"] or ""


def _number(digits: str) -> tuple[int, str]:
    """Return what a number without leading zeros is sorted by; Python refuses to read thousands of digits."""
    return len(digits), digits


def can_both_match(one: str, other: str) -> bool:
    """Tell whether a tag could match both patterns."""
    (before, _, after), (other_before, _, other_after) = one.partition("*"), other.partition("*")
    heads = before.startswith(other_before) or other_before.startswith(before)
    return heads and (after.endswith(other_after) or other_after.endswith(after))


def named(commit: str | None, release: str | None) -> str | None:
    """Return a commit and its release in words for people, such as ``v0.1.2 at abc1234``; None when there is none."""
    if commit is None:
        return None if release is None else f"v{release}"
    return commit[:SHOWN] if release is None else f"v{release} at {commit[:SHOWN]}"
