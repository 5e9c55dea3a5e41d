"""What a job prints: secrets cut out, kept on disk within a limit, searched for claims; memory stays bounded."""

import os
import re
import signal
from collections.abc import Iterable, Mapping
from contextlib import suppress
from io import FileIO

MASK = b"***"
LINE_LIMIT = 8192
LAST_BYTES = 32768
LAST_LINES = 20
BLOCK = 1 << 20
SEARCH_SECONDS = 2.0


class TooSlowError(Exception):
    """A regular expression takes so long that the job could not be watched over any more."""


class Redactor:
    """Cuts secret values out of a stream, wherever the reads happen to split them."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self._secrets = sorted({form for secret in secrets for form in _forms(secret)}, key=len, reverse=True)
        self._pattern = re.compile(b"|".join(re.escape(secret) for secret in self._secrets))
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Return what may be shown so far; the beginning of what might become a secret is held back."""
        if not self._secrets:
            return data
        data = self._held + data
        shown: list[bytes] = []
        position = 0
        for match in self._pattern.finditer(data):
            if self._may_grow(data, match.start()):
                break
            shown += [data[position : match.start()], MASK]
            position = match.end()
        hold = self._hold_from(data, position)
        self._held = data[hold:]
        return b"".join([*shown, data[position:hold]])

    def flush(self) -> bytes:
        """Return what was held back, now that nothing follows."""
        rest, self._held = self._held, b""
        return self._pattern.sub(MASK, rest) if self._secrets else rest

    def _may_grow(self, data: bytes, start: int) -> bool:
        rest = data[start : start + len(self._secrets[0])]
        reaches_end = start + len(rest) == len(data)
        return reaches_end and any(len(rest) < len(secret) and secret.startswith(rest) for secret in self._secrets)

    def _hold_from(self, data: bytes, position: int) -> int:
        first = max(position, len(data) - len(self._secrets[0]) + 1)
        return next((index for index in range(first, len(data)) if self._may_grow(data, index)), len(data))


