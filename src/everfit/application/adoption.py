"""Takes a version from an installation on another backend, so that its very bytes can be promoted here."""

from everfit.application.ports import Ports
from everfit.application.workspace import Workspace
from everfit.domain.errors import RefusedError
from everfit.domain.project import Backend


def adopt(number: int | None, source: str, workspace: Workspace, theirs: Ports, ours: Ports) -> int:
    """Keep here the version, its verdict and its bytes as they are there; return its number.

    Args:
        number: of the version; None takes the one that serves in *source*.
        source: environment of the other installation that it is promoted from.

    Raises:
        RefusedError: nothing serves there, or the version may not be promoted.
    """
    if ours.backend is Backend.LOCAL:
        raise RefusedError(
            f"{source} is on AWS, and a version is taken from this machine to AWS only. "
            "Put both environments on AWS, or train here."
        )
    model = workspace.model
    wanted = theirs.registry.champion(model, source) if number is None else number
    if wanted is None:
        raise RefusedError(
            f"There is nothing to promote: no version of {model} serves in {source} yet. "
            f"Run `everfit run --env {source}` first."
        )
    version = theirs.registry.version(model, wanted)
    placement = theirs.registry.placement(model, source, wanted)
    # The bytes first: a version is never known here without them. The same content has the same digest everywhere.
    packed = ours.artifacts.pack(theirs.artifacts.unpacked(version.artifact), None, None)
    if packed.digest != version.artifact:
        raise RefusedError(
            f"Version {wanted} of {model} is {version.artifact} in {source}, and packed here {packed.digest}. "
            "Its files were changed; deploy it there again, or train a new version."
        )
    ours.registry.adopt(version, placement)
    return wanted
