"""Workflows of GitHub Actions: one for each environment on AWS."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from everfit.domain.ci.cron_text import Unsayable, cron_text
from everfit.domain.ci.generated import GeneratedFile, signed
from everfit.domain.ci.options import KEYS, CiOptions, Credentials, check_options
from everfit.domain.ci.patterns import path_filters, tag_expression, tag_filter
from everfit.domain.ci.project import VARIABLE, CiEnvironment, CiProject
from everfit.domain.ci.scripts import REFUSE_TAG, run_script
from everfit.domain.ci.yaml_text import Commented, Value, yaml_text
from everfit.domain.errors import RequestError

# Each is the commit that the tag of that release points to; Dependabot and Renovate raise commit and comment together.
CHECKOUT: Final = Commented(text="actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8", comment="v5.0.0")
SETUP_PYTHON: Final = Commented(text="actions/setup-python@e797f83bcb11b83ae66e0230d6156d7c80228e7c", comment="v6.0.0")
AWS_CREDENTIALS: Final = Commented(
    text="aws-actions/configure-aws-credentials@8df5847569e6427dd6c4fb1cf565c83acfa8afa7", comment="v6.0.0"
)
PYTHON: Final = "3.12"
LONGEST: Final = 360
"""Minutes that a job of GitHub's own machines may take (usage limits of GitHub Actions)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflows:
    """The files, and what could not be said in them.

    Args:
        left: by environment.
    """

    files: tuple[GeneratedFile, ...]
    left: Mapping[str, tuple[Unsayable, ...]]


def github_workflows(project: CiProject, options: CiOptions) -> Workflows:
    """Return a workflow for each environment.

    Raises:
        RequestError: an option or a variable cannot stand in a workflow.
    """
    check_options(options, project.variables)
    # "Naming your secrets": a name must not start with GITHUB_.
    kept = next((name for name in project.variables if name.startswith("GITHUB_")), None)
    if kept is not None:
        raise RequestError(f"everfit.yaml: GitHub keeps names such as ${{{kept}}} for itself; give it another name.")
    files, left = list[GeneratedFile](), dict[str, tuple[Unsayable, ...]]()
    for environment in project.environments:
        is_alone = len(project.environments) == 1
        name = options.name if is_alone else f"{options.name}-{environment.name}"
        events, unsayable = _events(project, environment, options)
        left[environment.name] = unsayable
        body = yaml_text(_workflow(project, environment, options, events), apart=True)
        where = f" in {project.folder}" if project.folder else ""
        text = signed(body, maker="everfit ci github", about=f"{project.model}{where}, {environment.name}")
        files.append(GeneratedFile(path=f".github/workflows/{name}.yml", text=text))
    return Workflows(files=tuple(files), left=left)


def _workflow(
    project: CiProject, environment: CiEnvironment, options: CiOptions, events: Mapping[str, Value]
) -> Mapping[str, Value]:
    permissions: dict[str, Value] = {"contents": "read"}
    if options.credentials is Credentials.OIDC:
        permissions["id-token"] = Commented(text="write", comment="to take the role in AWS")
    return {
        "name": f"Retrain {project.model} in {environment.name}",
        "on": events,
        # What is not said below is not allowed.
        "permissions": {},
        # A run is never cut short by the next one: that waits, and of several that wait the newest stays.
        "concurrency": {"group": f"everfit-{project.model}-{environment.name}", "cancel-in-progress": False},
        "jobs": {
            "retrain": {
                "name": "Retrain",
                "runs-on": "ubuntu-latest",
                "timeout-minutes": LONGEST,
                "environment": environment.name,
                "permissions": permissions,
                "steps": _steps(project, environment, options),
            }
        },
    }


