"""Load a model and ask it, by the user's handlers or the default ones, as SageMaker's inference toolkit does.

Runs in the model's own interpreter: nothing but the standard library is imported before a model needs it.
"""

import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from everfit.serving.answer_body import as_json, preferred, write_answer
from everfit.serving.errors import UnreadableRequestError, UnusableModelError
from everfit.serving.estimators import columns_by_place
from everfit.serving.model_files import load_model_file
from everfit.serving.predictors import is_row_by_row, predict
from everfit.serving.request_body import as_text, parse_request
from everfit.serving.table import Table
from everfit.serving.user_script import UserScript, failure_text, find_script, import_script, open_code_folder

__all__ = ["LoadedModel", "UnreadableRequestError", "UnusableModelError", "load"]

DECODED = ("application/json", "text/csv")


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadedModel:
    """A model that can be asked.

    Args:
        model: whatever ``model_fn`` returned.
        script: None when the default handlers serve.
        columns: of the rows that the model takes as an array, in its order; None when it is not known to.
    """

    model: Any
    script: UserScript | None
    columns: tuple[str, ...] | None = None

    def invoke(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """Return the answer and its content type; what the user's code raises passes through."""
        if self.has("transform_fn"):
            wanted = preferred(accept)
            data, kind = readable(body, content_type)
            return answered(self._call("transform_fn", self.model, data, kind, wanted), wanted)
        return self.write(self.ask(self.read(body, content_type)), accept)

    def read(self, body: bytes, content_type: str) -> Any:
        """Return what the model is asked."""
        return self.finished(self.parse(body, content_type))

    def parse(self, body: bytes, content_type: str) -> Any:
        """Return what the model is asked, or a ``Table`` that has yet to be finished."""
        data, kind = readable(body, content_type)
        if self.has("input_fn"):
            return self._call("input_fn", data, kind)
        rows = parse_request(data, kind)
        array = rows.numbers(self.columns) if self.columns is not None and isinstance(rows, Table) else None
        return rows if array is None else array

    def finished(self, data: Any) -> Any:
        """Return what was parsed as the model takes it."""
        return data.frame() if isinstance(data, Table) else data

    def ask(self, rows: Any) -> Any:
        """Return what the model predicts."""
        return self._call("predict_fn", rows, self.model) if self.has("predict_fn") else predict(rows, self.model)

    def write(self, prediction: Any, accept: str) -> tuple[bytes, str]:
        """Return a prediction as the body of an answer and its content type."""
        if not self.has("output_fn"):
            return write_answer(prediction, accept)
        wanted = preferred(accept)
        return answered(self._call("output_fn", prediction, wanted), wanted)

    @property
    def one_by_one(self) -> str | None:
        """Why requests cannot share a call of the model, as far as that is known without asking it."""
        if self.has("transform_fn"):
            return "transform_fn answers whole requests."
        if self.script is not None and not self.script.batches:
            return f"{self.script.name} says BATCH = False."
        if not self.has("predict_fn") and not is_row_by_row(self.model):
            return f"A {type(self.model).__name__} predicts from all rows of a request."
        return None

    def has(self, handler: str) -> bool:
        """Whether the user's script defines the handler."""
        return self.script is not None and self.script.has(handler)

    def _call(self, handler: str, *arguments: object) -> Any:
        return cast("UserScript", self.script).call(handler, *arguments)


def readable(body: bytes, content_type: str) -> tuple[bytes | str, str]:
    """Return the body as a handler is given it, and what kind it is."""
    kind = plain_type(content_type)
    return as_text(body) if kind in DECODED else body, kind


@lru_cache(maxsize=64)
def plain_type(content_type: str) -> str:
    """Return a content type without its parameters; JSON when there is none."""
    return content_type.partition(";")[0].strip().lower() or "application/json"


def answered(result: Any, content_type: str) -> tuple[bytes, str]:
    """Return what a user's handler gave as bytes and content type; a pair names its own."""
    if isinstance(result, tuple):
        result, content_type = cast("tuple[Any, str]", result)
    if isinstance(result, str):
        return result.encode(), str(content_type)
    if isinstance(result, (bytes, bytearray, memoryview)):
        return bytes(cast("bytes", result)), str(content_type)
    return as_json(result), str(content_type)


def load(model: str, script: str | None) -> LoadedModel:
    """Load the model in the folder *model* by *script* below its ``code``, or raise ``UnusableModelError``.

    Args:
        model: the unpacked artifact.
        script: None takes ``code/inference.py`` when there is one, else the default handlers.
    """
    folder = Path(model).resolve()
    if not folder.is_dir():
        raise UnusableModelError(f"There is no model folder {model}.")
    path = find_script(folder, script)
    open_code_folder(folder, path)
    user_script = None if path is None else import_script(path, folder)
    if user_script is None or not user_script.has("model_fn"):
        return ready(load_model_file(folder), user_script)
    try:
        loaded = user_script.call("model_fn", str(folder))
    except (Exception, SystemExit) as error:  # whatever the user's code does wrong, the model is not loaded
        raise UnusableModelError(f"model_fn failed: {failure_text(error, folder / 'code')}") from error
    return ready(loaded, user_script)


def ready(model: Any, script: UserScript | None) -> LoadedModel:
    """Return a model that was loaded."""
    # Said at every request that has no names; the default handlers take such rows by their place.
    warnings.filterwarnings("ignore", message="X does not have valid feature names")
    is_users = script is not None and script.has("predict_fn")
    return LoadedModel(model=model, script=script, columns=None if is_users else columns_by_place(model))
