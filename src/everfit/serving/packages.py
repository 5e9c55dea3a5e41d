"""Third-party packages of the model's own environment, imported when a model needs them and not before."""

import importlib
from types import ModuleType

from everfit.serving.errors import UnusableModelError


def required(name: str, reason: str) -> ModuleType:
    """Import the package, or raise ``UnusableModelError`` that says how to get it.

    Args:
        name: as it is imported.
        reason: what needs it, as the subject of a sentence.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UnusableModelError(
            f"{reason} needs the package {name}, which its environment does not have ({error}). "
            f"Add {name} to the file that train.requirements names."
        ) from error


def optional(name: str) -> ModuleType | None:
    """Import the package, or return None when it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None
