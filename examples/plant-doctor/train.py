"""Trains a classifier of leaf photos, under the contract of SageMaker's script mode; numpy is all that it needs."""

import argparse
import json
import os
from pathlib import Path

import numpy as np
from photos import features_of


def read(folder, classes):
    """Return features and number of the class of every photo in the folder, which has a folder for each class."""
    paths = [path for path in sorted(Path(folder).glob("*/*.png")) if path.parent.name in classes]
    features = np.array([features_of(path.read_bytes()) for path in paths])
    return features, np.array([classes.index(path.parent.name) for path in paths])


def chances(features, weights):
    """Return how likely each class is for each row."""
    scores = features @ weights[:-1] + weights[-1]
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=200)
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR", "model"))
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN", "data"))
    parser.add_argument("--validation", default=os.environ.get("SM_CHANNEL_VALIDATION"))
    arguments, _ = parser.parse_known_args()

    classes = sorted(path.name for path in Path(arguments.train).iterdir() if path.is_dir())
    features, labels = read(arguments.train, classes)
    middle, spread = features.mean(axis=0), features.std(axis=0) + 1e-9
    rows = (features - middle) / spread
    wanted = np.eye(len(classes))[labels]
    weights = np.zeros((rows.shape[1] + 1, len(classes)))
    for epoch in range(1, arguments.epochs + 1):
        missed = chances(rows, weights) - wanted
        weights[:-1] -= 0.5 * (rows.T @ missed / len(rows) + 1e-3 * weights[:-1])
        weights[-1] -= 0.5 * missed.mean(axis=0)
        if epoch % 50 == 0 or epoch == arguments.epochs:
            loss = -np.log(chances(rows, weights)[np.arange(len(rows)), labels] + 1e-12).mean()
            print(f"epoch={epoch} loss={loss:.4f}", flush=True)
    if arguments.validation:
        features, labels = read(arguments.validation, classes)
        if len(labels):
            found = chances((features - middle) / spread, weights).argmax(axis=1)
            print(f"validation_accuracy={(found == labels).mean():.4f}")

    folder = Path(arguments.model_dir)
    folder.mkdir(parents=True, exist_ok=True)
    np.savez(folder / "model.npz", weights=weights, middle=middle, spread=spread)
    (folder / "classes.json").write_text(json.dumps(classes))


if __name__ == "__main__":
    main()
