"""Immutable model packages."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A packed model: ``sha256:…`` of the archive, and its size in bytes."""

    digest: str
    size: int


class Artifacts(Protocol):
    """Immutable model packages, by digest."""

    def pack(self, model: str, code: str | None, requirements: str | None) -> Artifact:
        """Pack the folder *model*, with *code* as its ``code/``, like SageMaker's ``model.tar.gz``; keep it once.

        The text *requirements* becomes ``code/requirements.txt``. The same content gives the same digest, whenever
        and wherever it is packed.
        """
        ...

    def unpacked(self, digest: str) -> str:
        """Return a folder with the content of the artifact, verified against *digest*.

        Raises:
            NotFoundError: there is no such artifact.
            RefusedError: its bytes are not those of *digest* any more.
        """
        ...

    def verify(self, digest: str) -> None:
        """Raise as ``unpacked`` does when the archive or the unpacked folder is not what *digest* says."""
        ...

    def delete(self, digest: str) -> None:
        """Forget the artifact; nothing happens when there is none."""
        ...
