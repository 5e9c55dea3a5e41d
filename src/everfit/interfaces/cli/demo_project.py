"""The demo's project: handwritten digits, bundled with scikit-learn, that arrive in batches."""

import importlib
import shutil
from pathlib import Path
from typing import Any, Final

from everfit.domain.errors import RequestError

MARK: Final = ".everfit-demo"
PROJECT: Final = """\
# Which digit is it? 8 x 8 pixels in, a digit out.
model: digits
task: classification
data:
  source: data/
  target: digit
  id: row_id
  holdout: 25%
  checks:
    - rows >= 100
    - missing(digit) <= 0%
    - duplicates(row_id) == 0
    - values(digit) in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
train:
  script: train.py
  hyperparameters: {regularization: 0.05}
  metric_definitions:
    validation_accuracy: "validation_accuracy=([0-9.]+)"
gate:
  - accuracy >= 0.85
  - accuracy >= champion
  - latency_p99 < 500ms
  - size < 50MB
"""
TRAIN: Final = '''\
"""Train a classifier of digits, by SageMaker's script-mode contract."""

import argparse
import os
from pathlib import Path

import joblib
import pandas as pd
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler


def read(folder):
    table = pd.concat([pd.read_csv(file) for file in sorted(Path(folder).glob("*.csv"))])
    return table.drop(columns=["digit", "row_id"]), table["digit"]


parser = argparse.ArgumentParser()
parser.add_argument("--regularization", type=float, default=1.0)
parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR"))
parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"))
parser.add_argument("--validation", default=os.environ.get("SM_CHANNEL_VALIDATION"))
arguments = parser.parse_args()

features, digits = read(arguments.train)
model = make_pipeline(StandardScaler(), LogisticRegression(C=arguments.regularization, max_iter=500))
model.fit(features, digits)
print(f"learnt from {len(features)} rows")
print(f"validation_accuracy={model.score(*read(arguments.validation)):.4f}")
joblib.dump(model, Path(arguments.model_dir) / "model.joblib")
'''
FIRST, SECOND, SPOILED = 200, 1300, 497


def write_demo(folder: Path) -> None:
    """Write the project anew; only a folder that an earlier demo made is replaced."""
    if folder.exists():
        if any(folder.iterdir()) and not (folder / MARK).exists():
            raise RequestError(f"{folder} is not empty and not an earlier demo's; name another folder.")
        shutil.rmtree(folder)
    (folder / "data").mkdir(parents=True)
    (folder / MARK).touch()
    (folder / "everfit.yaml").write_text(PROJECT)
    (folder / "train.py").write_text(TRAIN)


class Batches:
    """Real digits in the order of the data set; the last batch has its labels spoiled."""

    def __init__(self, folder: Path) -> None:
        digits: Any = importlib.import_module("sklearn.datasets").load_digits()
        self._pixels: Any = digits.data
        self._digits: Any = digits.target
        self._folder = folder / "data"

    def write(self, name: str, first: int, count: int, *, shift: int = 0) -> int:
        """Write *count* rows from row *first* on, each label moved on by *shift*; return how many there were."""
        rows = ["row_id," + ",".join(f"pixel_{number}" for number in range(64)) + ",digit"]
        for row in range(first, min(first + count, len(self._digits))):
            pixels = ",".join(f"{value:.0f}" for value in self._pixels[row])
            rows.append(f"{row},{pixels},{(int(self._digits[row]) + shift) % 10}")
        (self._folder / name).write_text("\n".join(rows) + "\n")
        return len(rows) - 1

    def request(self) -> bytes:
        """Return a client's request: one image, as CSV."""
        header = ",".join(f"pixel_{number}" for number in range(64))
        return f"{header}\n{','.join(f'{value:.0f}' for value in self._pixels[0])}\n".encode()
