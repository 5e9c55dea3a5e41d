"""What counts say about a share or a mean, also when they are looked at after every single request.

A test that is made once finds something by chance sooner or later when it is repeated. The functions called
``*_evidence`` are e-processes instead: if the null hypothesis is true, the chance that one **ever** reaches 1/alpha is
at most alpha (Ville 1939), whenever and however often it is looked at. The bounds are confidence sequences in the same
sense: the chance that one of them is ever wrong is at most alpha.
"""

from math import erfc, exp, inf, lgamma, log, log1p, sqrt
from typing import Final

# Odds ratios of the alternatives, 1.1 to 5700, even in the logarithm of their logarithm: a small difference shows in
# many requests and a large one in a few. The smallest also says which differences are too small to matter.
_LOG_ODDS: Final = tuple(0.1 * 1.5**power for power in range(12))
_ENOUGH_VARIANCE: Final = 1e4
_TINY: Final = 1e-300
_MOST_TERMS: Final = 100_000
_ROWS_OF_INTEREST: Final = 100.0


def share_evidence(count: int, trials: int, share: float) -> float:
    """Return the natural logarithm of the evidence that each of *trials* counts with a chance above *share*.

    For one alternative with odds ratio t it is the likelihood ratio, t**count / (1 + share * (t - 1))**trials, a
    supermartingale for every chance up to *share*; here it is the mean of them over alternatives, which is one as well
    (the method of mixtures: Robbins, "Statistical methods related to the law of the iterated logarithm", 1970; Howard,
    Ramdas, McAuliffe and Sekhon, "Time-uniform, nonparametric, nonasymptotic confidence sequences", 2021, §3).

    Args:
        count: from 0 to *trials*.
        share: from 0 to 1.
    """
    if share <= 0.0 < count:
        return inf
    logs = [count * odds - trials * log1p(share * (exp(odds) - 1.0)) for odds in _LOG_ODDS]
    largest = max(logs)
    return largest + log(sum(exp(each - largest) for each in logs) / len(logs))


def is_above(count: int, trials: int, share: float, alpha: float) -> bool:
    """Return whether the chance is above *share*; it is ever wrong with a chance of at most *alpha*."""
    return share_evidence(count, trials, share) >= log(1.0 / alpha)


def is_below(count: int, trials: int, share: float, alpha: float) -> bool:
    """Return whether the chance is below *share*; it is ever wrong with a chance of at most *alpha*."""
    return is_above(trials - count, trials, 1.0 - share, alpha)


def highest_share(count: int, trials: int, alpha: float) -> float:
    """Return the upper end of the one-sided confidence sequence for a chance; 1 without any trial."""
    low, high = (count / trials if trials else 1.0), 1.0
    for _ in range(50):
        middle = (low + high) / 2
        # The evidence that the chance is below grows with what it is held against.
        if is_below(count, trials, middle, alpha):
            high = middle
        else:
            low = middle
    return high


def tail(count: int, trials: int, share: float) -> float:
    """Return the chance of at least *count* when each of *trials* counts with chance *share*; for one look only.

    It is the regularized incomplete beta function I_share(count, trials - count + 1) (NIST Digital Library of
    Mathematical Functions, 8.17.5), by the normal distribution where the variance is large.
    """
    if count <= 0 or share >= 1.0:
        return 1.0
    if share <= 0.0 or count > trials:
        return 0.0
    variance = trials * share * (1.0 - share)
    if variance > _ENOUGH_VARIANCE:
        return normal_tail((count - 0.5 - trials * share) / sqrt(variance))
    a, b = float(count), trials - count + 1.0
    if share > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _beta_part(b, a, 1.0 - share)
    return _beta_part(a, b, share)


def normal_tail(deviation: float) -> float:
    """Return the chance that a standard normal variable is larger."""
    return 0.5 * erfc(deviation / sqrt(2.0))


def _beta_part(a: float, b: float, x: float) -> float:
    """Return I_x(a, b) by its continued fraction (DLMF 8.17.22), evaluated by the modified method of Lentz."""
    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b) + a * log(x) + b * log1p(-x)) / a
    value, c, d, step, change = 1.0, 1.0, 0.0, 0, 0.0
    while abs(change - 1.0) >= 1e-12 and step < _MOST_TERMS:
        half = step // 2
        if step == 0:
            term = 1.0
        elif step % 2:
            term = -(a + half) * (a + b + half) * x / ((a + 2 * half) * (a + 2 * half + 1))
        else:
            term = half * (b - half) * x / ((a + 2 * half - 1) * (a + 2 * half))
        d = 1.0 / _not_zero(1.0 + term * d)
        c = _not_zero(1.0 + term / c)
        change = c * d
        value *= change
        step += 1
    return min(front * (value - 1.0), 1.0)


def _not_zero(number: float) -> float:
    return number if abs(number) > _TINY else _TINY


def farthest_deviation(rows: float, alpha: float) -> float:
    """Return how many standard errors a mean of so many rows may ever stray to one side.

    It is the one-sided asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
    "Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics 2024, §B.1:
    sqrt(2 (1 + 1/(t r)) log(1 + sqrt(t r + 1) / (2 alpha))) for t rows, in standard errors, where r is chosen so that
    it is narrowest near a hundred rows.

    Args:
        rows: more than 0; of a difference, the harmonic kind n m / (n + m).
    """
    information = rows * 2.0 * log(1.0 / alpha) / _ROWS_OF_INTEREST
    return sqrt(2.0 * (1.0 + 1.0 / information) * log(1.0 + sqrt(information + 1.0) / (2.0 * alpha)))
