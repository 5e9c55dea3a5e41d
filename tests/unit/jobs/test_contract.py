"""SageMaker's training contract, in the values that its own toolkit gives."""

import json

from hypothesis import given
from hypothesis import strategies as some

from everfit.jobs.supervision.contract import argument_list, hyperparameter_file, training_variables

ARGUMENTS = [
    *["--epochs", "20", "--flag", "True", "--layers", "[3, 4]", "--lr", "0.01"],
    *["-n", "5", "--none", "", "--opt", "b=x,k=1"],
]
HYPERPARAMETERS: dict[str, object] = {
    "lr": 0.01, "epochs": 20, "n": 5, "flag": True, "layers": [3, 4], "opt": {"k": 1, "b": "x"}, "none": None,
}  # fmt: skip


def variables(**more: object) -> dict[str, str]:
    return training_variables(
        ml="/job/ml",
        name="r1-train",
        program="train.py",
        channels=["validation", "train"],
        hyperparameters={**HYPERPARAMETERS, **more},
        processors=(2, 0),
    )


def test_hyperparameters_become_sorted_arguments() -> None:
    assert argument_list(HYPERPARAMETERS) == ARGUMENTS


@given(some.dictionaries(some.text(min_size=1), some.none() | some.booleans() | some.integers() | some.text()))
def test_every_value_of_the_hyperparameter_file_is_a_string_that_holds_json(values: dict[str, object]) -> None:
    written = hyperparameter_file(values)
    assert {name: json.loads(value) for name, value in written.items()} == values


def test_the_variables_say_where_things_are() -> None:
    given_to_script = variables()
    assert given_to_script["SM_MODEL_DIR"] == "/job/ml/model"
    assert given_to_script["SM_CHANNEL_TRAIN"] == "/job/ml/input/data/train"
    assert given_to_script["SM_CHANNELS"] == '["train","validation"]'
    assert given_to_script["SM_OUTPUT_DATA_DIR"] == "/job/ml/output/data"
    assert given_to_script["SM_NUM_CPUS"] == "2"
    assert given_to_script["SM_MODULE_NAME"] == "train"
    assert given_to_script["SM_USER_ENTRY_POINT"] == "train.py"
    assert json.loads(given_to_script["SM_HPS"]) == HYPERPARAMETERS
    assert json.loads(given_to_script["SM_USER_ARGS"]) == ARGUMENTS


def test_the_variables_write_values_as_the_toolkit_does() -> None:
    given_to_script = variables(off=False)
    assert given_to_script["SM_HP_FLAG"] == "true"
    assert given_to_script["SM_HP_OFF"] == "false"
    assert given_to_script["SM_HP_NONE"] == ""
    assert given_to_script["SM_HP_LAYERS"] == "[3,4]"
    assert given_to_script["SM_FRAMEWORK_MODULE"] == ""
    summary = json.loads(given_to_script["SM_TRAINING_ENV"])
    assert summary["hyperparameters"]["off"] is False
    assert summary["channel_input_dirs"]["train"] == "/job/ml/input/data/train"
    assert summary["job_name"] == "r1-train"
