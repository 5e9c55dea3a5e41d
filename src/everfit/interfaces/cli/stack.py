"""``plan``, ``apply`` and ``destroy``: what an environment on AWS needs to run by itself."""

import json
import sys
from pathlib import Path

import click

from everfit.application.ports.stack import Stack
from everfit.application.retraining import environment_of
from everfit.bootstrap import open_workspace
from everfit.bootstrap_aws.stack import open_stack
from everfit.domain.cost import PriceList, Usage, read_prices, total
from everfit.domain.errors import RequestError
from everfit.domain.record import to_plain
from everfit.domain.stack_plan import Removal, StackPlan
from everfit.interfaces.cli.options import environment_option, json_option, print_json, project_option
from everfit.interfaces.cli.stack_words import cost_rows, plan_lines, removal_lines
from everfit.settings import read_settings

_NOTHING_CHANGES = "Nothing would change in the stack; apply would only put the project file and the code in force."


def _opened(folder: Path, environment: str | None) -> Stack:
    settings = read_settings()
    workspace = open_workspace(folder, settings)
    return open_stack(workspace, environment_of(workspace, environment), settings)


def _tell(words: str) -> None:
    print(words, file=sys.stderr, flush=True)


@click.command("plan")
@project_option
@environment_option
@json_option
@click.option("--show-template", is_flag=True, help="Print the CloudFormation template and nothing else.")
@click.option("--rights", "everything", is_flag=True, help="List each right of each role.")
@click.option(
    "--prices",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="A price list of your own, as JSON.",
)
@click.option("--runs", type=click.FloatRange(0, 100_000), help="Runs a month; default: what the schedules start.")
def plan_command(  # noqa: PLR0913 - one argument an option
    folder: Path,
    environment: str | None,
    prices: Path | None,
    runs: float | None,
    *,
    as_json: bool,
    show_template: bool,
    everything: bool,
) -> None:
    """Say what apply would change, what will not be protected, what it costs and who may do what; change nothing."""
    stack = _opened(folder, environment)
    if show_template:
        print(stack.template())
        return
    plan = stack.plan(None if prices is None else _read_prices(prices), Usage(runs=runs), _tell)
    if as_json:
        print_json(_plan_json(plan))
        return
    for line in plan_lines(plan, everything=everything):
        print(line)
    print()
    print("Next: everfit apply" if plan.has_changes else _NOTHING_CHANGES)


@click.command("apply")
@project_option
@environment_option
@json_option
@click.option("--yes", is_flag=True, help="Do not ask.")
def apply_command(folder: Path, environment: str | None, *, as_json: bool, yes: bool) -> None:
    """Make or change the stack of an environment, and put this project in force there."""
    stack = _opened(folder, environment)
    if not yes:
        for line in plan_lines(stack.plan(None, Usage(), _tell)):
            print(line, file=sys.stderr)
        _agree("Apply this?", "everfit apply --yes")
    applied = stack.apply(_tell)
    if as_json:
        print_json({"stack": applied.stack, "changed": applied.changed, "outputs": dict(applied.outputs)})
        return
    print(f"{applied.stack}: {applied.changed} resources changed; this project is in force.")
    for name, value in sorted(applied.outputs.items()):
        print(f"  {name}: {value}")


@click.command("destroy")
@project_option
@environment_option
@json_option
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--data", is_flag=True, help="Remove state, snapshots and models as well; they cannot be brought back.")
def destroy_command(folder: Path, environment: str | None, *, as_json: bool, yes: bool, data: bool) -> None:
    """Remove the stack of an environment and what serves; keep its data unless told otherwise."""
    stack = _opened(folder, environment)
    if not yes:
        for line in removal_lines(stack.removal(data=data), is_done=False):
            print(line, file=sys.stderr)
        _agree("Remove this?", "everfit destroy --yes")
    removal = stack.destroy(_tell, data=data)
    if as_json:
        print_json({"removed": list(removal.removed), "kept": list(removal.kept)})
        return
    _show(removal)


def _show(removal: Removal) -> None:
    for line in removal_lines(removal, is_done=True):
        print(line)


def _agree(question: str, command: str) -> None:
    """Ask a person; nobody there is no agreement."""
    if not sys.stdin.isatty():
        raise click.UsageError(f"Nobody is there to agree to it: use `{command}`.")
    click.confirm(question, abort=True, err=True)


def _read_prices(path: Path) -> PriceList:
    try:
        return read_prices(json.loads(path.read_text(encoding="utf-8")))
    except ValueError as error:
        raise RequestError(f"{path} is no JSON: {error}") from error


def _plan_json(plan: StackPlan) -> dict[str, object]:
    cost = plan.cost
    return {
        "model": plan.model,
        "environment": plan.environment,
        "account": plan.account,
        "region": plan.region,
        "changes": plan.has_changes,
        "stacks": to_plain(plan.stacks),
        "unprotected": list(plan.unprotected),
        "notes": list(plan.notes),
        "rights": to_plain(plan.rights),
        "cost": {
            "currency": cost.currency,
            "month": cost.per_month,
            "run": total(cost.run),
            "longest_run": cost.longest_run,
            "runs": cost.runs,
            "by_month": cost_rows(cost.month),
            "by_run": cost_rows(cost.run),
            "assumptions": list(cost.assumptions),
        },
    }
