"""The default ``predict_fn``: one way to ask for each kind of model object, whoever loaded it."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final

from everfit.serving.errors import UnreadableRequestError
from everfit.serving.estimators import at_last_step, votes
from everfit.serving.packages import optional, required
from everfit.serving.shapes import is_list, is_object


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """One value for each row, and for a classifier the probabilities in the order of the labels."""

    values: Any
    probabilities: Any = None
    labels: Any = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Predictor:
    """How models of one package are asked.

    Args:
        is_row_by_row: whether a row's prediction can be the same whichever other rows are asked with it.
    """

    ask: Callable[[Any, Any], Prediction]
    is_row_by_row: bool = True


def predict(rows: Any, model: Any) -> Prediction:
    """Ask the model, in the way that its package wants it."""
    if isinstance(model, Prediction):
        return model
    known = predictor_of(model)
    if known is not None:
        return known.ask(rows, model)
    if hasattr(model, "signatures"):
        return predict_saved_model(rows, model)
    if hasattr(model, "predict"):
        return predict_estimator(rows, model)
    if optional("torch") is not None and hasattr(model, "state_dict"):
        return predict_torch(rows, model)
    if callable(model):
        return Prediction(values=model(rows))
    raise UnreadableRequestError(f"A {names_of(model)[1]} cannot predict; write a predict_fn.", status=500)


def names_of(model: Any) -> tuple[str, str]:
    """Return the package that the model comes from, and its class with the package."""
    family = type(model).__module__.partition(".")[0]
    return family, f"{family}.{type(model).__name__}"


def predictor_of(model: Any) -> Predictor | None:
    """Return how models of this package are asked, if that is special."""
    family, name = names_of(model)
    return PREDICTORS.get(name) or PREDICTORS.get(family)


def is_row_by_row(model: Any) -> bool:
    """Whether the default handlers may ask the model for the rows of several requests at once."""
    known = predictor_of(model)
    return known is None or known.is_row_by_row


def arranged(rows: Any, names: Any) -> Any:
    """Return named rows with the model's columns in the model's order; rows without names stay as they are."""
    if names is None:
        return rows
    wanted = [str(name) for name in names]
    if hasattr(rows, "columns"):
        given = {str(column): column for column in rows.columns}
        refuse_missing(wanted, set(given))
        return rows[[given[name] for name in wanted]].set_axis(list(names), axis=1)
    if is_list(rows) and rows and is_object(rows[0]):
        refuse_missing(wanted, set(rows[0]))
        return [[record.get(name) for name in wanted] for record in rows]
    return rows


def refuse_missing(wanted: list[str], given: set[str]) -> None:
    """Raise for columns that the model was trained with and the request does not have."""
    missing = [name for name in wanted if name not in given]
    if missing:
        raise UnreadableRequestError(
            f"The request lacks the column {', '.join(missing)}; the model was trained with it."
        )


def numbers(rows: Any, kind: str = "float32") -> Any:
    """Return the rows as an array of numbers."""
    numpy = required("numpy", "The model")
    values = rows.to_numpy() if hasattr(rows, "to_numpy") else rows
    if is_list(values) and values and is_object(values[0]):
        values = [list(record.values()) for record in values]
    try:
        return numpy.asarray(values, dtype=kind)
    except (TypeError, ValueError) as error:
        raise UnreadableRequestError(f"The model takes numbers only: {error}.") from error


def predict_estimator(rows: Any, model: Any) -> Prediction:
    """Ask anything with ``predict``, such as an estimator of scikit-learn."""
    names = getattr(model, "feature_names_in_", None)
    if names is None and hasattr(model, "n_features_in_") and hasattr(rows, "to_numpy"):
        rows = rows.to_numpy()
    rows, model = at_last_step(arranged(rows, names), model)
    labels = getattr(model, "classes_", None)
    if labels is None or isinstance(labels, list) or not hasattr(model, "predict_proba"):
        return Prediction(values=model.predict(rows))
    if votes(model):
        table = model.predict_proba(rows)
        return Prediction(values=labels.take(table.argmax(axis=1)), probabilities=table, labels=labels)
    return Prediction(values=model.predict(rows), probabilities=model.predict_proba(rows), labels=labels)


def predict_statsmodels(rows: Any, model: Any) -> Prediction:
    """Ask fitted results: a time series for its next steps, anything else for its rows."""
    if hasattr(model, "forecast"):
        return Prediction(values=model.forecast(steps=len(rows)))
    return Prediction(values=model.predict(arranged(rows, array_names(model, rows))))


def array_names(model: Any, rows: Any) -> Any:
    """Return the columns of a model that was given arrays; a formula finds its own."""
    details = getattr(model, "model", None)
    if details is None or hasattr(getattr(details, "data", None), "formula") or hasattr(details, "formula"):
        return None
    names = getattr(details, "exog_names", None)
    return names if hasattr(rows, "columns") and names and set(names) <= set(rows.columns) else None


def predict_prophet(rows: Any, model: Any) -> Prediction:
    """Ask Prophet for the middle of its forecast."""
    return Prediction(values=model.predict(rows)["yhat"])


def predict_xgboost(rows: Any, model: Any) -> Prediction:
    """Ask a booster; a classifier's raw output becomes labels and probabilities."""
    xgboost = required("xgboost", "The model")
    names = model.feature_names
    data = arranged(rows, names)
    data = data if hasattr(data, "columns") else numbers(data)
    matrix = xgboost.DMatrix(data, feature_names=names, enable_categorical=True)
    return classified(model.predict(matrix), xgboost_objective(model).startswith(("binary:logistic", "multi:softprob")))


