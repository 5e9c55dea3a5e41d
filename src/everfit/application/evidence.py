"""What there is to know, for programs outside, of what a notice tells of."""

from collections.abc import Mapping
from contextlib import suppress
from typing import cast

from everfit.application.ports import Registry
from everfit.application.ports.run_store import RunStore
from everfit.domain.errors import NotFoundError
from everfit.domain.model_metrics import figures, figures_in
from everfit.domain.run import RunId
from everfit.domain.told_figures import Evidence
from everfit.domain.version import Version

EVALUATED = "evaluate"


def evidence_of(content: Mapping[str, object], registry: Registry, store: RunStore) -> Evidence:
    """Return the version and its figures: those of the run's own evaluation, else those it was made with.

    Args:
        content: of a message.
    """
    version = _version(content, registry)
    measured = _measured(content, store)
    if measured is None and version is not None:
        measured = figures(version)
    return Evidence(version=version) if measured is None else Evidence(version=version, figures=measured)


def _version(content: Mapping[str, object], registry: Registry) -> Version | None:
    number = content.get("version")
    with suppress(NotFoundError):
        return registry.version(str(content["model"]), number) if isinstance(number, int) else None
    return None


def _measured(content: Mapping[str, object], store: RunStore) -> Mapping[str, float] | None:
    run = content.get("run")
    if not isinstance(run, str):
        return None
    result = next((step.result for step in store.steps(RunId(run)) if step.name == EVALUATED), None)
    evaluation = _below(result, "evaluation")
    side = _below(evaluation, "challenger")
    return None if side is None else figures_in(side)


def _below(values: Mapping[str, object] | None, name: str) -> Mapping[str, object] | None:
    found = None if values is None else values.get(name)
    return cast("Mapping[str, object]", found) if isinstance(found, Mapping) else None
