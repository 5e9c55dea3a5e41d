"""What a training depends on, apart from its data and code."""

from dataclasses import fields

from everfit.domain.project import Environment, Project


def training_configuration(project: Project, environment: Environment) -> dict[str, object]:
    """Return every setting that can change what a training makes or how it is judged to be new.

    Gates, endpoints and alerts are left out: they decide about a model, they do not make it. So are the data's
    checks and its place: the snapshot says what the data was.
    """
    data, train = project.data_in(environment), project.train
    left_out = {"checks", "source"}
    return {
        "model": project.model,
        "task": project.task.value,
        "data": {field.name: str(getattr(data, field.name)) for field in fields(data) if field.name not in left_out},
        "train": {
            "script": train.script,
            "requirements": train.requirements,
            "validation_channel": train.validation_channel,
            "hyperparameters": dict(train.hyperparameters),
            "environment": sorted(train.environment),
        },
        "serve": {"script": project.serve.script},
    }
