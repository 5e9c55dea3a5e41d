"""A project on this machine."""

from dataclasses import dataclass

from everfit.domain.project import Project


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A project on this machine, with its paths resolved.

    Args:
        folder: where ``everfit.yaml`` lies.
        leave_out: paths below it that are not code: the data.
    """

    folder: str
    project: Project
    leave_out: tuple[str, ...] = ()

    @property
    def model(self) -> str:
        """Name of the model that the project keeps fresh."""
        return self.project.model
