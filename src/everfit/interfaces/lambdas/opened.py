"""What a function works with, opened at its first call and kept while it is warm."""

from collections.abc import Callable
from functools import cache
from typing import Final, Protocol

from everfit.application.kept import Kept
from everfit.bootstrap_aws.serverless import Serverless
from everfit.domain.errors import EverfitError
from everfit.interfaces.lambdas.answers import CallError
from everfit.interfaces.lambdas.log import LambdaProgress
from everfit.settings import read_settings

LEAVES_AT: Final = 30_000
"""Milliseconds before its end at which a function begins nothing more: a lease lasts as long."""


class LambdaContext(Protocol):
    """What Lambda says of a call (Lambda Developer Guide, "Lambda context object in Python")."""

    function_name: str
    aws_request_id: str

    def get_remaining_time_in_millis(self) -> int:
        """Return how long the call may still take."""
        ...


def opened(context: LambdaContext, *, watches: bool = False) -> Kept:
    """Return what the stack keeps, for this call.

    Args:
        watches: whether it looks for reasons to retrain.

    Raises:
        CallError: the project or the state cannot be read.
    """
    owner = f"lambda:{context.function_name}:{context.aws_request_id}"
    try:
        return _serverless().kept(owner=owner, leaving=_leaving(context), watches=watches)
    except EverfitError as error:
        raise CallError(str(error)) from None


@cache
def _serverless() -> Serverless:
    return Serverless(read_settings(), LambdaProgress())


def _leaving(context: LambdaContext) -> Callable[[], bool]:
    return lambda: context.get_remaining_time_in_millis() < LEAVES_AT
