"""The user's inference script: found, imported with its neighbours, its handlers called as SageMaker calls them."""

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from everfit.serving.errors import UnusableModelError

DEFAULT_SCRIPT = "inference.py"
HANDLERS = ("model_fn", "transform_fn", "input_fn", "predict_fn", "output_fn")


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a handler that asks for one more argument is given."""

    system_properties: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True, kw_only=True)
class UserScript:
    """The handlers that a script defines; those it leaves out have defaults.

    Args:
        batches: False when the script says ``BATCH = False``: each request is then asked in a call of its own.
    """

    name: str
    handlers: Mapping[str, Callable[..., Any]]
    context: Context
    batches: bool = True

    def has(self, handler: str) -> bool:
        """Whether the script defines the handler."""
        return handler in self.handlers

    def call(self, handler: str, *arguments: object) -> Any:
        """Call the handler, with the context when it takes one argument more."""
        function = self.handlers[handler]
        if takes_context(function, len(arguments)):
            return function(*arguments, self.context)
        return function(*arguments)


def takes_context(function: Callable[..., Any], given: int) -> bool:
    """Whether *function* has a place for one argument more than it is given."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    places = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    return len(places) > given


def find_script(model: Path, script: str | None) -> Path | None:
    """Return the script in the model's ``code`` folder, or None when the defaults serve."""
    code = model / "code"
    if script is None:
        default = code / DEFAULT_SCRIPT
        return default if default.is_file() else None
    path = code / script
    if not path.is_file() or not path.resolve().is_relative_to(code.resolve()):
        raise UnusableModelError(
            f"The model has no script code/{script}; serve.script must name a file of the project."
        )
    return path


def import_script(path: Path, model: Path) -> UserScript:
    """Import the script and return its handlers."""
    name = path.relative_to(model / "code").as_posix()
    module = import_module(path, name)
    handlers = {handler: function for handler in HANDLERS if callable(function := getattr(module, handler, None))}
    if not handlers:
        raise UnusableModelError(f"{name} defines none of the handlers {', '.join(HANDLERS)}.")
    pieces = sorted(handlers.keys() & {"input_fn", "predict_fn", "output_fn"})
    if "transform_fn" in handlers and pieces:
        raise UnusableModelError(
            f"{name} defines transform_fn and {', '.join(pieces)}: keep transform_fn alone or the others."
        )
    context = Context(system_properties=MappingProxyType({"model_dir": str(model), "gpu_id": None}))
    batches = getattr(module, "BATCH", True) is not False
    return UserScript(name=name, handlers=MappingProxyType(handlers), context=context, batches=batches)


def import_module(path: Path, name: str) -> Any:
    """Import the file under its own name, once, so that what was pickled by that name is found."""
    module_name = path.stem
    known = sys.modules.get(module_name)
    if known is not None and getattr(known, "__file__", None) == str(path):
        return known
    spec = importlib.util.spec_from_file_location(module_name, path)
    if spec is None or spec.loader is None:
        raise UnusableModelError(f"{name} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    sys.modules[module_name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever the user's module does wrong, it cannot be imported
        sys.modules.pop(module_name, None)
        raise UnusableModelError(f"{name} cannot be imported: {failure_text(error, path.parent)}") from error
    return module


def open_code_folder(model: Path, script: Path | None) -> None:
    """Let the modules beside the script be imported, and leave the model's folder as it is."""
    # A byte-code cache in the folder would change what its digest stands for.
    sys.dont_write_bytecode = True
    folders = [model / "code"] if script is None else [model / "code", script.parent]
    for folder in folders:
        if folder.is_dir() and str(folder) not in sys.path:
            sys.path.insert(0, str(folder))


def failure_text(error: BaseException, code: Path) -> str:
    """Return an exception of the user's code in one line, with the last place in that code."""
    text = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    if isinstance(error, ModuleNotFoundError) and error.name:
        text += f". Add {error.name.partition('.')[0]} to the file that train.requirements names"
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if Path(frame.filename).is_relative_to(code):
            place = Path(frame.filename).relative_to(code)
            return f"{text} ({place}, line {frame.lineno}, in {frame.name})"
    if isinstance(error, SyntaxError) and error.filename:
        text = f"{error.msg} ({Path(error.filename).name}, line {error.lineno})"
    return text
