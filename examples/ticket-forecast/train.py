"""Trains a model of the tickets of each day, under the contract of SageMaker's script mode."""

import argparse
import csv
import os
from pathlib import Path

import joblib
import numpy as np
from calendar_features import features_of
from sklearn.compose import TransformedTargetRegressor
from sklearn.feature_extraction import DictVectorizer
from sklearn.linear_model import Ridge
from sklearn.metrics import mean_absolute_percentage_error
from sklearn.pipeline import make_pipeline

TARGET = "tickets"


def read(folder: str) -> tuple[list[dict], list[float]]:
    """Return the features and the target of every day in the folder."""
    features, targets = [], []
    for path in sorted(Path(folder).glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                features.append(features_of(row))
                targets.append(float(row[TARGET]))
    return features, targets


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--penalty", type=float, default=1.0)
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR", "model"))
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN", "data"))
    parser.add_argument("--validation", default=os.environ.get("SM_CHANNEL_VALIDATION"))
    arguments, _ = parser.parse_known_args()

    features, targets = read(arguments.train)
    # In logarithms, a weekday, a season or a holiday multiplies the tickets instead of adding some.
    linear = make_pipeline(DictVectorizer(sparse=False), Ridge(alpha=arguments.penalty))
    model = TransformedTargetRegressor(linear, func=np.log1p, inverse_func=np.expm1, check_inverse=False)
    model.fit(features, targets)
    print(f"trained on {len(targets)} days")

    if arguments.validation:
        features, targets = read(arguments.validation)
        if targets:
            error = 100 * mean_absolute_percentage_error(targets, model.predict(features))
            print(f"validation_mape={error:.2f}")

    Path(arguments.model_dir).mkdir(parents=True, exist_ok=True)
    joblib.dump(model, Path(arguments.model_dir) / "model.joblib")


if __name__ == "__main__":
    main()
