"""The single values of the project file: texts, names, words, numbers, durations, patterns."""

import re
import warnings
from collections.abc import Callable
from datetime import timedelta

from everfit.domain import units
from everfit.domain.document import Scalar
from everfit.domain.errors import RuleError
from everfit.domain.value import Single
from everfit.domain.words import listed, nearest

_NAME_PATTERN = r"^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$"
_NOT_A_PATH = re.compile(r"^(?:/|~|[A-Za-z]:)|\\|(?:^|/)\.\.(?:/|$)|[\x00-\x1f]")
_SOME_TEXT = {"type": ["string", "number"], "minLength": 1}


def _text(scalar: Scalar) -> str:
    if isinstance(scalar.value, bool):
        raise RuleError("it is true or false, not a text", expected="a text; put it in quotes")
    if not scalar.text.strip():
        raise RuleError("it is empty")
    return scalar.text


def _parsed(parse: Callable[[str], object]) -> Callable[[Scalar], object]:
    return lambda scalar: parse(_text(scalar))


def word(*choices: str) -> Single:
    """Return the kind of value that is one of *choices*."""

    def parse(scalar: Scalar) -> str:
        if scalar.text not in choices:
            near = nearest(scalar.text, choices)
            raise RuleError("it is not one of the words", nearest=near)
        return scalar.text

    return Single(words=listed(choices), parse=parse, json={"enum": list(choices)})


def whole(low: int, high: int) -> Single:
    """Return the kind of value that is a whole number from *low* to *high*."""
    words = f"a whole number from {low:,} to {high:,}"

    def parse(scalar: Scalar) -> int:
        value = scalar.value
        if isinstance(value, bool) or not isinstance(value, int):
            raise RuleError("it is not a whole number", expected=words)
        if not low <= value <= high:
            raise RuleError("it is too small" if value < low else "it is too large", expected=words)
        return value

    return Single(words=words, parse=parse, json={"type": "integer", "minimum": low, "maximum": high})


def share(*, can_be_nothing: bool, can_be_all: bool) -> Single:
    """Return the kind of value that is a share of a whole."""

    def parse(text: str) -> float:
        value = units.share(text)
        if value == 0 and not can_be_nothing:
            raise RuleError("it is nothing", expected="more than 0%")
        if value == 1 and not can_be_all:
            raise RuleError("it is the whole", expected="less than 100%")
        return value

    json = {
        "anyOf": [{"type": "string", "pattern": units.SHARE_PATTERN}, {"type": "number", "minimum": 0, "maximum": 1}]
    }
    return Single(words=units.SHARE_WORDS, parse=_parsed(parse), json=json)


def text(words: str, pattern: str | None = None) -> Single:
    """Return the kind of value that is a text, which matches *pattern* if there is one."""

    def parse(scalar: Scalar) -> str:
        value = _text(scalar)
        if pattern is not None and not re.search(pattern, value):
            raise RuleError(f"it is not {words}", expected=words)
        return value

    return Single(words=words, parse=parse, json=_SOME_TEXT | ({"pattern": pattern} if pattern else {}))


def parsed(words: str, parse: Callable[[str], object]) -> Single:
    """Return the kind of value whose grammar *parse* knows."""
    return Single(words=words, parse=_parsed(parse), json=_SOME_TEXT)


def _flag(scalar: Scalar) -> bool:
    if not isinstance(scalar.value, bool):
        meant = {"yes": "true", "on": "true", "no": "false", "off": "false"}.get(scalar.text.lower())
        raise RuleError("it is neither true nor false", expected="true or false", nearest=meant)
    return scalar.value


def _path(value: str) -> str:
    if _NOT_A_PATH.search(value):
        raise RuleError("it is not a path below the project folder", expected="a relative path such as train.py")
    return value


def _source(value: str) -> str:
    if re.fullmatch(r"(?:\./*)+", value):
        # Everfit's own state would be part of the data, and every run would find new data.
        raise RuleError("it is the project folder itself", expected="a folder of its own for the data, such as data/")
    return value


def _positive_duration(value: str) -> timedelta:
    duration = units.duration(value)
    if not duration:
        raise RuleError("it lasts no time at all", expected=units.DURATION_WORDS)
    return duration


_SHORT_TIME_PATTERN = r"^[0-9]{1,6}(?:\.[0-9]{1,3})? ?(?:ms|s|m)$"
_SHORT_TIME_WORDS = "a short time such as 2ms, 500ms, 60s or 5m"


def _short_time(value: str) -> timedelta:
    words = value.strip()
    if re.fullmatch(_SHORT_TIME_PATTERN, words) is None:
        raise RuleError("it is not a short time", expected=_SHORT_TIME_WORDS)
    unit = "ms" if words.endswith("ms") else words[-1]
    time = timedelta(seconds=float(words.removesuffix(unit)) * {"ms": 0.001, "s": 1, "m": 60}[unit])
    if not time:
        raise RuleError("it lasts no time at all", expected=_SHORT_TIME_WORDS)
    return time


