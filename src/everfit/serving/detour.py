"""Traffic that the host takes from a version that cannot go on, by itself: decided here, and kept in a file.

The file is the host's own. What it says holds for one turn of the desired state, so it ends with the next shares that
the control plane gives, and survives everything else.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from everfit.domain.live import Moved
from everfit.serving.desired import DesiredEndpoint, moved_document, moved_from, objection
from everfit.serving.state_files import replace_file

NAME: Final = "moved.json"
ACTOR: Final = "endpoint host"


@dataclass(frozen=True, slots=True, kw_only=True)
class Detour:
    """Where an endpoint's traffic goes instead.

    Args:
        turn: of the desired state that it was taken in.
        instead: the shares that were desired.
        left: versions that could not go on, in the order in which they were left.
    """

    turn: int
    instead: Mapping[int, float]
    weights: Mapping[int, float]
    left: tuple[int, ...]
    moved: Moved

    def holds(self, desired: DesiredEndpoint) -> bool:
        """Tell whether nobody has given other shares since, and these may be given."""
        is_same = self.turn == desired.turn and dict(self.instead) == dict(desired.weights)
        return is_same and objection(replace(desired, weights=self.weights)) is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Illness:
    """A version that cannot go on."""

    version: int
    reason: str
    at: datetime


def detour_around(
    ill: Illness, desired: DesiredEndpoint, before: Detour | None, able: Collection[int]
) -> Detour | None:
    """Return where the version's traffic goes: to the others that take some, else the way back; None when nowhere.

    Args:
        before: the detour that is taken already.
        able: versions that are loaded and answer.
    """
    served = desired.weights if before is None else before.weights
    left = (*(() if before is None else before.left), ill.version)
    others = {number: share for number, share in served.items() if share > 0 and number in able and number not in left}
    back = next((number for number in desired.ways_back if number in able and number not in left), None)
    if others:
        whole = sum(others.values())
        weights = {number: share / whole for number, share in others.items()}
    elif back is not None:
        weights = {back: 1.0}
    else:
        return None
    after = max(weights, key=weights.__getitem__)
    moved = Moved(before=ill.version, after=after, actor=ACTOR, reason=ill.reason, at=ill.at)
    found = Detour(turn=desired.turn, instead=dict(desired.weights), weights=weights, left=left, moved=moved)
    return found if found.holds(desired) else None


def really_moved(desired: DesiredEndpoint, detour: Detour | None) -> Moved | None:
    """Return what was moved without the control plane, by whomever."""
    return desired.moved if detour is None or not detour.holds(desired) else detour.moved


def read_detours(folder: Path) -> dict[str, Detour]:
    """Return the detours that the host has taken; a file that is damaged holds none."""
    try:
        document: dict[str, Any] = json.loads((folder / NAME).read_bytes())
        return {name: _detour(fields) for name, fields in document.items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        # The host finds out again, by the same crashes.
        return {}


def write_detours(folder: Path, detours: Mapping[str, Detour]) -> None:
    """Replace the file, or raise ``StateError``."""
    replace_file(folder / NAME, {name: _document(detour) for name, detour in detours.items()})


def _document(detour: Detour) -> dict[str, Any]:
    return {
        "turn": detour.turn,
        "instead": {str(number): share for number, share in detour.instead.items()},
        "weights": {str(number): share for number, share in detour.weights.items()},
        "left": list(detour.left),
        "moved": moved_document(detour.moved),
    }


def _detour(fields: dict[str, Any]) -> Detour:
    return Detour(
        turn=int(fields["turn"]),
        instead={int(number): float(share) for number, share in fields["instead"].items()},
        weights={int(number): float(share) for number, share in fields["weights"].items()},
        left=tuple(int(number) for number in fields["left"]),
        moved=moved_from(fields["moved"]),
    )
