"""The `train` of a framework image: run the user's script as the SageMaker Training Toolkit does (FACTS §5).

It keeps that toolkit's quirks: hyperparameters also come as arguments, every exit code becomes 1, an ``output/failure``
that the script wrote is kept, and SIGTERM is not handed on. ``requirements.txt`` is not installed here.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

BASE = Path(os.environ.get("SAGEMAKER_BASE_DIR", "/opt/ml"))
CONFIG = BASE / "input" / "config"
HOST = "algo-1"


def read(name: str) -> dict[str, Any]:
    path = CONFIG / name
    return dict(json.loads(path.read_text())) if path.exists() else {}


def value_of(text: str) -> Any:
    """Return a hyperparameter as the toolkit takes it: JSON when it is JSON, else the text."""
    try:
        return json.loads(text)
    except ValueError:
        return text


def as_argument(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def arguments(parameters: dict[str, Any]) -> list[str]:
    """Return ``--name value`` for each hyperparameter in the order of their names."""
    given: list[str] = []
    for name in sorted(parameters):
        given += [f"-{name}" if len(name) == 1 else f"--{name}", as_argument(parameters[name])]
    return given


def script_environment(parameters: dict[str, Any], program: str, submitted: str) -> dict[str, str]:
    """Return the SM_* variables of the script."""
    resources, channels = read("resourceconfig.json"), read("inputdataconfig.json")
    plain = {
        "SM_MODEL_DIR": BASE / "model",
        "SM_OUTPUT_DIR": BASE / "output",
        "SM_OUTPUT_DATA_DIR": BASE / "output" / "data",
        "SM_OUTPUT_INTERMEDIATE_DIR": BASE / "output" / "intermediate",
        "SM_INPUT_DIR": BASE / "input",
        "SM_INPUT_CONFIG_DIR": CONFIG,
        "SM_CURRENT_HOST": resources.get("current_host", HOST),
        "SM_CURRENT_INSTANCE_TYPE": resources.get("current_instance_type", "local"),
        "SM_CURRENT_INSTANCE_GROUP": resources.get("current_group_name", "homogeneousCluster"),
        "SM_NETWORK_INTERFACE_NAME": resources.get("network_interface_name", "eth0"),
        "SM_IS_HETERO": "false",
        "SM_NUM_CPUS": os.cpu_count() or 1,
        "SM_NUM_GPUS": 0,
        "SM_NUM_NEURONS": 0,
        "SM_MODULE_DIR": submitted,
        "SM_MODULE_NAME": program.removesuffix(".py"),
        "SM_USER_ENTRY_POINT": program,
        "SM_LOG_LEVEL": 20,
        "SM_FRAMEWORK_MODULE": "",
    }
    written = {
        "SM_CHANNELS": sorted(channels),
        "SM_HPS": parameters,
        "SM_HOSTS": resources.get("hosts", [HOST]),
        "SM_RESOURCE_CONFIG": resources,
        "SM_INPUT_DATA_CONFIG": channels,
        "SM_INSTANCE_GROUPS": ["homogeneousCluster"],
        "SM_INSTANCE_GROUPS_DICT": {
            group["instance_group_name"]: group for group in resources.get("instance_groups", [])
        },
        "SM_USER_ARGS": arguments(parameters),
        "SM_FRAMEWORK_PARAMS": {},
    }
    made = {name: str(value) for name, value in plain.items()} | {k: json.dumps(v) for k, v in written.items()}
    for name in channels:
        made[f"SM_CHANNEL_{name.upper()}"] = str(BASE / "input" / "data" / name)
    for name, value in parameters.items():
        made[f"SM_HP_{name.upper()}"] = as_argument(value)
    return {**made, "SM_TRAINING_ENV": json.dumps({**plain, **written}, default=str)}


def main() -> int:
    """Run the script; return what the container ends with."""
    # PID 1 of a container hears no SIGTERM that it does not handle, and the toolkit handles none.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    given = {name: value_of(text) for name, text in read("hyperparameters.json").items()}
    parameters = {name: value for name, value in given.items() if not name.startswith("sagemaker_")}
    program = str(given.get("sagemaker_program") or os.environ.get("SAGEMAKER_PROGRAM", ""))
    submitted = str(given.get("sagemaker_submit_directory") or os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", ""))
    if not program:
        return fail("ImportModuleError: the program to run was not named by sagemaker_program or SAGEMAKER_PROGRAM")
    for folder in ("model", "output/data", "output/intermediate"):
        (BASE / folder).mkdir(parents=True, exist_ok=True)
    environment = {**os.environ, **script_environment(parameters, program, submitted)}
    if not (BASE / "code" / program).is_file():
        return fail(f"ImportModuleError: there is no {program} in {submitted}")
    command = [sys.executable, program, *arguments(parameters)]
    print("Invoking user script", " ".join(command), flush=True)  # noqa: T201 - the log of the job
    child = subprocess.run(command, cwd=BASE / "code", env=environment, preexec_fn=default_signals, check=False)
    if child.returncode == 0:
        (BASE / "output" / "success").touch()
        return 0
    shown = " ".join(command)
    return fail(f'ExecuteUserScriptError:\nExitCode {child.returncode}\nErrorMessage ""\nCommand "{shown}"')


def default_signals() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


def fail(reason: str) -> int:
    """Leave *reason* unless the script has left its own."""
    path = BASE / "output" / "failure"
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists():
        path.write_text(reason)
    print(reason, flush=True)  # noqa: T201 - the log of the job
    return 1


if __name__ == "__main__":
    sys.exit(main())
