"""SageMaker's training contract as values: arguments, configuration files and ``SM_*`` variables.

The rules are those of the public ``sagemaker-training`` toolkit, so that a script sees no difference.
"""

import json
from collections.abc import Mapping, Sequence

from everfit.jobs.supervision.json_values import mapping_of

HOST = "algo-1"
INSTANCE_GROUP = "homogeneousCluster"
INSTANCE_TYPE = "local"
NETWORK_INTERFACE = "lo"

# What a job may see of the environment that Everfit itself was started in. Everything else stays outside.
# fmt: off
SURROUNDINGS = frozenset({
    "PATH", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "USER", "LOGNAME", "SHELL", "SSL_CERT_FILE",
    "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY",
    "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH",
    "CUDA_HOME", "CUDA_VISIBLE_DEVICES", "NVIDIA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS", "SYSTEMROOT",
})
# fmt: on


def argument_list(hyperparameters: Mapping[str, object]) -> list[str]:
    """Return the hyperparameters as ``--name value``, sorted by name."""
    arguments: list[str] = []
    for name in sorted(hyperparameters):
        arguments += [f"--{name}" if len(name) > 1 else f"-{name}", _argument(hyperparameters[name])]
    return arguments


def _argument(value: object) -> str:
    if isinstance(value, Mapping):
        pairs = sorted((key, each) for key, each in mapping_of(value).items())  # pyright: ignore[reportUnknownArgumentType]
        return ",".join(f"{key}={each}" for key, each in pairs)
    return "" if value is None else str(value)


def hyperparameter_file(hyperparameters: Mapping[str, object]) -> dict[str, str]:
    """Return the content of ``hyperparameters.json``: every value is a string that holds JSON."""
    return {name: json.dumps(value) for name, value in hyperparameters.items()}


def input_data_file(channels: Sequence[str]) -> dict[str, dict[str, str]]:
    """Return the content of ``inputdataconfig.json``."""
    return {
        name: {"TrainingInputMode": "File", "S3DistributionType": "FullyReplicated", "RecordWrapperType": "None"}
        for name in channels
    }


def resource_file() -> dict[str, object]:
    """Return the content of ``resourceconfig.json`` for a cluster of one machine."""
    return {
        "current_host": HOST,
        "current_instance_type": INSTANCE_TYPE,
        "current_group_name": INSTANCE_GROUP,
        "hosts": [HOST],
        "instance_groups": [{"instance_group_name": INSTANCE_GROUP, "instance_type": INSTANCE_TYPE, "hosts": [HOST]}],
        "network_interface_name": NETWORK_INTERFACE,
    }


def training_variables(
    *,
    ml: str,
    name: str,
    program: str,
    channels: Sequence[str],
    hyperparameters: Mapping[str, object],
    processors: tuple[int, int],
) -> dict[str, str]:
    """Return the variables of a training job whose base directory is *ml*.

    Args:
        ml: the base directory.
        name: of the job.
        program: path of the script in the code.
        channels: their names.
        hyperparameters: as the project file has them.
        processors: how many CPUs and GPUs there are.
    """
    module = program.removesuffix(".py")
    resource = resource_file()
    values: dict[str, object] = {
        "channels": sorted(channels),
        "current_host": HOST,
        "current_instance_group": INSTANCE_GROUP,
        "current_instance_group_hosts": [HOST],
        "current_instance_type": INSTANCE_TYPE,
        "distribution_instance_groups": [],
        "framework_module": None,
        "framework_params": {},
        "hosts": [HOST],
        "hps": dict(hyperparameters),
        "input_config_dir": f"{ml}/input/config",
        "input_data_config": input_data_file(sorted(channels)),
        "input_dir": f"{ml}/input",
        "instance_groups": [INSTANCE_GROUP],
        "instance_groups_dict": {
            INSTANCE_GROUP: {"instance_group_name": INSTANCE_GROUP, "instance_type": INSTANCE_TYPE, "hosts": [HOST]}
        },
        "is_hetero": False,
        "log_level": 20,
        "model_dir": f"{ml}/model",
        "module_dir": f"{ml}/code",
        "module_name": module,
        "network_interface_name": NETWORK_INTERFACE,
        "num_cpus": processors[0],
        "num_gpus": processors[1],
        "num_neurons": 0,
        "output_data_dir": f"{ml}/output/data",
        "output_dir": f"{ml}/output",
        "output_intermediate_dir": f"{ml}/output/intermediate",
        "resource_config": resource,
        "user_args": argument_list(hyperparameters),
        "user_entry_point": program,
    }
    summary = {**_training_environment(values, ml, name, channels)}
    values["training_env"] = summary
    values |= {f"channel_{channel}": f"{ml}/input/data/{channel}" for channel in channels}
    values |= {f"hp_{key}": value for key, value in hyperparameters.items()}
    variables = {f"SM_{key.upper()}": _variable(value) for key, value in values.items()}
    return variables | {
        "PYTHONPATH": f"{ml}/code",
        "TRAINING_JOB_NAME": name,
        "TRAINING_JOB_ARN": f"arn:aws:sagemaker:local:000000000000:training-job/{name.lower()}",
    }


def _training_environment(
    values: Mapping[str, object], ml: str, name: str, channels: Sequence[str]
) -> dict[str, object]:
    renamed = {"hps": "hyperparameters", "framework_params": "additional_framework_parameters"}
    left_out = {"channels", "user_args"}
    environment = {renamed.get(key, key): value for key, value in values.items() if key not in left_out}
    environment["channel_input_dirs"] = {channel: f"{ml}/input/data/{channel}" for channel in sorted(channels)}
    rest: dict[str, object] = {
        "distribution_hosts": [],
        "is_master": True,
        "is_modelparallel_enabled": None,
        "is_smddpmprun_installed": False,
        "is_smddprun_installed": False,
        "job_name": name,
        "master_hostname": HOST,
        "topology": [],
    }
    return environment | rest


def _variable(value: object) -> str:
    if isinstance(value, Mapping | list | tuple):
        return json.dumps(value, sort_keys=True, separators=(",", ":"))
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
