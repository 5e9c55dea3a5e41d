"""What people decide in SageMaker's Model Registry counts as decided here: about exactly that version, once."""

from typing import Final

from everfit.application.aws_effects import Effect, EffectKind, Place, note, nothing
from everfit.application.ports import Ports
from everfit.application.ports.packages import Package, Packages
from everfit.application.releases import Decision, keep, waiting_run
from everfit.domain.aws_event import PackageChanged
from everfit.domain.errors import IllegalMoveError, NotFoundError, RefusedError
from everfit.domain.version import Standing

CONSOLE: Final = "SageMaker Model Registry"
"""Who decided there, when AWS does not say."""
DECISIONS: Final = ("Approved", "Rejected")


def of_package(event: PackageChanged, place: Place, ports: Ports, packages: Packages) -> Effect:
    """Take a decision about a package, if there is one."""
    aws = place.environment.aws
    if aws is None or event.group.lower() != aws.names.package_group.lower():
        return nothing(f"{event.arn} is no package of {place.words}")
    if event.approval not in DECISIONS:
        return nothing(f"nobody has decided about {event.arn}")
    if packages.owner() != place.environment.name:
        return nothing(f"a decision about {event.arn} is one for {packages.owner()}")
    package = packages.package(event.arn)
    if package is None:
        return nothing(f"{event.arn} is no package of ours, or is gone")
    # What it says now counts: somebody may have changed their mind since, and events come in any order.
    return decided(package, place, ports, packages)


def settle_decisions(place: Place, ports: Ports, packages: Packages) -> list[Effect]:
    """Do what people decided in the registry outside and no event has told of."""
    if packages.owner() != place.environment.name:
        return []
    return [decided(package, place, ports, packages) for package in packages.decided()]


def decided(package: Package, place: Place, ports: Ports, packages: Packages) -> Effect:
    """Take what was decided about a package as a decision about exactly that version, once."""
    if package.approved is None:
        return nothing(f"nobody has decided about {package.name}")
    refused = _mismatch(package, place, ports)
    if refused is not None:
        return nothing(refused)
    environment, actor = place.environment, package.decided_by or CONSOLE
    policy = environment.approval
    if package.decided_by is None and (policy.approvers or policy.four_eyes):
        words = "AWS does not say who decided, and the approval policy asks for it; decide with `everfit approve`"
        return _refused(package, words, place, ports, packages)
    decision = Decision(
        version=package.version, approved=package.approved, actor=actor, reason="decided in SageMaker's Model Registry"
    )
    try:
        keep(decision, environment, place.workspace, ports)
    except (RefusedError, IllegalMoveError) as error:
        return _refused(package, str(error), place, ports, packages)
    waiting = waiting_run(package.version, environment, place.workspace, ports)
    word = "approved" if package.approved else "rejected"
    return Effect(
        kind=EffectKind.NOTHING if waiting is None else EffectKind.WAKE,
        run=None if waiting is None else waiting.id,
        words=f"version {package.version} of {place.words} was {word} by {actor}",
    )


def _mismatch(package: Package, place: Place, ports: Ports) -> str | None:
    """Return why the package is none that anybody here can decide about."""
    name = f"{package.name} (version {package.version} of {package.model})"
    if package.model != place.model:
        return f"{name} is a package of another model"
    try:
        version = ports.registry.version(place.model, package.version)
        placement = ports.registry.placement(place.model, place.environment.name, package.version)
    except NotFoundError as error:
        return f"{name} is not kept here: {error}"
    if version.artifact != package.artifact or not package.is_whole:
        return f"{name} holds other bytes than version {package.version}; nothing was decided"
    if package.verdict != placement.verdict.id:
        return f"{name} was judged again since somebody decided there"
    if placement.standing is not Standing.PENDING:
        return f"{name} does not wait for a person: it is {placement.standing.value}"
    return None


def _refused(package: Package, words: str, place: Place, ports: Ports, packages: Packages) -> Effect:
    """Say to everybody that the decision was not taken, and have the package say so too."""
    what = "approval" if package.approved else "rejection"
    told = f"The {what} of version {package.version} in SageMaker's Model Registry was not taken: {words}"
    name = f"package:{package.name}:{what}:{package.decided_by or 'somebody'}"
    note(name, "the approval of a version", told, place, ports)
    packages.put_back(package.version)
    return nothing(told)
