"""How an operation of the bench refuses, and how it breaks a connection."""

import os

# moto reads the same variable.
ACCOUNT = os.environ.get("MOTO_ACCOUNT_ID", "123456789012")


class AwsError(Exception):
    """An error answer of a service: its code, its message, its HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class DroppedConnectionError(ConnectionError):
    """The connection is closed without an answer; the WSGI server lets a ``ConnectionError`` do exactly that."""


def invalid(message: str) -> AwsError:
    """Return the error that most services give for a request that cannot be served as it stands."""
    return AwsError("ValidationException", message)
