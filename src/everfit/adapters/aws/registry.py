"""The registry, and its image in SageMaker's Model Registry.

The registry within is the truth and is always written first. SageMaker follows: when it cannot, the call succeeds all
the same, that is said, and the next call or look brings the image up to date. So a run never fails because of the
image, and the image never says for long what is not so.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from everfit.adapters.aws.package_mirror import PackageMirror
from everfit.application.ports import Claim, Registry
from everfit.application.ports.packages import Package
from everfit.domain.errors import EverfitError, NotFoundError
from everfit.domain.project import Environment
from everfit.domain.version import Approval, Placement, Release, Served, Version

LOG: Final = logging.getLogger("everfit.aws")


def _warn(words: str) -> None:
    LOG.warning("%s", words)


class ModelRegistry:
    """Implements ``Registry``: *inner* is the truth, and each version has a model package.

    Args:
        warn: is told in a sentence why a package could not follow.
    """

    def __init__(self, inner: Registry, mirror: PackageMirror, warn: Callable[[str], None] = _warn) -> None:
        self._inner = inner
        self._mirror = mirror
        self._warn = warn

    def register(self, claim: Claim, version: Version, placement: Placement) -> Version:
        kept = self._inner.register(claim, version, placement)
        self._follow(kept.number)
        return kept

    def version(self, model: str, number: int) -> Version:
        return self._inner.version(model, number)

    def versions(self, model: str) -> Sequence[Version]:
        return self._inner.versions(model)

    def newest_versions(self, model: str, *, before: int | None = None, limit: int = 100) -> Sequence[Version]:
        return self._inner.newest_versions(model, before=before, limit=limit)

    def holds(self, artifact: str) -> bool:
        return self._inner.holds(artifact)

    def place(self, claim: Claim, placement: Placement) -> None:
        self._inner.place(claim, placement)
        self._follow(placement.version)

    def adopt(self, version: Version, placement: Placement) -> None:
        # It has a package where it was made; it gets one here when it is judged here.
        self._inner.adopt(version, placement)

    def placement(self, model: str, environment: str, number: int) -> Placement:
        return self._inner.placement(model, environment, number)

    def placements(self, model: str, environment: str) -> Sequence[Placement]:
        return self._inner.placements(model, environment)

    def decide(self, approval: Approval) -> Placement:
        placement = self._inner.decide(approval)
        self._follow(approval.version)
        return placement

    def served(self, claim: Claim, release: Release, *, reason: str, actor: str, roll_back: bool = False) -> None:
        before = self._inner.champion(release.model, release.environment)
        self._inner.served(claim, release, reason=reason, actor=actor, roll_back=roll_back)
        self._follow(*({release.version} if before is None else {before, release.version}))

    def turn_back(self, claim: Claim, number: int) -> None:
        self._inner.turn_back(claim, number)
        self._follow(number)

    def champion(self, model: str, environment: str) -> int | None:
        return self._inner.champion(model, environment)

    def history(
        self,
        model: str,
        environment: str | None = None,
        *,
        version: int | None = None,
        by: datetime | None = None,
        limit: int | None = None,
    ) -> Sequence[Served]:
        return self._inner.history(model, environment, version=version, by=by, limit=limit)

    def learnt(self, model: str) -> Mapping[str, object] | None:
        return self._inner.learnt(model)

    def forget(self, model: str, number: int) -> None:
        self._inner.forget(model, number)
        self._tolerating(partial(self._mirror.remove, model, number), f"version {number}, which is removed")

    def repair(self) -> int:
        """Bring every package up to date that does not say how its version stands; return how many those were.

        Raises:
            BackendError: SageMaker cannot be asked.
        """
        return self._mirror.repair()

    def mend(self, environment: Environment) -> Sequence[str]:
        """Put back the bytes of what serves where somebody has written others; say in words where.

        Raises:
            EverfitError: that cannot be looked at or done.
        """
        return self._mirror.mend(environment)

    def packages(self, environment: Environment) -> "EnvironmentPackages":
        """Return the packages as one environment sees them."""
        return EnvironmentPackages(self._mirror, self._inner, environment)

    def _follow(self, *numbers: int) -> None:
        for number in sorted(numbers):
            self._tolerating(partial(self._mirror.bring_up, number), f"version {number}")

    def _tolerating(self, act: Callable[[], object], what: str) -> None:
        try:
            act()
        except EverfitError as error:
            self._warn(f"SageMaker's Model Registry does not follow ({what}); it is repaired later. {error}")


class EnvironmentPackages:
    """Implements ``Packages``."""

    def __init__(self, mirror: PackageMirror, inner: Registry, environment: Environment) -> None:
        self._mirror = mirror
        self._inner = inner
        self._environment = environment

    def package(self, name: str) -> Package | None:
        return self._mirror.package(name, self._environment)

    def decided(self) -> Sequence[Package]:
        return self._mirror.decided(self._environment)

    def put_back(self, version: int) -> None:
        try:
            self._mirror.bring_up(version, force=True)
        except NotFoundError:
            LOG.warning("version %s is gone, and so is what its package says", version)

    def owner(self) -> str:
        return self._mirror.owner(self._environment)
