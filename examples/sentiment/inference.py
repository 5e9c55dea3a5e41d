"""Answers requests, with the handlers that SageMaker's inference containers call too."""

import csv
import io
import json
from pathlib import Path

import joblib


def model_fn(model_dir):
    """Load what train.py saved."""
    return joblib.load(Path(model_dir) / "model.joblib")


def input_fn(body, content_type):
    """Turn a request into texts: {"instances": [{"text": "works like a charm"}, …]}, or CSV."""
    text = body.decode() if isinstance(body, bytes) else body
    is_csv = content_type.startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(text))) if is_csv else json.loads(text)["instances"]
    return [row["text"] for row in rows]


def predict_fn(texts, model):
    """Tell for each text whether it is positive or negative, and how likely each is."""
    return model.predict(texts), model.predict_proba(texts), model.classes_


def output_fn(prediction, accept):
    """Turn the predictions into the answer."""
    labels, chances, classes = prediction
    answer = {
        "predictions": [str(label) for label in labels],
        "probabilities": [dict(zip(map(str, classes), map(float, row))) for row in chances],  # noqa: B905 - Python 3.9
    }
    return json.dumps(answer), "application/json"