def _pattern(value: str) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            groups = re.compile(value).groups
    except (re.error, OverflowError, RecursionError, FutureWarning, DeprecationWarning) as error:
        raise RuleError(f"it is not a regular expression ({error})") from error
    if groups != 1:
        raise RuleError(f"it has {groups} groups", expected=r"one group for the number, such as loss=([0-9.]+)")
    return value


def _encoding(value: str) -> str:
    try:
        if not value.isascii() or not value.isprintable():
            raise LookupError(value)  # noqa: TRY301 - codecs would raise several other errors for such names
        "".encode(value)
    except LookupError:
        near = nearest(value, ("utf-8", "utf-16", "latin-1", "cp1252", "ascii"))
        raise RuleError("there is no such text encoding", expected="utf-8, latin-1, cp1252 …", nearest=near) from None
    return value


def _delimiter(value: Scalar) -> str:
    if len(value.text) != 1 or value.text in "\r\n\"'":
        raise RuleError("it is not one character", expected='"," or ";" or "\\t" in double quotes')
    return value.text


_AMOUNT = re.compile(r"([0-9]{1,15}) ?(rows?|files?)")


def _amount(value: str) -> tuple[int, str]:
    match = _AMOUNT.fullmatch(value.strip())
    if match is not None:
        return int(match[1]), match[2].rstrip("s") + "s"
    if not re.search(r"[0-9] ?[A-Za-z]{0,2}[Bb]$", value):
        raise RuleError("it is not an amount of data")
    return units.size(value), "bytes"


_WATCH_RULE = re.compile(r"([A-Za-z][A-Za-z0-9_]{0,60}) *(>=|<=|>|<) *([0-9]{1,15}(?:\.[0-9]{1,15})?)(%|us|ms|s|m)?")
_WATCH_WORDS = "a rule such as mape > 25, error_rate > 1% or latency_p99 > 500ms"


def _watch_rule(value: str) -> str:
    match = _WATCH_RULE.fullmatch(value.strip())
    if match is None:
        raise RuleError("it is not a rule", expected=_WATCH_WORDS)
    name, unit = match[1], match[4] or ""
    is_latency = name.startswith("latency")
    if is_latency and name not in ("latency_p50", "latency_p99"):
        raise RuleError(f"{name} is not measured", expected=_WATCH_WORDS, nearest="latency_p99")
    if is_latency != unit.endswith(("s", "m")):
        what = "a time such as 500ms" if is_latency else "a number or a share, not a time"
        raise RuleError(f"{match[3]}{unit} does not fit {name}", expected=what)
    return " ".join(value.split())


TEXT = text("a text")
COLUMN = text("the name of a column")
NAME = text("a name of at most 63 letters, digits and hyphens", _NAME_PATTERN)
PATH = parsed("a path below the project folder", _path)
SOURCE = parsed("a folder, a glob or a URL", _source)
FLAG = Single(words="true or false", parse=_flag, json={"type": "boolean"})
SOME_TIME = Single(
    words=units.DURATION_WORDS,
    parse=_parsed(_positive_duration),
    json={"type": "string", "pattern": units.DURATION_PATTERN},
)
ANY_TIME = Single(
    words=units.DURATION_WORDS,
    parse=_parsed(units.duration),
    json={"type": "string", "pattern": units.DURATION_PATTERN},
)
SHORT_TIME = Single(
    words=_SHORT_TIME_WORDS, parse=_parsed(_short_time), json={"type": "string", "pattern": _SHORT_TIME_PATTERN}
)
SIZE = Single(words=units.SIZE_WORDS, parse=_parsed(units.size), json={"type": "string", "pattern": units.SIZE_PATTERN})
PART = share(can_be_nothing=False, can_be_all=False)
PART_OR_NOTHING = share(can_be_nothing=True, can_be_all=False)
PART_OR_ALL = share(can_be_nothing=False, can_be_all=True)
ANY_SHARE = share(can_be_nothing=True, can_be_all=True)
PATTERN = parsed("a regular expression with one group", _pattern)
ENCODING = parsed("the name of a text encoding", _encoding)
DELIMITER = Single(
    words="one character", parse=_delimiter, json={"type": ["string", "integer"], "minLength": 1, "maxLength": 1}
)
AMOUNT = parsed("an amount such as 500 rows, 3 files or 10MB", _amount)
WATCH_RULE = parsed(_WATCH_WORDS, _watch_rule)
SETTING = Single(
    words="a text, a number, true or false",
    parse=lambda scalar: scalar.text,
    json={"type": ["string", "number", "boolean"]},
)
