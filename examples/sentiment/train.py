"""Trains a classifier of reviews, under the contract of SageMaker's script mode."""

import argparse
import csv
import os
from pathlib import Path

import joblib
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline


def read(folder):
    """Return the words and the label of every review in the folder."""
    texts, labels = [], []
    for path in sorted(Path(folder).glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                texts.append(row["text"])
                labels.append(row["sentiment"])
    return texts, labels


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--strength", type=float, default=1.0)
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR", "model"))
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN", "data"))
    parser.add_argument("--validation", default=os.environ.get("SM_CHANNEL_VALIDATION"))
    arguments, _ = parser.parse_known_args()

    texts, labels = read(arguments.train)
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True)
    model = make_pipeline(words, LogisticRegression(C=arguments.strength, max_iter=1000))
    model.fit(texts, labels)
    print(f"trained on {len(texts)} reviews")
    if arguments.validation:
        texts, labels = read(arguments.validation)
        if texts:
            print(f"validation_accuracy={model.score(texts, labels):.4f}")

    Path(arguments.model_dir).mkdir(parents=True, exist_ok=True)
    joblib.dump(model, Path(arguments.model_dir) / "model.joblib", compress=3)


if __name__ == "__main__":
    main()
