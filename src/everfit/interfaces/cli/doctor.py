"""``everfit doctor``: what is well and what to mend."""

from pathlib import Path

import click

from everfit.application.drill import drill
from everfit.application.examination import examine
from everfit.domain.errors import RequestError
from everfit.interfaces.cli import exit_codes
from everfit.interfaces.cli.check import MARKS
from everfit.interfaces.cli.options import json_option, opened, print_json, project_option


@click.command("doctor")
@project_option
@json_option
@click.option("--aws", "on_aws", is_flag=True, help="Examine the AWS account that environments there need.")
@click.option("--env", "environment", help="With --aws: only this environment; default: every one on AWS.")
@click.option("--chaos", is_flag=True, help="Kill a service of its own in a storm of events; touches no project.")
@click.option("--drill", "is_drill", is_flag=True, help="Rehearse a rollback but for the change itself, and time it.")
@click.option("--events", default=300, show_default=True, type=click.IntRange(1, 1_000_000), help="Events of a storm.")
@click.option("--models", default=5, show_default=True, type=click.IntRange(1, 1000), help="Models of a storm.")
@click.option("--kills", default=5, show_default=True, type=click.IntRange(0, 10_000), help="Kills in a storm.")
@click.option("--seed", default=1, show_default=True, type=int, help="The same seed gives the same storm.")
def doctor_command(  # noqa: PLR0913 - one argument an option
    folder: Path,
    environment: str | None,
    events: int,
    models: int,
    kills: int,
    seed: int,
    *,
    on_aws: bool,
    chaos: bool,
    is_drill: bool,
    as_json: bool,
) -> int:
    """Examine Python, disk, state, what serves and the way back; change nothing.

    With --aws, examine identity, bucket, roles, permissions call by call, quotas, images and topics, before any of it
    costs money.

    With --drill, verify, load and ask the version that a rollback would go to, and say how long that takes.

    With --chaos, prove that no event is lost, doubled or extra while the service is killed again and again.
    """
    if on_aws:
        from everfit.interfaces.cli.doctor_aws import examine_aws  # noqa: PLC0415 - only this needs it

        return examine_aws(folder, environment, as_json=as_json)
    if environment is not None:
        raise RequestError("--env needs --aws here: without it, every environment of the project is examined.")
    if chaos:
        from everfit.interfaces.chaos.plan import Scale  # noqa: PLC0415 - only a storm needs it
        from everfit.interfaces.cli.chaos import prove  # noqa: PLC0415 - only a storm needs it

        return prove(Scale(events=events, models=models, kills=kills, seed=seed), as_json=as_json)
    project = opened(folder)
    found = list((drill if is_drill else examine)(project.workspace, project.ports))
    is_well = all(each.is_well is not False for each in found)
    if as_json:
        rows = [{"name": each.name, "result": MARKS[each.is_well].lower(), "words": each.words} for each in found]
        print_json({"ok": is_well, "examined": rows})
    else:
        for each in found:
            print(f"{MARKS[each.is_well]:<6} {each.name:<13} {each.words}")
    return exit_codes.OK if is_well else exit_codes.FAILED
