"""Trains a model of the hourly generation, under the contract of SageMaker's script mode."""

import argparse
import csv
import os
from pathlib import Path

import joblib
from features import features_of
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

TARGET = "generation_kwh"


def neural_network():
    network = MLPRegressor(hidden_layer_sizes=(32, 16), max_iter=80, early_stopping=True, random_state=0)
    return TransformedTargetRegressor(make_pipeline(StandardScaler(), network), transformer=StandardScaler())


MODELS = {
    "neural_network": neural_network,
    "trees": lambda: ExtraTreesRegressor(n_estimators=60, min_samples_leaf=3, random_state=0),
    "linear": lambda: make_pipeline(StandardScaler(), LinearRegression()),
}


def read(folder):
    """Return the features and the target of every row in the folder."""
    features, targets = [], []
    for path in sorted(Path(folder).glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                features.append(features_of(row))
                targets.append(float(row[TARGET]))
    return features, targets


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model_type", choices=tuple(MODELS), default="neural_network")
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR", "model"))
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN", "data"))
    parser.add_argument("--validation", default=os.environ.get("SM_CHANNEL_VALIDATION"))
    arguments, _ = parser.parse_known_args()

    features, targets = read(arguments.train)
    model = MODELS[arguments.model_type]()
    model.fit(features, targets)
    print(f"trained a {arguments.model_type} on {len(targets)} rows")
    if arguments.validation:
        features, targets = read(arguments.validation)
        if len(targets) > 1:
            print(f"validation_r2={r2_score(targets, model.predict(features)):.4f}")

    Path(arguments.model_dir).mkdir(parents=True, exist_ok=True)
    joblib.dump(model, Path(arguments.model_dir) / "model.joblib", compress=3)


if __name__ == "__main__":
    main()
