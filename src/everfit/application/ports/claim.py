"""The right to change what a model and environment has."""

from dataclasses import dataclass

from everfit.domain.run import RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """The right to change what a model and environment has, until somebody takes it over.

    Args:
        run: None when a person holds it, for a rollback or an approval.
        fence: grows with each claim of that model and environment.
    """

    model: str
    environment: str
    owner: str
    fence: int
    run: RunId | None
