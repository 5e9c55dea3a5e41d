"""What a rule can say of data or of a model."""

from enum import Enum


class Result(Enum):
    """What a rule says; only ``PASS`` lets a version through."""

    PASS = "pass"  # noqa: S105 - not a password
    INCONCLUSIVE = "inconclusive"
    FAIL = "fail"