def _forms(secret: str) -> set[bytes]:
    # A program rarely prints a secret of many lines, or one with quotes, as it stands: JSON and repr change it.
    lines = [line for line in secret.splitlines() if len(line.strip()) >= 8]
    texts = {secret, *lines, repr(secret)[1:-1], secret.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")}
    return {text.encode() for text in texts if text.strip()}


class BoundedLog:
    """A log file that keeps the first part and the newest part, and says how much it cut between them.

    ``log`` only ever grows, so that a follower can go on from where it stopped. When it is half full, what follows
    goes round two files beside it; they are appended when the job ends.
    """

    def __init__(self, path: str, limit: int) -> None:
        self._path = path
        self._head_left = limit // 2
        self._slack = limit // 64
        self._segment_size = max(limit // 4, 1)
        self._segment_left = 0
        self._file: FileIO | None = FileIO(path, "w")
        self._newest = 0
        self._after_head = 0
        self._lost = 0

    def write(self, data: bytes) -> None:
        """Append; a disk that is full loses log lines, not the job."""
        if self._head_left:
            data = self._write_head(data)
        while data:
            if not self._segment_left:
                self._turn()
            piece = data[: self._segment_left]
            self._put(piece)
            self._segment_left -= len(piece)
            self._after_head += len(piece)
            data = data[len(piece) :]

    def _write_head(self, data: bytes) -> bytes:
        """Write what belongs to the first part, which ends with a line if it can; return the rest."""
        line_end = data.find(b"\n", max(0, self._head_left - self._slack), self._head_left) + 1
        head = data[: line_end or self._head_left]
        self._put(head)
        self._head_left = 0 if line_end else self._head_left - len(head)
        if not self._head_left:
            self._put(b"\n[everfit: the log is half full; its newest part follows when the job ends]\n")
        return data[len(head) :]

    def close(self) -> None:
        """Close the log and put its newest part in its place."""
        if self._file is not None:
            self._file.close()
            self._file = None
        with suppress(OSError):
            join_segments(self._path, self._after_head)
            if self._lost:
                with open(self._path, "ab") as log:
                    log.write(f"\n[everfit: {self._lost} bytes found no room on the disk]\n".encode())

    def _turn(self) -> None:
        self._newest = 1 - self._newest
        self._segment_left = self._segment_size
        if self._file is not None:
            self._file.close()
        try:
            self._file = FileIO(f"{self._path}.{self._newest}", "w")
        except OSError:
            self._file = None

    def _put(self, data: bytes) -> None:
        with suppress(OSError):
            while data and self._file is not None:
                data = data[self._file.write(data) :]
        self._lost += len(data)


def join_segments(path: str, after_head: int | None = None) -> None:
    """Append the newest part of a log to its first part.

    Args:
        path: of the log.
        after_head: bytes printed after the first part; None when nobody knows any more.
    """
    segments = [name for name in (f"{path}.0", f"{path}.1") if os.path.exists(name)]
    if not segments:
        return
    segments.sort(key=lambda name: os.stat(name).st_mtime_ns)
    kept = sum(os.path.getsize(name) for name in segments)
    cut = "an unknown number of" if after_head is None else str(after_head - kept)
    with open(path, "ab") as log:
        if after_head != kept:
            log.write(f"\n[everfit: {cut} bytes were cut here]\n".encode())
        for name in segments:
            with open(name, "rb") as segment:
                while block := segment.read(BLOCK):
                    log.write(block)
    for name in segments:
        os.unlink(name)


class Claims:
    """Catches metrics in what a script prints; the last match of each wins."""

    def __init__(self, definitions: Mapping[str, str]) -> None:
        self._patterns = {name: re.compile(pattern) for name, pattern in definitions.items()}
        self._line = b""
        self._searched = ""
        self._is_searching = False
        self.values: dict[str, float] = {}

    def feed(self, data: bytes) -> str | None:
        """Search every line that is complete, and of a very long line its beginning.

        Returns the name of a metric that is given up, because its search took too long.
        """
        if not self._patterns:
            return None
        *lines, rest = (self._line + data).replace(b"\r", b"\n").split(b"\n")
        self._line = rest[:LINE_LIMIT]
        return self._search(lines)

    def flush(self) -> str | None:
        """Search the last line, which may have no end."""
        return self.feed(b"\n")

    def _search(self, lines: Iterable[bytes]) -> str | None:
        # Without this, one unfortunate expression would keep the supervisor from ever stopping the script.
        before = signal.signal(signal.SIGALRM, self._interrupt)
        try:
            self._is_searching = True
            signal.setitimer(signal.ITIMER_REAL, SEARCH_SECONDS)
            for line in lines:
                self._search_line(line[:LINE_LIMIT].decode(errors="replace"))
            self._is_searching = False
        except TooSlowError:
            self._patterns.pop(self._searched, None)
            return self._searched
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        return None

    def _interrupt(self, *_: object) -> None:
        # An alarm that comes when the search has just ended must not end anything else.
        if self._is_searching:
            self._is_searching = False
            raise TooSlowError

    def _search_line(self, text: str) -> None:
        for name, pattern in self._patterns.items():
            self._searched = name
            for match in pattern.finditer(text):
                with suppress(ValueError, TypeError):
                    self.values[name] = float(match.group(1 if pattern.groups else 0))


class Output:
    """Everything that happens to what a job prints."""

    def __init__(self, log: str, limit: int, secrets: Iterable[str], definitions: Mapping[str, str]) -> None:
        self._redactor = Redactor(secrets)
        self._log = BoundedLog(log, limit)
        self._claims = Claims(definitions)
        self._last = b""

    @property
    def claims(self) -> dict[str, float]:
        """What the script said of itself."""
        return self._claims.values

    def feed(self, data: bytes) -> None:
        """Take what was read."""
        self._keep(self._redactor.feed(data))

    def close(self) -> None:
        """Take what was held back, and finish the log."""
        self._keep(self._redactor.flush())
        self._tell(self._claims.flush())
        self._log.close()

    def last_lines(self) -> list[str]:
        """Return the last lines that are not empty."""
        return last_lines(self._last)

    def redact(self, text: str) -> str:
        """Return *text*, which did not come through the stream, without secrets."""
        alone = self._redactor.feed(text.encode(errors="replace")) + self._redactor.flush()
        return alone.decode(errors="replace")

    def _keep(self, data: bytes) -> None:
        self._log.write(data)
        self._last = (self._last + data)[-LAST_BYTES:]
        self._tell(self._claims.feed(data))

    def _tell(self, given_up: str | None) -> None:
        if given_up is not None:
            self._log.write(f"\n[everfit: the metric {given_up} takes too long to search for; given up]\n".encode())


def last_lines(data: bytes) -> list[str]:
    """Return the last lines of *data* that are not empty; of a progress bar, its last state."""
    lines = [
        line.rsplit("\r", 1)[-1].rstrip() for line in data.decode(errors="replace").replace("\r\n", "\n").split("\n")
    ]
    return [line[:500] for line in lines if line.strip()][-LAST_LINES:]
