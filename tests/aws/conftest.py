"""What every test against the bench may want besides the fixtures of ``tests.aws_bench``."""

from tests.aws.bench.client import until

__all__ = ["until"]
