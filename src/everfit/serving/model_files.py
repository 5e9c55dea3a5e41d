"""The model file that a folder holds, found by its name and first bytes, and loaded by the package that made it."""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from everfit.serving.errors import UnusableModelError
from everfit.serving.packages import optional, required

FIRST_BYTES = 4096


def load_model_file(model: Path) -> Any:
    """Load the one model file below *model*, or raise ``UnusableModelError``."""
    path, load = find_model_file(model)
    try:
        return load(path)
    except UnusableModelError:
        raise
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        raise UnusableModelError(
            f"{path.name} was made with the module {package!r}, which cannot be imported. "
            "Add its package to the file that train.requirements names, or keep the module beside the training script."
        ) from error
    except Exception as error:  # a file of somebody else's making fails in any way it likes
        raise UnusableModelError(
            f"{path.name} cannot be loaded: {type(error).__name__}: {error}{hint(error)}"
        ) from error


def hint(error: Exception) -> str:
    """Return what to do about an error that is met often."""
    if isinstance(error, AttributeError) and "__main__" in str(error):
        return ". Put the class into a module beside the training script, or write a model_fn"
    return ""


def find_model_file(model: Path) -> tuple[Path, Callable[[Path], Any]]:
    """Return the model file and what loads it; the top of the folder comes before what lies deeper."""
    files = sorted(path for path in model.rglob("*") if path.is_file() and is_outside_code(path, model))
    for group in ([path for path in files if path.parent == model], files):
        found = [(path, loader) for path in group if (loader := loader_of(path)) is not None]
        if len(found) == 1:
            return found[0]
        if found:
            names = ", ".join(path.relative_to(model).as_posix() for path, _ in found)
            raise UnusableModelError(
                f"The model folder holds several model files ({names}): keep one, or write a model_fn that loads them."
            )
    names = ", ".join(path.relative_to(model).as_posix() for path in files[:5]) or "nothing"
    raise UnusableModelError(
        f"The model folder holds no model file that the default handlers know (it holds {names}): save the model as "
        f"one of {', '.join(sorted(LOADERS))}, or write a model_fn."
    )


def is_outside_code(path: Path, model: Path) -> bool:
    """Whether the file is the model's and not that of the code packed with it."""
    return path.relative_to(model).parts[0] != "code"


def loader_of(path: Path) -> Callable[[Path], Any] | None:
    """Return what loads the file; None when it is no model."""
    if path.name == "saved_model.pb":
        return load_saved_model
    if path.suffix == ".json":
        return load_xgboost if b'"learner"' in first_bytes(path) else None
    if path.suffix == ".txt":
        return load_lightgbm if first_bytes(path).startswith(b"tree") else None
    return LOADERS.get(path.suffix)


def first_bytes(path: Path) -> bytes:
    """Return how the file begins."""
    with path.open("rb") as file:
        return file.read(FIRST_BYTES)


def load_pickle(path: Path) -> Any:
    """Load a pickle by joblib, which reads plain ones too, or by the standard library."""
    joblib = optional("joblib")
    if joblib is not None:
        return joblib.load(path)
    if path.suffix == ".joblib":
        required("joblib", path.name)
    with path.open("rb") as file:
        return pickle.load(file)  # noqa: S301 - the user's own model, verified by its digest


def load_xgboost(path: Path) -> Any:
    """Load a booster."""
    return required("xgboost", path.name).Booster(model_file=str(path))


def load_lightgbm(path: Path) -> Any:
    """Load a booster."""
    return required("lightgbm", path.name).Booster(model_file=str(path))


def load_torch(path: Path) -> Any:
    """Load a TorchScript archive or a whole pickled module."""
    torch = required("torch", path.name)
    try:
        model: Any = torch.jit.load(str(path), map_location="cpu")
    except RuntimeError:
        model = torch.load(str(path), map_location="cpu", weights_only=False)
    if not hasattr(model, "eval"):
        raise UnusableModelError(
            f"{path.name} holds weights without the network they belong to: write a model_fn that builds it, or save "
            "it with torch.jit.save."
        )
    model.eval()
    return model


def load_keras(path: Path) -> Any:
    """Load a Keras model with whichever Keras there is."""
    keras = optional("keras")
    if keras is None:
        keras = required("tensorflow", path.name).keras
    return keras.models.load_model(str(path))


def load_saved_model(path: Path) -> Any:
    """Load a TensorFlow SavedModel folder."""
    return required("tensorflow", path.name).saved_model.load(str(path.parent))


def load_onnx(path: Path) -> Any:
    """Open an ONNX session on the CPU."""
    return required("onnxruntime", path.name).InferenceSession(str(path), providers=["CPUExecutionProvider"])


LOADERS: Final[dict[str, Callable[[Path], Any]]] = {
    ".joblib": load_pickle,
    ".pkl": load_pickle,
    ".pickle": load_pickle,
    ".ubj": load_xgboost,
    ".bst": load_xgboost,
    ".model": load_xgboost,
    ".lgb": load_lightgbm,
    ".pt": load_torch,
    ".pth": load_torch,
    ".keras": load_keras,
    ".h5": load_keras,
    ".onnx": load_onnx,
}
