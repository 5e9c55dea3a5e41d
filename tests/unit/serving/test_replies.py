"""What the user's code raises, as a caller is told it."""

import pytest

from everfit.serving.frames import Trouble
from everfit.serving.replies import reply_for


class SaidError(Exception):
    """Says a status, as exceptions of SageMaker's inference toolkit do."""

    def __init__(self, status: object) -> None:
        super().__init__("the column rooms is missing")
        self.status_code = status


class ThornyError(Exception):
    """Raises when it is asked for anything."""

    def __getattribute__(self, name: str) -> object:
        if name == "status_code":
            raise RuntimeError(name)
        return super().__getattribute__(name)


@pytest.mark.parametrize("status", [400, 406, 413, 415, 422])
def test_an_exception_may_say_that_the_caller_is_mistaken(status: int) -> None:
    reply = reply_for(SaidError(status))
    assert (reply.status, reply.trouble) == (status, Trouble.REFUSED)
    assert reply.body == b"the column rooms is missing"


@pytest.mark.parametrize(
    "error",
    [*map(SaidError, (200, 401, 403, 404, 429, 500, 503, "400", None, 400.0)), ThornyError("x"), KeyError("rooms")],
)
def test_anything_else_is_a_failure_of_the_model(error: Exception) -> None:
    reply = reply_for(error)
    assert (reply.status, reply.trouble) == (500, Trouble.MODEL)
