"""The folder that a job works in: SageMaker's ``/opt/ml`` under a base directory of the job's own."""

import os
import sys
from collections.abc import Mapping
from contextlib import suppress

from everfit.jobs.supervision import contract
from everfit.jobs.supervision.children import MARK
from everfit.jobs.supervision.files import copy_tree, remove_tree, write_files
from everfit.jobs.supervision.json_values import mapping_of, text_of, texts_of


class Task:
    """What a job is asked to do, as ``spec.json`` says it.

    Args:
        folder: the job's own; everything it makes is below.
        spec: the content of ``spec.json``.
    """

    def __init__(self, folder: str, spec: Mapping[str, object]) -> None:
        self.folder = folder
        self.ml = f"{folder}/ml"
        self.name = str(spec["name"])
        self.program = str(spec["program"])
        self.is_training = spec["kind"] == "train"
        self.code = text_of(spec["code"])
        self.checkpoints = text_of(spec["checkpoints"])
        self.python = str(spec["python"])
        self.command = texts_of(spec["command"])
        self.sites = texts_of(spec["sites"])
        self.parameters = mapping_of(spec["parameters"])
        self.hyperparameters = mapping_of(spec["hyperparameters"])
        self.channels = {name: str(path) for name, path in mapping_of(spec["channels"]).items()}
        self.environment = {name: str(value) for name, value in mapping_of(spec["environment"]).items()}
        self.definitions = {name: str(value) for name, value in mapping_of(spec["metric_definitions"]).items()}
        self.installation = mapping_of(spec["installation"]) if spec["installation"] else None
        self.timeout = float(str(spec["timeout"]))
        self.grace = float(str(spec["grace"]))
        self.log_limit = int(str(spec["log_limit"]))

    @property
    def what(self) -> str:
        """The program, as its user calls it."""
        return self.program


def furnish(task: Task) -> None:
    """Make the folders and files that the job finds; what an attempt that never began has left is thrown away."""
    remove_tree(task.ml)
    for name in ("tmp", "home", "ml/input/config", "ml/model", "ml/output/data", "ml/output/intermediate"):
        os.makedirs(f"{task.folder}/{name}", exist_ok=True)
    files: dict[str, object] = {"parameters.json": task.parameters}
    if task.is_training:
        files |= {
            "hyperparameters.json": contract.hyperparameter_file(task.hyperparameters),
            "inputdataconfig.json": contract.input_data_file(sorted(task.channels)),
            "resourceconfig.json": contract.resource_file(),
        }
    write_files(f"{task.ml}/input/config", files)
    if task.code is not None:
        copy_tree(task.code, f"{task.ml}/code")
    for name, source in task.channels.items():
        copy_tree(source, f"{task.ml}/input/data/{name}")
    _place_checkpoints(task)


def _place_checkpoints(task: Task) -> None:
    place = f"{task.ml}/checkpoints"
    if task.checkpoints is None:
        os.makedirs(place, exist_ok=True)
        return
    os.makedirs(task.checkpoints, exist_ok=True)
    with suppress(FileExistsError):
        os.symlink(task.checkpoints, place)


def working_folder(task: Task) -> str:
    """Return where the program starts: beside its code, if it has any."""
    return task.ml if task.code is None else f"{task.ml}/code"


def command_line(task: Task) -> list[str]:
    """Return the program and its arguments."""
    if task.command:
        return task.command
    starter = "/bin/sh" if task.program.endswith(".sh") else task.python
    return [starter, task.program, *contract.argument_list(task.hyperparameters)]


def variables(task: Task, surroundings: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str]:
    """Return the program's whole environment: nothing of Everfit's own comes in but what is on the list."""
    environment = {name: surroundings[name] for name in contract.SURROUNDINGS if name in surroundings}
    path = os.path.dirname(task.python)
    environment |= {
        "PATH": f"{path}{os.pathsep}{environment.get('PATH', os.defpath)}",
        "HOME": f"{task.folder}/home",
        "TMPDIR": f"{task.folder}/tmp",  # noqa: S108 - it is below the job's own folder
        "PYTHONUNBUFFERED": "1",
    }
    if task.is_training:
        environment |= contract.training_variables(
            ml=task.ml,
            name=task.name,
            program=task.program,
            channels=list(task.channels),
            hyperparameters=task.hyperparameters,
            processors=(_cpus(), _gpus()),
        )
    environment |= {**task.environment, **secrets}
    return environment | {"SAGEMAKER_BASE_DIR": task.ml, MARK: task.folder}


def _cpus() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def _gpus() -> int:
    with suppress(OSError):
        return len(os.listdir("/proc/driver/nvidia/gpus"))
    return 0
