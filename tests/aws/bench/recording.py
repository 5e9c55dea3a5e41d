"""The record of every call in the order of its arrival, for proofs of least privilege and for counting."""

from threading import Lock
from typing import Any

from tests.aws.bench.call import Call, Document

SHOWN = 2_000


def showable(value: Any) -> Any:
    """Return *value* as JSON can write it, without long payloads."""
    match value:
        case dict():
            return {str(name): showable(member) for name, member in value.items()}
        case list() | tuple():
            return [showable(member) for member in value]
        case bytes():
            return f"<{len(value)} bytes>"
        case str():
            return value if len(value) <= SHOWN else f"<{len(value)} characters>"
        case bool() | int() | float() | None:
            return value
        case _:
            return str(value)


class Recording:
    """Calls as documents: number, service, operation, region, key, role, params, status, error."""

    def __init__(self) -> None:
        self._calls: list[Document] = []
        self._lock = Lock()

    def start(self, call: Call, role: str | None) -> Document:
        """Note that *call* has arrived; what comes of it is written into the document returned."""
        entry: Document = {
            "service": call.service,
            "operation": call.operation,
            "region": call.region,
            "key": call.key,
            "role": role,
            "params": showable(call.params),
            "status": None,
            "error": None,
        }
        with self._lock:
            entry["number"] = call.number = len(self._calls)
            self._calls.append(entry)
        return entry

    def since(self, number: int) -> list[Document]:
        with self._lock:
            return [dict(entry) for entry in self._calls[number:]]

    def clear(self) -> None:
        with self._lock:
            self._calls.clear()
