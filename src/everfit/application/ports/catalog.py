"""The projects that a service keeps."""

from collections.abc import Mapping
from typing import Protocol

from everfit.application.workspace import Workspace


class Catalog(Protocol):
    """Projects by their model; a project file that breaks leaves its last good state in force."""

    def workspaces(self) -> Mapping[str, Workspace]:
        """Return every project, by the name of its model."""
        ...

    def workspace(self, model: str) -> Workspace:
        """Return the project of a model, or raise ``NotFoundError`` with the nearest name."""
        ...

    def troubles(self) -> Mapping[str, str]:
        """Return what is wrong with project files now, by folder."""
        ...

    def is_elsewhere(self, model: str) -> bool:
        """Tell whether the model's project is in the installation, but not among the folders that are served."""
        ...

    def refresh(self) -> bool:
        """Read what has changed in the files since the last time; tell whether any project is another one now."""
        ...