def _events(
    project: CiProject, environment: CiEnvironment, options: CiOptions
) -> tuple[Mapping[str, Value], tuple[Unsayable, ...]]:
    """Return what starts the workflow, and the schedules that it cannot keep."""
    force: dict[str, Value] = {"description": "Train even when nothing is new", "type": "boolean", "default": False}
    events: dict[str, Value] = {"workflow_dispatch": {"inputs": {"force": force}}}
    push = _push(project, environment)
    if push:
        events["push"] = push
    # With a stack, its own rules and schedules start runs for new data and by the clock.
    if environment.takes_data and not options.serverless:
        events["repository_dispatch"] = {"types": [environment.event]}
    lines, left = list[Value](), list[Unsayable]()
    for schedule in () if options.serverless else environment.schedules:
        line = cron_text(schedule)
        if isinstance(line, Unsayable):
            left.append(line)
        else:
            # Without the zone GitHub takes UTC (workflow syntax, on.schedule).
            zone: dict[str, Value] = {} if schedule.timezone == "UTC" else {"timezone": schedule.timezone}
            lines.append({"cron": line, **zone})
    if lines:
        events["schedule"] = lines
    return events, tuple(left)


def _push(project: CiProject, environment: CiEnvironment) -> Mapping[str, Value]:
    push: dict[str, Value] = {}
    if environment.pushes:
        push["branches"] = list(dict.fromkeys(each.branch for each in environment.pushes))
        filters = [path_filters(each.paths, project.folder) for each in environment.pushes]
        paths = list(dict.fromkeys(path for each in filters for path in each))
        if paths and all(filters):
            # Not looked at for tags ("paths" in the workflow syntax), so both can stand together.
            push["paths"] = paths
    if environment.tags:
        push["tags"] = [tag_filter(pattern) for pattern in environment.tags]
    return push


def _steps(project: CiProject, environment: CiEnvironment, options: CiOptions) -> Sequence[Value]:
    steps: list[Value] = [{"uses": CHECKOUT, "with": {"persist-credentials": False}}]
    if environment.tags:
        steps.append(
            {
                "name": "Refuse a tag without a version",
                "if": "github.ref_type == 'tag'",
                "env": {"VERSION_TAG": tag_expression(environment.tags)},
                "run": REFUSE_TAG,
            }
        )
    steps.append({"uses": SETUP_PYTHON, "with": {"python-version": PYTHON}})
    steps.append(
        {
            "name": "Install Everfit",
            "env": {"EVERFIT_PACKAGE": options.package},
            "run": 'python -m pip install "$EVERFIT_PACKAGE"',
        }
    )
    if options.credentials is Credentials.OIDC:
        steps.append({"name": "Sign in to AWS", "uses": AWS_CREDENTIALS, "with": _role(environment)})
    place: dict[str, Value] = {"working-directory": project.folder} if project.folder else {}
    steps.append(
        {
            "name": "Retrain",
            **place,
            "env": _variables(project, environment, options),
            "run": run_script(project.model, environment.name, serverless=options.serverless),
        }
    )
    return steps


def _role(environment: CiEnvironment) -> Mapping[str, Value]:
    return {
        "role-to-assume": _looked_up("AWS_ROLE_ARN"),
        "role-session-name": f"everfit-{environment.name}"[:64],
        # The role must allow it, and it allows an hour unless somebody has raised that (IAM, "MaxSessionDuration").
        "role-duration-seconds": _looked_up("AWS_ROLE_SECONDS", "3600"),
        "aws-region": _region(environment),
    }


def _variables(project: CiProject, environment: CiEnvironment, options: CiOptions) -> Mapping[str, Value]:
    known: dict[str, Value] = {"EVERFIT_ACTOR": "github:${{ github.actor }}", "FORCE": "${{ inputs.force || false }}"}
    if options.credentials is Credentials.KEYS:
        known.update({name: f"${{{{ secrets.{name} }}}}" for name in KEYS})
        known["AWS_REGION"] = _region(environment)
    for name in project.variables:
        if name not in known:
            known[name] = _looked_up(name, options.defaults.get(name))
    return known


def _region(environment: CiEnvironment) -> str:
    return VARIABLE.sub(lambda found: _looked_up(found[1]), environment.region)


def _looked_up(name: str, default: str | None = None) -> str:
    """Return the expression for a secret, or a variable, of the environment or the repository."""
    quoted = "" if default is None else " || '" + default.replace("'", "''") + "'"
    return f"${{{{ secrets.{name} || vars.{name}{quoted} }}}}"
