"""``ci``: workflows that retrain from GitHub Actions or GitLab CI."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from everfit import __version__
from everfit.bootstrap import project_for_ci, write_workflows
from everfit.domain.ci.generated import GeneratedFile
from everfit.domain.ci.github import github_workflows
from everfit.domain.ci.gitlab import gitlab_pipeline
from everfit.domain.ci.options import CiOptions, Credentials
from everfit.domain.ci.project import CiProject
from everfit.interfaces.cli.options import json_option, print_json, project_option

PACKAGE = f"everfit[aws]=={__version__}"


class _Default(click.ParamType[tuple[str, str]]):
    """NAME=VALUE."""

    name = "NAME=VALUE"

    def convert(
        self, value: str | tuple[str, str], param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, str]:
        if isinstance(value, tuple):
            return value
        name, sign, text = value.partition("=")
        return (name, text) if name and sign else self.fail(f"{value!r} is not NAME=VALUE.", param, ctx)


def _shared(command: Callable[..., None]) -> Callable[..., None]:
    """Give both commands the options that they share."""
    options = (
        project_option,
        click.option("--env", "environment", default=None, help="Only this environment; default: all on AWS."),
        click.option(
            "--credentials",
            type=click.Choice([each.value for each in Credentials]),
            default=Credentials.OIDC.value,
            show_default=True,
            help="oidc takes a role for the time of a job; keys takes AWS_ACCESS_KEY_ID and its sisters.",
        ),
        click.option("--name", default="retrain", show_default=True, help="How files and jobs are called."),
        click.option("--package", default=PACKAGE, show_default=True, help="What pip installs in a job."),
        click.option(
            "--default", "defaults", multiple=True, type=_Default(), help="Value of a ${NAME} that nobody has set."
        ),
        click.option("--serverless", is_flag=True, help="Only update the stack and ask it for a run."),
        click.option("--write", is_flag=True, help="Write the files; without it they are printed."),
        click.option("--force", is_flag=True, help="Write over what was changed by hand."),
        json_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group("ci")
def ci_command() -> None:
    """Write workflows that retrain when code, tags or data arrive and by the clock, from what everfit.yaml says."""


@ci_command.command("github")
@_shared
def github(  # noqa: PLR0913 - one argument an option
    folder: Path,
    environment: str | None,
    credentials: str,
    name: str,
    package: str,
    defaults: Sequence[tuple[str, str]],
    *,
    serverless: bool,
    write: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write a workflow for each environment to .github/workflows at the top of the repository."""
    project = _project(folder, environment)
    options = CiOptions(
        package=package,
        credentials=Credentials(credentials),
        name=name,
        defaults=dict(defaults),
        serverless=serverless,
    )
    made = github_workflows(project, options)
    for where, schedules in made.left.items():
        for each in schedules:
            click.echo(
                f"{where}: {each.schedule} is left out: {each.reason}. `everfit up` or a stack keeps it.", err=True
            )
    _finish(folder, made.files, write=write, force=force, as_json=as_json)


@ci_command.command("gitlab")
@click.option("--file", default=".gitlab-ci.yml", show_default=True, help="File, from the top of the repository.")
@click.option(
    "--audience",
    default="https://gitlab.com",
    show_default=True,
    help="Of the token, as IAM's identity provider has it.",
)
@_shared
def gitlab(  # noqa: PLR0913, PLR0917 - one argument an option
    folder: Path,
    environment: str | None,
    credentials: str,
    name: str,
    package: str,
    defaults: Sequence[tuple[str, str]],
    file: str,
    audience: str,
    *,
    serverless: bool,
    write: bool,
    force: bool,
    as_json: bool,
) -> None:
    """Write a pipeline with a job for each environment."""
    project = _project(folder, environment)
    options = CiOptions(
        package=package,
        credentials=Credentials(credentials),
        name=name,
        defaults=dict(defaults),
        serverless=serverless,
        audience=audience,
        file=file,
    )
    _finish(folder, (gitlab_pipeline(project, options),), write=write, force=force, as_json=as_json)
    for each in project.environments:
        for schedule in () if serverless else each.schedules:
            line = f"{schedule.expression} in {schedule.timezone}"
            click.echo(f"Make a pipeline schedule of {line} with EVERFIT_ENVIRONMENT={each.name}.", err=True)


def _project(folder: Path, environment: str | None) -> CiProject:
    project = project_for_ci(folder)
    return project if environment is None else project.only(environment)


def _finish(folder: Path, files: Sequence[GeneratedFile], *, write: bool, force: bool, as_json: bool) -> None:
    """Write or print the files, and say how each stood to the one before."""
    found = write_workflows(folder, files, write=write, force=force)
    if as_json:
        rows = [{"path": file.path, "standing": found[file.path].value, "text": file.text} for file in files]
        print_json({"written": write, "files": rows})
        return
    for file in files:
        if write:
            print(f"{file.path}: {'is as it was' if found[file.path].value == 'same' else 'written'}")
        else:
            print(f"# --- {file.path}\n{file.text}", end="")
    if not write:
        click.echo("Nothing was written; --write does.", err=True)
