"""A client that calls the endpoint all the time, and counts."""

import http.client
import threading
import time
from collections import Counter
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit


class Client:
    """One connection after the other, one request after the other, until it is told to stop."""

    def __init__(self, url: str, body: bytes) -> None:
        self._address = urlsplit(url)
        self._body = body
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._call, daemon=True)
        self.answered: Counter[str] = Counter()
        self.failed = 0
        self.slowest = 0.0

    def __enter__(self) -> Self:
        """Start to call."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop to call."""
        self._over.set()
        self._thread.join()

    def wait_for(self, version: str, patience: float = 10.0) -> None:
        """Return when *version* has answered once more, or when *patience* (seconds) is over."""
        before = self.answered[version]
        deadline = time.monotonic() + patience
        while self.answered[version] == before and time.monotonic() < deadline:
            self._over.wait(0.01)

    def words(self) -> str:
        """Say what the client saw."""
        by_version = ", ".join(f"version {version}: {count}" for version, count in sorted(self.answered.items()))
        counted = f"{self.answered.total()} requests answered ({by_version}), {self.failed} failed"
        return f"{counted}, slowest {self.slowest * 1000:.0f} ms"

    def _call(self) -> None:
        connection = http.client.HTTPConnection(self._address.hostname or "127.0.0.1", self._address.port, timeout=30)
        while not self._over.is_set():
            begun = time.monotonic()
            try:
                connection.request("POST", self._address.path, self._body, {"Content-Type": "text/csv"})
                answer = connection.getresponse()
                answer.read()
                self._count(answer.status, answer.headers.get("X-Everfit-Version"))
            except (OSError, http.client.HTTPException):
                self.failed += 1
                connection.close()
            self.slowest = max(self.slowest, time.monotonic() - begun)
            self._over.wait(0.005)
        connection.close()

    def _count(self, status: int, version: str | None) -> None:
        if status == http.client.OK and version is not None:
            self.answered[version] += 1
        else:
            self.failed += 1
