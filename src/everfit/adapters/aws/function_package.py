"""Packs what a function needs to serve a model: Everfit's serving code and nothing else, the same zip each time."""

import ast
import base64
import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import everfit

HANDLER: Final = "everfit.serving.function.handler"
RUNTIME: Final = "python3.12"
_ENTRY: Final = "everfit.serving.function"
_ROOT: Final = "everfit"
# The earliest time that a zip can say: the same content has the same bytes, whenever it is packed.
_TIME: Final = (1980, 1, 1, 0, 0, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionPackage:
    """A zip that Lambda takes.

    Args:
        sha256: in base 64, as Lambda says it (``CodeSha256``).
    """

    content: bytes
    sha256: str


@cache
def function_package() -> FunctionPackage:
    """Return the code of a function that serves."""
    folder = Path(everfit.__file__).parent
    packed = io.BytesIO()
    # Stored: what a compressor writes depends on its version, and the digest with it.
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for name, path in sorted(needed_modules(folder, _ENTRY).items()):
            entry = zipfile.ZipInfo(f"{name}", _TIME)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    content = packed.getvalue()
    digest = base64.b64encode(hashlib.sha256(content).digest()).decode()
    return FunctionPackage(content=content, sha256=digest)


def needed_modules(folder: Path, entry: str) -> dict[str, Path]:
    """Return the files of Everfit that *entry* imports, directly or not, by their names in the archive."""
    found: dict[str, Path] = {}
    waiting = [entry]
    while waiting:
        path = _file(folder, waiting.pop())
        if path is None:
            continue
        name = str(Path(_ROOT, path.relative_to(folder)))
        if name not in found:
            found[name] = path
            waiting += _imported(path)
    return found


def _file(folder: Path, module: str) -> Path | None:
    """Return where the module is; None when it is not one of Everfit's."""
    parts = module.split(".")
    if parts[0] != _ROOT:
        return None
    place = folder.joinpath(*parts[1:])
    choices = (place.with_suffix(".py") if parts[1:] else None, place / "__init__.py")
    return next((choice for choice in choices if choice is not None and choice.is_file()), None)


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            parts = name.split(".")
            # Whatever is imported, the packages around it are imported first.
            yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))
