"""Whether an unpacked model is still, file by file, what its artifact held."""

import hashlib
import json
from pathlib import Path
from typing import Any

from everfit.serving.errors import UnusableModelError
from everfit.serving.packages import required

CHUNK = 1 << 20


def verify_folder(model: Path, artifact: str) -> None:
    """Raise ``UnusableModelError`` unless *model* holds exactly the files of *artifact*.

    Their digests lie beside the folder, in ``<folder>.files.json``.
    """
    listing = model.with_name(f"{model.name}.files.json")
    if model.name != artifact.partition(":")[2]:
        raise UnusableModelError(f"The model folder {model} is not the one of {artifact}.")
    try:
        expected: dict[str, str] = json.loads(listing.read_bytes())["files"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UnusableModelError(f"The list of files of {artifact} cannot be read ({listing}: {error}).") from error
    found = {path.relative_to(model).as_posix(): path for path in model.rglob("*") if not path.is_dir()}
    for name in sorted(expected.keys() | found.keys()):
        if name not in found:
            raise UnusableModelError(f"The model folder {model} was changed: {name} is missing.")
        if name not in expected:
            raise UnusableModelError(f"The model folder {model} was changed: {name} does not belong to it.")
        if digest(found[name], expected[name].partition(":")[0]) != expected[name]:
            raise UnusableModelError(f"The model folder {model} was changed: {name} has other content.")


def digest(path: Path, algorithm: str) -> str:
    """Return the digest of a file, with the name of its algorithm in front."""
    state: Any = (
        required("blake3", "The check of the model folder").blake3() if algorithm == "blake3" else hashlib.sha256()
    )
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            state.update(chunk)
    return f"{algorithm}:{state.hexdigest()}"
