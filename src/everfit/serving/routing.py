"""Which version answers the next request: exact shares by a deterministic interleave, not by chance; pure."""

from collections.abc import Generator, Iterator, Mapping
from fractions import Fraction
from hashlib import blake2b
from itertools import cycle, islice
from math import lcm, log
from typing import Final

LONGEST_PLAN: Final = 10_000
"""Turns that are worked out beforehand; shares that come round later than this are worked out as they come."""
FINEST: Final = 1_000_000
"""Shares are read as the simplest fraction with a denominator up to this: 0.1 is a tenth, and 0.3333333 a third."""


def whole_parts(weights: Mapping[int, float]) -> dict[int, int]:
    """Return the shares as whole parts of their sum, those without a share left out; shares are finite."""
    simple = {version: Fraction(weight).limit_denominator(FINEST) for version, weight in weights.items() if weight > 0}
    # A share that is not zero but too small to be told from it is taken as it is, and so are the others then.
    if sum(simple.values()) != 1 or not all(simple.values()):
        simple = {version: Fraction(weight) for version, weight in weights.items() if weight > 0}
    scale = lcm(*(share.denominator for share in simple.values()))
    return {version: int(share * scale) for version, share in simple.items()}


def turns(weights: Mapping[int, float]) -> Iterator[int]:
    """Return whose turn it is, without end; after any number of turns each share is off by less than one turn."""
    parts = whole_parts(weights)
    if len(parts) == 1:
        return cycle(parts)
    whole = sum(parts.values())
    return cycle(tuple(islice(_turns(parts), whole))) if whole <= LONGEST_PLAN else _turns(parts)


def _turns(parts: Mapping[int, int]) -> Generator[int, None, None]:
    """Yield turns by Tijdeman's rule, in whole numbers so that nothing drifts.

    With n versions, of the shares w of the whole W: a version may have turn t when it is owed at least
    1 / (2n - 2) turns by then; of these, that one has it which would have to wait the shortest until it was owed
    1 - 1 / (2n - 2). No version is ever off by more than 1 - 1 / (2n - 2) turns.

    R. Tijdeman, "The chairman assignment problem", Discrete Mathematics 32 (1980), 323-330.
    """
    whole, spread = sum(parts.values()), 2 * len(parts) - 2
    owed = dict.fromkeys(parts, 0)
    while True:
        chosen, wait, part = -1, 0, 1
        for version, share in parts.items():
            owed[version] += share
            if owed[version] * spread < whole:
                continue
            # The time to wait is this over the share; two fractions are compared by multiplying crosswise.
            own = (spread - 1) * whole - spread * owed[version]
            if chosen == -1 or own * part < wait * share:
                chosen, wait, part = version, own, share
        owed[chosen] -= whole
        yield chosen


def version_for(session: str, weights: Mapping[int, float]) -> int:
    """Return the version of a session: always the same one while shares do not change.

    Each version draws a number u of (0, 1) for the session by a hash, and the smallest -ln(u) / share wins. A share
    that grows against all others moves sessions only to its version, and each deployment begins with other sessions.

    C. Schindelhauer and G. Schomaker, "Weighted distributed hash tables", SPAA 2005 (the logarithmic method).
    """
    return min((version for version in weights if weights[version] > 0), key=lambda each: _rank(session, each, weights))


def _rank(session: str, version: int, weights: Mapping[int, float]) -> float:
    drawn = blake2b(f"{version}:{session}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return -log((int.from_bytes(drawn) + 1) / (2**64 + 1)) / weights[version]


class Sampler:
    """Picks an exact share of whatever comes: after any number, off by less than one.

    Args:
        share: from 0 to 1.
    """

    def __init__(self, share: float) -> None:
        exact = Fraction(share).limit_denominator(FINEST)
        self._step, self._whole = exact.numerator, exact.denominator
        self._owed = 0

    def picks(self) -> bool:
        """Tell whether the next one is picked."""
        self._owed += self._step
        if self._owed < self._whole:
            return False
        self._owed -= self._whole
        return True
