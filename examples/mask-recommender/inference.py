"""Recommends a mask for a face, with nothing but the standard library: so small a function starts at once."""

import csv
import io
import json
from pathlib import Path

from features import features_of


def model_fn(model_dir):
    """Load what train.py saved."""
    return json.loads((Path(model_dir) / "tree.json").read_text())


def input_fn(body, content_type):
    """Turn a request into features: {"instances": [{"face_length_mm": 118, …}, …]}, or CSV with a header line."""
    text = body.decode() if isinstance(body, bytes) else body
    is_csv = content_type.startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(text))) if is_csv else json.loads(text)["instances"]
    return [features_of(row) for row in rows]


def predict_fn(features, tree):
    """Return for each face how well each mask would do."""
    return [dict(zip(tree["masks"], tree["shares"][leaf_of(row, tree)])) for row in features]  # noqa: B905 - Python 3.9


def leaf_of(row, tree):
    """Return the leaf of the tree that a face falls into."""
    at = 0
    while tree["left"][at] != -1:
        at = tree["left" if row[tree["feature"][at]] <= tree["threshold"][at] else "right"][at]
    return at


def output_fn(shares, accept):
    """Turn the predictions into the answer: the best mask, and how well each would do."""
    best = [max(each, key=each.get) for each in shares]
    return json.dumps({"predictions": best, "probabilities": shares}), "application/json"
