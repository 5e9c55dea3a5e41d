"""Data rules: what the data must be before money is spent on training."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DataRule:
    """One line of ``data.checks``."""

    text: str
