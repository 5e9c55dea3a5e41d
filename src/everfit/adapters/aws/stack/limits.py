"""What can be known to fail before anything is made: a stack that fails half-way is undone for minutes."""

from collections.abc import Iterator

from everfit.adapters.aws.permissions import function_name, queue_name, role_name
from everfit.adapters.aws.stack.blueprint import Blueprint
from everfit.adapters.aws.stack.functions import SIZES
from everfit.adapters.aws.stack.pieces import Template
from everfit.domain.errors import RefusedError
from everfit.domain.project import Hosting


def check_names(blueprint: Blueprint, template: Template) -> None:
    """Raise ``RefusedError`` with every name that is longer than its service allows."""
    wrong = [
        f"{what} {name!r} has {len(name)} characters, and {most} are allowed"
        for what, name, most in _names(blueprint, template)
        if len(name) > most
    ]
    if wrong:
        raise RefusedError(
            f"Names are too long for AWS: {'; '.join(wrong)}. Shorten the name of the model or of the environment, "
            "or choose names under aws.names."
        )


def check_data(blueprint: Blueprint) -> None:
    """Raise ``RefusedError`` when the data lies where no function can see it."""
    source = blueprint.project.data_in(blueprint.environment).source
    if blueprint.environment.promote_from is None and not source.startswith(("s3://", "s3a://")):
        raise RefusedError(
            f"The data of {blueprint.environment.name} lies in {source}, which nothing on AWS can see. Put it into a "
            "bucket, and name that under environments."
            f"{blueprint.environment.name}.data.source: s3://bucket/prefix/"
        )


def _names(blueprint: Blueprint, template: Template) -> Iterator[tuple[str, str, int]]:
    """Yield every name with how long it may be, as each service's API reference says of the name."""
    place = blueprint.place
    for role in blueprint.roles:
        yield "the role", role_name(place, role), 64
    for role in SIZES:
        yield "the function", function_name(place, role), 64
    yield "the stack", place.names.stack, 128
    yield "the state machine", place.names.state_machine, 80
    yield "the queue", f"{queue_name(place)}-dead", 80
    yield "the dashboard", blueprint.base, 255
    for resource in template.resources.values():
        name = resource.properties.get("Name")
        if isinstance(name, str):
            yield ("the schedule" if "Scheduler" in resource.type else "the rule"), name, 64
    serving = blueprint.environment.hosting is Hosting.ENDPOINT
    # 63 for SageMaker, CreateEndpoint; 64 for Lambda, CreateFunction.
    yield "the endpoint" if serving else "the function", blueprint.environment.endpoint, 63 if serving else 64
