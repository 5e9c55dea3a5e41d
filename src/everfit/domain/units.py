"""Durations, sizes and shares as people write them: ``1h``, ``500MB``, ``20%``."""

import re
from datetime import timedelta
from decimal import Decimal

from everfit.domain.errors import RuleError
from everfit.domain.words import nearest

_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,15})?"
_QUANTITY = re.compile(rf"({_NUMBER}) ?([A-Za-z%]*)")

DURATION_PATTERN = rf"^(?:{_NUMBER} ?(?:ms|s|m|h|d|w) ?)+$"
SIZE_PATTERN = rf"^{_NUMBER} ?(?:B|kB|KB|MB|GB|TB|KiB|MiB|GiB|TiB)$"
SHARE_PATTERN = rf"^{_NUMBER} ?%?$"

_MILLISECONDS = {"ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_LONGER_WORDS = {
    "ms": ("msec", "millis", "millisecond", "milliseconds"),
    "s": ("sec", "secs", "second", "seconds"),
    "m": ("min", "mins", "minute", "minutes"),
    "h": ("hr", "hrs", "hour", "hours"),
    "d": ("day", "days"),
    "w": ("week", "weeks"),
}
_BYTES = {
    "B": 1,
    "kB": 10**3,
    "KB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "TB": 10**12,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
    "TiB": 2**40,
}

DURATION_WORDS = "a duration such as 200ms, 5m, 1h or 7d"
SIZE_WORDS = "a size such as 500MB or 10GiB"
SHARE_WORDS = "a share such as 20% or 0.2"

_LONGEST = timedelta(days=36_525)


def duration(text: str) -> timedelta:
    """Return what ``200ms``, ``5m``, ``1h``, ``7d`` or ``1h 30m`` says."""
    words = text.strip()
    if not re.fullmatch(DURATION_PATTERN, words):
        raise _not_a_duration(words)
    milliseconds = sum(Decimal(number) * _MILLISECONDS[unit] for number, unit in _QUANTITY.findall(words))
    # Compared before it becomes a timedelta, which cannot hold every number.
    if milliseconds > _LONGEST.days * _MILLISECONDS["d"]:
        raise RuleError("it is longer than a hundred years", expected=DURATION_WORDS)
    return timedelta(microseconds=int(milliseconds * 1000))


def size(text: str) -> int:
    """Return the bytes that ``500MB`` (millions) or ``10GiB`` (powers of two) says."""
    words = text.strip()
    match = _QUANTITY.fullmatch(words)
    if match is None or not match[2]:
        raise RuleError("it is a number without a unit" if match else "it is not a size", expected=SIZE_WORDS)
    if match[2] not in _BYTES:
        same = {unit.lower(): unit for unit in _BYTES}
        meant = same.get(match[2].lower()) or nearest(match[2], _BYTES)
        raise RuleError(f"{match[2]} is not a unit of size", expected=SIZE_WORDS, nearest=meant and match[1] + meant)
    return int(Decimal(match[1]) * _BYTES[match[2]])


def share(text: str) -> float:
    """Return what ``20%`` or ``0.2`` says: a number from 0 to 1."""
    words = text.strip()
    if not re.fullmatch(SHARE_PATTERN, words):
        raise RuleError("it is not a share", expected=SHARE_WORDS)
    number = Decimal(words.rstrip("% ")) / (100 if words.endswith("%") else 1)
    if number > 1:
        meant = None if words.endswith("%") or number > 100 else f"{words}%"
        raise RuleError("it is more than the whole", expected=SHARE_WORDS, nearest=meant)
    return float(number)


def _not_a_duration(words: str) -> RuleError:
    match = _QUANTITY.fullmatch(words)
    if match is None:
        return RuleError("it is not a duration", expected=DURATION_WORDS)
    number, unit = match.groups()
    if not unit:
        return RuleError("it is a number without a unit", expected=DURATION_WORDS)
    spelled = {word: short for short, longer in _LONGER_WORDS.items() for word in (short, *longer)}
    near = nearest(unit, spelled)
    meant = f"{number}{spelled[near]}" if near else None
    return RuleError(f"{unit} is not a unit of time", expected=DURATION_WORDS, nearest=meant)
