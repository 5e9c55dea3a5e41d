"""Which rows are drawn together, and how often: the bootstrap by counts, so that a million rows cost a second.

Rows are put into blocks, each block is summed once, and a resample is a weighted sum of blocks. Without an order the
blocks are random, which leaves the distribution of a mean as it is; along time they are contiguous, so that what
neighbouring rows have in common stays together.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from everfit.jobs.figures import Floats

ROWS_BY_THEMSELVES: Final = 2_000
MOST_BLOCKS: Final = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Draws:
    """How the rows were drawn.

    Args:
        block: of each row.
        counts: resamples times blocks: how often each block was drawn.
    """

    block: NDArray[np.int64]
    counts: Floats

    @property
    def units(self) -> int:
        """How many blocks there are."""
        return int(self.counts.shape[1])

    def totals(self, column: Floats) -> Floats:
        """Return the sum of *column* over each resample."""
        sums = np.bincount(self.block, weights=column, minlength=self.units)
        return self.counts @ sums


def draw(rows: int, resamples: int, random: np.random.Generator, order: NDArray[np.int64] | None = None) -> Draws:
    """Draw blocks of rows with replacement.

    Args:
        rows: how many there are.
        resamples: how often.
        random: the source of chance.
        order: place in time of each row, counted from 0, equal for the same time; None when rows are independent.
    """
    block = random_blocks(rows, random) if order is None else time_blocks(order)
    units = int(block.max()) + 1
    drawn = random.integers(0, units, size=(resamples, units))
    drawn += np.arange(resamples)[:, np.newaxis] * units
    counts = np.bincount(drawn.ravel(), minlength=resamples * units).reshape(resamples, units)
    return Draws(block=block, counts=counts.astype(np.float64))


def random_blocks(rows: int, random: np.random.Generator) -> NDArray[np.int64]:
    """Return a random block for each row, of equal size; few rows are a block each."""
    if rows <= ROWS_BY_THEMSELVES:
        return np.arange(rows)
    blocks: NDArray[np.int64] = random.permutation(rows) % MOST_BLOCKS
    return blocks


def time_blocks(order: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return contiguous blocks along time, twice as long as the third root of the number of times."""
    times = int(order.max()) + 1
    count = max(1, min(MOST_BLOCKS, round(times ** (2 / 3) / 2)))
    blocks: NDArray[np.int64] = order * count // times
    return blocks


def time_order(times: NDArray[np.generic]) -> NDArray[np.int64]:
    """Return the place in time of each row: the same for the same time."""
    _, places = np.unique(times, return_inverse=True)
    order: NDArray[np.int64] = places.astype(np.int64)
    return order
