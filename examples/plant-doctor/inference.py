"""Answers with the disease on a photo, through the handlers that SageMaker's inference containers call too."""

import json
from pathlib import Path

import numpy as np
from photos import features_of


def model_fn(model_dir):
    """Load what train.py saved."""
    folder = Path(model_dir)
    with np.load(folder / "model.npz") as saved:
        return {
            **{name: saved[name] for name in saved.files},
            "classes": json.loads((folder / "classes.json").read_text()),
        }


def input_fn(body, content_type):
    """Turn a photo into features; a request is one PNG."""
    if content_type != "image/png":
        raise ValueError(f"send image/png, not {content_type}")
    return features_of(body)


def predict_fn(features, model):
    """Tell how likely each disease is."""
    scores = (features - model["middle"]) / model["spread"] @ model["weights"][:-1] + model["weights"][-1]
    powers = np.exp(scores - scores.max())
    return dict(zip(model["classes"], (powers / powers.sum()).tolist()))  # noqa: B905 - Python 3.9


def output_fn(chances, accept):
    """Turn the prediction into the answer."""
    label = max(chances, key=chances.get)
    return json.dumps({"predictions": [label], "probabilities": [chances]}), "application/json"
