"""The version that a tag means where versions are promoted: one that its commit made."""

from everfit.application.ports import Ports
from everfit.application.workspace import Workspace
from everfit.domain.errors import NotFoundError, RefusedError
from everfit.domain.project import Environment
from everfit.domain.release_name import named
from everfit.domain.trigger import Wish
from everfit.domain.version import Standing, Version

PROMOTABLE = (Standing.SERVING, Standing.RETIRED)


def tagged_version(wish: Wish, workspace: Workspace, environment: Environment, ports: Ports) -> int | None:
    """Return the newest version that the tagged commit made and that has served where versions come from.

    None when no tag asks, or the environment trains by itself.

    Raises:
        RefusedError: there is none. What serves there now must not be deployed under the name of another commit.
    """
    source = environment.promote_from
    if source is None or wish.release is None or wish.commit is None:
        return None
    made = [version for version in ports.registry.versions(workspace.model) if _is_made_by(version, wish.commit)]
    for version in sorted(made, key=lambda each: each.number, reverse=True):
        if _standing(version, source, ports) in PROMOTABLE:
            return version.number
    name = named(wish.commit, wish.release)
    raise RefusedError(
        f"Nothing was promoted to {environment.name}: no version made by {name} has served in {source} yet. Tag the "
        f"commit for {source} first, then promote what it made: everfit promote --to {environment.name}"
    )


def _is_made_by(version: Version, commit: str) -> bool:
    return version.lineage.get("commit") == commit and version.lineage.get("dirty") is not True


def _standing(version: Version, source: str, ports: Ports) -> Standing | None:
    try:
        return ports.registry.placement(version.model, source, version.number).standing
    except NotFoundError:
        return None
