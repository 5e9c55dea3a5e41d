"""The nearest right word, for people who mistype."""

from collections.abc import Iterable
from difflib import get_close_matches


def nearest(word: str, choices: Iterable[str]) -> str | None:
    """Return the one of *choices* that *word* was most likely meant to be, or None when none is near."""
    by_lower_case = {choice.lower(): choice for choice in choices}
    # Comparing takes time that grows with the length; no right word is this long.
    close = get_close_matches(word.lower()[:100], by_lower_case, n=1, cutoff=0.6)
    return by_lower_case[close[0]] if close else None


def listed(choices: Iterable[str]) -> str:
    """Return *choices* as a sentence says them: ``a, b or c``."""
    *most, last = choices
    return f"{', '.join(most)} or {last}" if most else last
