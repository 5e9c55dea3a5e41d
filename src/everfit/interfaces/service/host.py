"""Keeps the endpoint host running, which serves from processes of its own."""

from typing import Final

from everfit.application.ports import Catalog, Endpoints, Registry
from everfit.interfaces.service.log import LOG

EVERY: Final = 2.0


class HostKeeper:
    """Starts the endpoint host when something is deployed and it does not run, as after a restart of the machine.

    One that a person stopped while the service was up stays stopped.
    """

    def __init__(self, catalog: Catalog, endpoints: Endpoints, registry: Registry) -> None:
        self._catalog, self._endpoints, self._registry = catalog, endpoints, registry
        self._is_needed = self._is_anything_deployed()
        self._is_first = True

    def turn(self) -> float | None:
        """Look after the host."""
        if self._endpoints.is_running():
            self._is_needed = True
        elif self._is_needed and (self._is_first or not self._endpoints.is_stopped()):
            LOG.info("the endpoint host starts")
            self._endpoints.start()
        self._is_first = False
        return EVERY

    def _is_anything_deployed(self) -> bool:
        return any(
            self._registry.champion(model, environment) is not None
            for model, workspace in self._catalog.workspaces().items()
            for environment in workspace.project.environments
        )
