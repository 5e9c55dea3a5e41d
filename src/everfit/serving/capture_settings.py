"""Which requests the host keeps, how long and how much of them: a small file that the control plane writes."""

import json
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from everfit.serving.shapes import is_object
from everfit.serving.state_files import locked, replace_file

NAME = "capture.json"
ENOUGH = 20 * 10**9
"""Five percent of a large disk are more than anybody needs to be free."""
LEAST = 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureSettings:
    """What is kept of one endpoint.

    Args:
        share: of the requests, from 0 to 1, whichever version answers them; None is what each version came with.
        keep: seconds after which a request and its label go.
        most: bytes on the disk, labels among them; the oldest goes first.
        reserve: bytes of the disk that are left free; None is 5 % of it, at least 1 GB and at most 20 GB.
    """

    share: float | None = None
    keep: float = timedelta(days=30).total_seconds()
    most: int = 10 * 10**9
    reserve: int | None = None

    def reserve_of(self, disk: int) -> int:
        """Return what is to be left free of a disk of that size, in bytes."""
        return max(LEAST, min(ENOUGH, disk // 20)) if self.reserve is None else self.reserve


def write_settings(folder: Path, endpoint: str, settings: CaptureSettings) -> bool:
    """Have the host in *folder* keep an endpoint's requests by *settings*; False when it does so already.

    Other endpoints stay as they are.
    """
    with locked(folder / "capture.lock"):
        known = _document(folder)
        if known.get(endpoint) == asdict(settings):
            return False
        replace_file(folder / NAME, {**known, endpoint: asdict(settings)})
        return True


def read_settings(folder: Path) -> "Settings":
    """Return the settings of all endpoints; what is not there or cannot be read is as usual."""
    found: dict[str, CaptureSettings] = {}
    for endpoint, entry in _document(folder).items():
        try:
            share, reserve = entry.get("share"), entry.get("reserve")
            found[endpoint] = CaptureSettings(
                share=None if share is None else float(share),
                keep=float(entry["keep"]),
                most=int(entry["most"]),
                reserve=None if reserve is None else int(reserve),
            )
        except (KeyError, TypeError, ValueError, AttributeError):
            # Keeping as usual loses nothing that the right settings would have kept for less long.
            continue
    return Settings(found)


class Settings:
    """The settings of all endpoints of a host."""

    def __init__(self, known: dict[str, CaptureSettings]) -> None:
        self._known = known

    def of(self, endpoint: str) -> CaptureSettings:
        """Return those of one endpoint."""
        return self._known.get(endpoint, CaptureSettings())


def _document(folder: Path) -> dict[str, Any]:
    try:
        document: Any = json.loads((folder / NAME).read_bytes())
    except (OSError, ValueError):
        return {}
    return document if is_object(document) else {}
