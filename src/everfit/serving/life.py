"""The pipe by which worker processes learn that the host is gone.

Its writing end is held by the supervisor and by the front, so that workers outlive either of them and none outlives
both. Nothing is ever written.
"""

import os
from collections.abc import Mapping
from functools import cache
from typing import Final

VARIABLE: Final = "EVERFIT_HOST_LIFE"


def opened() -> dict[str, str]:
    """Open a pipe; return the variables by which a child is told of it, beside the descriptors themselves."""
    reading, writing = os.pipe()
    return {VARIABLE: f"{reading},{writing}"}


def handed_on(variables: Mapping[str, str]) -> tuple[int, ...]:
    """Return the descriptors that variables speak of: where to listen, and what to keep open."""
    return tuple(int(number) for number in variables[VARIABLE].split(","))


@cache
def reading_end() -> int:
    """Return the end that workers listen on; a process that was handed none makes a pipe of its own."""
    if VARIABLE not in os.environ:
        return os.pipe()[0]
    reading, writing = handed_on(os.environ)
    for number in (reading, writing):
        os.set_inheritable(number, False)
    return reading