# Both packages tell their objective only with all of the model, which takes longer than a prediction.
@lru_cache(maxsize=4)
def xgboost_objective(model: Any) -> str:
    """Return what the booster was trained for."""
    return str(json.loads(model.save_config())["learner"]["objective"]["name"])


def predict_lightgbm(rows: Any, model: Any) -> Prediction:
    """Ask a booster; a classifier's raw output becomes labels and probabilities."""
    names = model.feature_name()
    is_named = hasattr(rows, "columns") and not all(str(name).startswith("Column_") for name in names)
    data = arranged(rows, names) if is_named else numbers(rows, "float64")
    return classified(model.predict(data), lightgbm_objective(model).startswith(("binary", "multiclass")))


@lru_cache(maxsize=4)
def lightgbm_objective(model: Any) -> str:
    """Return what the booster was trained for."""
    return str(model.dump_model().get("objective", ""))


def classified(scores: Any, are_probabilities: bool) -> Prediction:
    """Return probabilities of the classes 0, 1, … with the likeliest of them, or the scores as they are."""
    numpy = required("numpy", "The model")
    if not are_probabilities:
        return Prediction(values=scores)
    table = numpy.column_stack([1 - scores, scores]) if scores.ndim == 1 else scores
    return Prediction(values=table.argmax(axis=1), probabilities=table, labels=list(range(table.shape[1])))


def predict_torch(rows: Any, model: Any) -> Prediction:
    """Ask a module, without gradients; one output a row becomes one number a row."""
    torch = required("torch", "The model")
    with torch.no_grad():
        return Prediction(values=one_each(model(torch.as_tensor(numbers(rows)))))


def predict_keras(rows: Any, model: Any) -> Prediction:
    """Ask a Keras model."""
    return Prediction(values=one_each(model.predict(numbers(rows), verbose=0)))


def predict_saved_model(rows: Any, model: Any) -> Prediction:
    """Ask the serving signature of a SavedModel, which has one input."""
    tensorflow = required("tensorflow", "The model")
    signature = model.signatures["serving_default"]
    (name,) = signature.structured_input_signature[1]
    outputs = signature(**{name: tensorflow.constant(numbers(rows))})
    return Prediction(values=one_each(next(iter(outputs.values())).numpy()))


def one_each(values: Any) -> Any:
    """Return a column of single values as a plain sequence of them."""
    return values.reshape(-1) if len(getattr(values, "shape", ())) == 2 and values.shape[1] == 1 else values


ONNX_KINDS: Final = {
    "tensor(float)": "float32",
    "tensor(double)": "float64",
    "tensor(int64)": "int64",
    "tensor(int32)": "int32",
    "tensor(string)": "object",
    "tensor(bool)": "bool",
}


def predict_onnx(rows: Any, model: Any) -> Prediction:
    """Ask a session: one input takes the whole table, several take a column each."""
    inputs = model.get_inputs()
    if len(inputs) == 1:
        feeds = {inputs[0].name: numbers(rows, ONNX_KINDS.get(inputs[0].type, "float32"))}
    else:
        table = arranged(rows, [entry.name for entry in inputs])
        if not hasattr(table, "columns"):
            raise UnreadableRequestError("The model takes named columns; send records or CSV with a header.")
        feeds = {
            entry.name: numbers(table[entry.name], ONNX_KINDS.get(entry.type, "float32")).reshape(-1, 1)
            for entry in inputs
        }
    outputs = model.run(None, feeds)
    values = one_each(outputs[0])
    if len(outputs) < 2 or not len(outputs[1]) or not isinstance(outputs[1][0], dict):
        return Prediction(values=values)
    labels = list(outputs[1][0])
    return Prediction(
        values=values, probabilities=[[row[name] for name in labels] for row in outputs[1]], labels=labels
    )


PREDICTORS: Final = {
    "xgboost.Booster": Predictor(ask=predict_xgboost),
    "lightgbm.Booster": Predictor(ask=predict_lightgbm),
    "onnxruntime": Predictor(ask=predict_onnx),
    # Both put the rows into the order of time, or take their number alone.
    "prophet": Predictor(ask=predict_prophet, is_row_by_row=False),
    "statsmodels": Predictor(ask=predict_statsmodels, is_row_by_row=False),
    "torch": Predictor(ask=predict_torch),
    "keras": Predictor(ask=predict_keras),
    "tensorflow": Predictor(ask=predict_saved_model),
}
