"""Answers requests, with the handlers that SageMaker's inference containers call too."""

import csv
import io
import json
from pathlib import Path

import joblib
from features import features_of


def model_fn(model_dir):
    """Load what train.py saved."""
    return joblib.load(Path(model_dir) / "model.joblib")


def input_fn(body, content_type):
    """Turn a request into features: {"instances": [{"timestamp": …, …}, …]}, or CSV with a header line."""
    text = body.decode() if isinstance(body, bytes) else body
    rows = (
        list(csv.DictReader(io.StringIO(text)))
        if content_type.startswith("text/csv")
        else json.loads(text)["instances"]
    )
    return [features_of(row) for row in rows]


def predict_fn(features, model):
    """Predict the generation of each hour."""
    return model.predict(features)


def output_fn(predictions, accept):
    """Turn the predictions into the answer; a park cannot generate less than nothing."""
    return json.dumps({"predictions": [max(0.0, float(each)) for each in predictions]}), "application/json"
