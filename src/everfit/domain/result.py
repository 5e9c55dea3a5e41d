"""A step's result as bounded JSON: large things are artifacts, not results."""

import json
from collections.abc import Mapping
from typing import Final, cast

from everfit.domain.errors import RunFailedError

LARGEST_RESULT: Final = 1_000_000


def written(step: str, result: Mapping[str, object]) -> str:
    """Return the result as JSON text, or raise ``RunFailedError`` when it is none or too large."""
    try:
        # A figure that is not a number is still what the script said: NaN is kept, and the gate judges it.
        text = json.dumps(result, ensure_ascii=False, separators=(",", ":"))
        size = len(text.encode())
    except (TypeError, ValueError, RecursionError) as error:
        raise RunFailedError(f"The result of the step {step!r} is not JSON: {error}.") from error
    if size > LARGEST_RESULT:
        raise RunFailedError(
            f"The result of the step {step!r} has {size:,} bytes; a result may have {LARGEST_RESULT:,}. "
            "Keep large things as files and name them in the result."
        )
    return text


def read(text: str) -> Mapping[str, object]:
    """Return the result that ``written`` gave."""
    return cast("Mapping[str, object]", json.loads(text))
