"""Make the services known to the front, and have moto and them forget everything on a reset."""

from importlib import import_module

from moto.moto_api._internal.models import moto_api_backend

from tests.aws.bench.world import World

MODULES = (
    "sts",
    "events",
    "s3",
    "tags",
    "training",
    "processing",
    "models",
    "endpoints",
    "deployments",
    "invoking",
    "registry",
    "alarms",
    "sandboxes",
    "functions",
    "aliases",
    "invocations",
    "mappings",
    "state_machines",
    "scheduler",
    "pipelines",
    "pipeline_callbacks",
    "simulation",
    "quotas",
    "ecr",
    "stacks.service",
    "stacks.drift",
)


def load(world: World) -> None:
    """Import every service of the bench and hook its reset into *world*."""
    for name in MODULES:
        module = import_module(f"tests.aws.bench.{name}")
        if hasattr(module, "start"):
            module.start(world)
    world.on_reset.append(reset_moto)


def reset_moto() -> None:
    moto_api_backend.reset()
