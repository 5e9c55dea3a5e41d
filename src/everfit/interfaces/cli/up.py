"""``everfit up``: the service."""

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from everfit.domain.amounts import counted
from everfit.domain.errors import RequestError
from everfit.domain.project import Backend
from everfit.interfaces.cli.json_version import JSON_VERSION
from everfit.interfaces.cli.options import json_option

if TYPE_CHECKING:
    from everfit.interfaces.service.process import Ready

PORT: Final = 8700
SHOWN: Final = 5
PACKAGES: Final = ("apprise", "cryptography", "fastapi", "prometheus_client", "watchfiles")


@click.command("up")
@click.argument("folders", metavar="[DIR]...", nargs=-1, type=click.Path(path_type=Path))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to answer at.")
@click.option(
    "--port", default=PORT, show_default=True, type=click.IntRange(0, 65535), help="Port; 0 takes any that is free."
)
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 64), help="Runs at once.")
@click.option(
    "--grace",
    default=30.0,
    show_default=True,
    type=click.FloatRange(0, 86_400),
    help="Seconds for what is under way when the service is to end.",
)
@click.option(
    "--backend",
    type=click.Choice([backend.value for backend in Backend]),
    default=Backend.LOCAL.value,
    show_default=True,
    help="Serve the environments that are on this backend; on AWS, of one project.",
)
@json_option
def up_command(  # noqa: PLR0913 - one argument an option
    folders: tuple[Path, ...], host: str, port: int, workers: int, grace: float, backend: str, *, as_json: bool
) -> int:
    """Serve the projects in each DIR (default: this folder), which is a project or a tree of them.

    Triggers start runs, an HTTP API answers, approvals are waited for. SIGTERM lets what is under way come to a safe
    point; a second one ends the service at once. SIGHUP reads the project files anew.
    """
    missing = [package for package in PACKAGES if not _is_there(package)]
    if missing:
        raise RequestError(
            f"The service needs what is not installed here ({', '.join(missing)}): pip install 'everfit[service]'"
        )
    from everfit.interfaces.service.process import serve  # noqa: PLC0415 - the packages are not always there

    said = _say_as_json if as_json else _say
    return serve(folders or (Path(),), (host, port), backend=Backend(backend), workers=workers, grace=grace, said=said)


def _is_there(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ValueError:
        # It was taken away from this very process.
        return False


def _say_as_json(ready: "Ready") -> None:
    values = {"ready": True, "url": ready.url, "home": str(ready.home), "models": list(ready.models)}
    print(json.dumps({"schema": JSON_VERSION, **values}), flush=True)


def _say(ready: "Ready") -> None:
    if not ready.models:
        words = "No project is there yet: a folder with everfit.yaml is served as soon as it appears."
        print(f"Everfit is up at {ready.url}. {words}", flush=True)
        return
    named = ", ".join(ready.models[:SHOWN])
    more = f" and {len(ready.models) - SHOWN} more" if len(ready.models) > SHOWN else ""
    models, workers = counted(len(ready.models), "model"), counted(ready.workers, "worker")
    print(f"Everfit is up at {ready.url}: {models} ({named}{more}), {workers}", flush=True)
