"""What a model or a request can be wrong about, on the data plane."""

from everfit.domain.errors import RequestError, RunFailedError


class UnusableModelError(RunFailedError):
    """The model cannot be loaded; the message says what to do."""


class UnreadableRequestError(RequestError):
    """The body of a request, or what it wants back, is not understood.

    Args:
        status: HTTP status that tells the caller what kind of mistake it was.
    """

    def __init__(self, message: str, *, status: int = 400) -> None:
        super().__init__(message)
        self.status = status
