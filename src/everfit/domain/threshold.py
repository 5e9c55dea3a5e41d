"""The words of the ``threshold`` template: one sentence about the limit that a new model did not keep."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from everfit.domain.conclusion import Result
from everfit.domain.notice import NoticeKind
from everfit.domain.story import Story

PERCENT: Final = ("mape", "smape")
"""Metrics whose figure is a percentage."""
_RULE: Final = re.compile(r"([A-Za-z_][A-Za-z0-9_]*) *(>=|<=|>|<) *\S+(?: holds)?")
_FIGURES: Final = re.compile(r" is (-?[0-9][-+.e0-9]*), the limit (-?[0-9][-+.e0-9]*)")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Missed:
    """A limit that was not kept, as the gate's words give it."""

    metric: str
    is_above: bool
    value: float
    limit: float


def threshold_words(story: Story) -> tuple[str, str] | None:
    """Return subject and body; None when no limit is what the story is about."""
    match story.kind:
        case NoticeKind.NEEDS_APPROVAL:
            subject, then = "Model Needs Manual Approval", "Please review and approve manually."
            missed = list(_asked(story.asked or ""))
        case NoticeKind.REJECTED:
            still = "Nothing serves yet." if story.serving is None else f"Version {story.serving} keeps serving."
            subject, then = "Model Rejected", still
            failed = (finding for finding in story.findings if finding.result is Result.FAIL)
            missed = [each for finding in failed for each in _found(finding.rule, finding.reason, is_wanted=True)]
        case _:
            return None
    if not missed:
        return None
    return subject, " ".join([*(_sentence(each) for each in missed), then])


def _asked(words: str) -> Iterator[_Missed]:
    """Yield the limit of a rule that asks for a person when it holds."""
    rule, found, reason = words.partition(" holds (")
    if found:
        yield from _found(rule.rpartition(": ")[2], reason, is_wanted=False)


def _found(rule: str, reason: str, *, is_wanted: bool) -> Iterator[_Missed]:
    """Yield what the words of a finding say.

    Args:
        is_wanted: whether the rule says how a model should be, or when a person is asked.
    """
    parsed, figures = _RULE.match(rule), _FIGURES.search(reason)
    if parsed is None or figures is None:
        return
    wants_more = parsed[2].startswith(">")
    is_above = wants_more is not is_wanted
    yield _Missed(metric=parsed[1], is_above=is_above, value=float(figures[1]), limit=float(figures[2]))


def _sentence(missed: _Missed) -> str:
    name = missed.metric.upper()
    value, limit = _figures(missed)
    word = "exceeded" if missed.is_above else "is below the"
    return f"New model {word} {name} threshold. {name}: {value}, Threshold: {limit}."


def _figures(missed: _Missed) -> tuple[str, str]:
    """Return both figures with as many digits as it takes to tell them apart, and no fewer than one."""
    unit = "%" if missed.metric.lower() in PERCENT else ""
    if not unit:
        return f"{missed.value:.6g}", f"{missed.limit:.6g}"
    for digits in range(1, 6):
        value, limit = f"{missed.value:.{digits}f}", f"{missed.limit:.{digits}f}"
        if value != limit or missed.value == missed.limit:
            return f"{value}{unit}", f"{limit}{unit}"
    return f"{missed.value}{unit}", f"{missed.limit}{unit}"
