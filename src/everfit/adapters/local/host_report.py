"""What the endpoint host says of an endpoint, as the inside knows it."""

from collections.abc import Collection, Mapping
from functools import reduce
from typing import Any
from urllib.parse import quote

from everfit.domain.errors import BackendError
from everfit.domain.live import Moved, Observation, Tally
from everfit.serving.counters import tally_from
from everfit.serving.desired import moved_from


def invocations(name: str) -> str:
    """Return the path that an endpoint answers at."""
    return f"/endpoints/{quote(name, safe='')}/invocations"


def named(report: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return the part of the host's report that is about one endpoint."""
    if report["problem"] is not None:
        raise BackendError(report["problem"])
    entries: list[dict[str, Any]] = report["endpoints"]
    nothing: dict[str, Any] = {"versions": {}}
    return next((entry for entry in entries if entry["name"] == name), nothing)


def is_loading(report: Mapping[str, Any], versions: Collection[int]) -> bool:
    """Whether one of the versions is being loaded."""
    found = [report["versions"].get(str(number), {}) for number in versions]
    return any(standing.get("state") == "loading" for standing in found)


def shares(report: Mapping[str, Any]) -> dict[int, float]:
    """Return the shares of the traffic that an endpoint reports."""
    return {int(number): weight for number, weight in report.get("weights", {}).items()}


def why_unable(report: Mapping[str, Any], number: int) -> str | None:
    """Return why the version can take nothing, or None when it is loaded and answers."""
    standing: dict[str, Any] = report["versions"].get(str(number), {})
    if standing.get("state") != "ready":
        return f"is not loaded: {standing.get('message')}"
    return None if standing["is_healthy"] else f"crashes again and again: {standing.get('message')}"


def moved_in(report: Mapping[str, Any]) -> Moved | None:
    """Return what was moved without the control plane."""
    found = report.get("moved")
    return None if found is None else moved_from(found)


def observation_in(report: Mapping[str, Any]) -> Observation:
    """Return what was counted; copies count as requests of the version that was given them."""
    versions = {int(number): standing for number, standing in report["versions"].items()}
    return Observation(
        epoch=report["epoch"],
        weights=shares(report),
        shadows=tuple(report["shadows"]),
        totals={number: _together(standing, "totals") for number, standing in versions.items()},
        recent={number: _together(standing, "recent") for number, standing in versions.items()},
        rates={number: sum(part["rate"] for part in _parts(standing)) for number, standing in versions.items()},
    )


def _together(standing: Mapping[str, Any], span: str) -> Tally:
    return reduce(Tally.plus, (tally_from(part[span]) for part in _parts(standing)), Tally())


def _parts(standing: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a version did for callers, and what with copies."""
    return [standing[kind] for kind in ("live", "shadow") if standing[kind] is not None]
