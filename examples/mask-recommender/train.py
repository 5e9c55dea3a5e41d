"""Trains a recommender of masks, under the contract of SageMaker's script mode."""

import argparse
import csv
import json
import os
from pathlib import Path

from features import features_of
from sklearn.tree import DecisionTreeClassifier


def read(folder):
    """Return the features and the best mask of every face in the folder."""
    features, masks = [], []
    for path in sorted(Path(folder).glob("*.csv")):
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                features.append(features_of(row))
                masks.append(row["mask"])
    return features, masks


def as_plain(model):
    """Return the tree as plain lists: a Lambda function can walk through it without scikit-learn."""
    tree = model.tree_
    return {
        "masks": [str(each) for each in model.classes_],
        "feature": tree.feature.tolist(),
        "threshold": tree.threshold.tolist(),
        "left": tree.children_left.tolist(),
        "right": tree.children_right.tolist(),
        "shares": [[each / sum(row) for each in row] for row in tree.value[:, 0, :].tolist()],
    }


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--depth", type=int, default=8)
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR", "model"))
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN", "data"))
    parser.add_argument("--validation", default=os.environ.get("SM_CHANNEL_VALIDATION"))
    arguments, _ = parser.parse_known_args()

    features, masks = read(arguments.train)
    model = DecisionTreeClassifier(max_depth=arguments.depth, min_samples_leaf=4, random_state=0)
    model.fit(features, masks)
    print(f"trained on {len(masks)} faces")
    if arguments.validation:
        features, masks = read(arguments.validation)
        if masks:
            print(f"validation_accuracy={model.score(features, masks):.4f}")

    folder = Path(arguments.model_dir)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tree.json").write_text(json.dumps(as_plain(model)))


if __name__ == "__main__":
    main()
