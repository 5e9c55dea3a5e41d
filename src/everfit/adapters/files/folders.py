"""What is asked of a folder with code."""

import os
from pathlib import Path

from everfit.adapters.files.tree import Tree
from everfit.domain.errors import NotFoundError, RequestError


def text_below(folder: Path, path: str) -> str:
    """Return the text of a file in the folder.

    Raises:
        NotFoundError: there is no such file, or it lies outside.
        RequestError: it is no text.
    """
    place = folder / path
    if not place.resolve().is_relative_to(folder.resolve()):
        raise NotFoundError(f"{path} lies outside the project. Put it inside.")
    try:
        return place.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise RequestError(f"{path} is not UTF-8 text ({error.reason}). Save it as UTF-8.") from error
    except OSError as error:
        raise NotFoundError(f"There is no file {path} in the project's code. Check its name.") from error


def importable_names(folder: Path) -> frozenset[str]:
    """Return the names that Python can import from the top of the folder."""
    tree = Tree(root=os.path.realpath(folder), leaves_out=lambda _: False)
    tops = (file.path.partition("/")[0] for file in tree.files() if file.path.endswith((".py", ".so", ".pyd")))
    return frozenset(name.partition(".")[0] for name in tops if name.partition(".")[0].isidentifier())
