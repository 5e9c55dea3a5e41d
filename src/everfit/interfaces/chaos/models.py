"""Tiny models whose training takes no time, so that a storm tries the service and not them."""

from pathlib import Path
from typing import Final

SOURCE: Final = "chaos"
FILES: Final = 20
"""Enough of them that training, validation and holdout each get some."""

_PROJECT: Final = """\
model: {model}
task: custom
evaluate: evaluate.py
data: {{source: data/, format: files}}
train: {{script: train.py, timeout: 2m, grace: 1s}}
serve: {{script: inference.py}}
gate: [constant >= 1]
triggers:
  - event: {{source: {source}, type: {model}}}
"""

_FILES: Final = {
    "train.py": """\
import os

with open(os.path.join(os.environ["SM_MODEL_DIR"], "model.txt"), "w") as file:
    file.write("1")
""",
    "evaluate.py": """\
import json
import os

with open(os.path.join(os.environ["SM_OUTPUT_DATA_DIR"], "evaluation.json"), "w") as file:
    json.dump({"constant": 1.0}, file)
""",
    "inference.py": """\
def model_fn(folder):
    return 1


def input_fn(body, content_type):
    return body


def predict_fn(value, model):
    return model


def output_fn(value, accept):
    return str(value)
""",
}


def model_name(number: int) -> str:
    """Return the name of the model of that number."""
    return f"chaos-{number}"


def write_model(tree: Path, number: int) -> None:
    """Write the project of that number below *tree*."""
    folder = tree / model_name(number)
    (folder / "data").mkdir(parents=True)
    (folder / "everfit.yaml").write_text(_PROJECT.format(model=model_name(number), source=SOURCE))
    for name, text in _FILES.items():
        (folder / name).write_text(text)
    for file in range(FILES):
        add_data(tree, number, str(file))


def add_data(tree: Path, number: int, name: str) -> None:
    """Give the model one file more, which appears all at once."""
    data = tree / model_name(number) / "data"
    unfinished = data / ".new"
    unfinished.write_text(name)
    unfinished.rename(data / f"{name}.txt")
