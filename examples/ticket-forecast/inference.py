"""Answers requests, with the handlers that SageMaker's inference containers call too."""

import csv
import io
import json
from pathlib import Path

import joblib
from calendar_features import features_of


def model_fn(model_dir):
    """Load what train.py saved."""
    return joblib.load(Path(model_dir) / "model.joblib")


def input_fn(body, content_type):
    """Turn a request into features: {"instances": [{"day": "2024-05-17", "is_holiday": 0}, …]}, or CSV."""
    text = body.decode() if isinstance(body, bytes) else body
    is_csv = content_type.startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(text))) if is_csv else json.loads(text)["instances"]
    return [features_of(row) for row in rows]


def predict_fn(features, model):
    """Predict the tickets of each day."""
    return model.predict(features)


def output_fn(predictions, accept):
    """Turn the predictions into the answer."""
    return json.dumps({"predictions": [float(each) for each in predictions]}), "application/json"
