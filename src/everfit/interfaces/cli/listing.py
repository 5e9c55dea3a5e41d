"""Shows what lists and keeps: runs, history, what serves, a version, a plan."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, cast

from everfit.domain.amounts import counted, moment, sized
from everfit.domain.release_name import named
from everfit.interfaces.cli.render import (
    Json,
    console,
    escaped,
    number,
    object_of,
    objects_of,
    shortened,
    show_change,
    show_rules,
    styled,
    table,
    text_of,
)

if TYPE_CHECKING:
    from rich.console import Console


def _place(environments: set[str], row: Json) -> tuple[str, ...]:
    """Return the cell of the environment, when there is more than one to tell apart."""
    return (escaped(row["environment"]),) if len(environments) > 1 else ()


def show_runs(rows: Sequence[Json]) -> None:
    """Show each run; its name begins with when it started."""
    environments = {str(row["environment"]) for row in rows}
    shown = table("run", *(["environment"] if len(environments) > 1 else []), "outcome", "version", "reason")
    for column in shown.columns[:-1]:
        column.no_wrap = True
    for row in rows:
        code = named(text_of(row["commit"]), text_of(row["release"]))
        why = shortened(row["reason"]) if code is None else f"{code}: {shortened(row['reason']) or ''}".rstrip(": ")
        cells = (escaped(row["run"]), *_place(environments, row), styled(row["outcome"]), escaped(row["version"]))
        shown.add_row(*cells, escaped(why))
    console().print(shown if rows else "No run yet. Start one: everfit run")


def show_plan(plan: Json) -> None:
    """Show what a run would do."""
    screen = console()
    screen.print(f"A run of {escaped(plan['model'])} in {escaped(plan['environment'])} would {escaped(plan['would'])}:")
    screen.print(f"  {escaped(plan['reason'])}")
    show_change(screen, {"new_rows": None, **object_of(plan.get("change"))}, str(plan["would"]))
    rollout = plan.get("rollout")
    if plan["would"] != "skip" and isinstance(rollout, list) and rollout:
        screen.print("  What passes its gate would take the traffic so:")
        for line in cast("list[object]", rollout):
            screen.print(f"    {escaped(line)}")
    screen.print("No run was started, and nothing that serves was changed.")


def show_history(rows: Sequence[Json]) -> None:
    """Show one line for each time that a version served."""
    environments = {str(row["environment"]) for row in rows}
    several = ["environment"] if len(environments) > 1 else []
    shown = table("version", *several, "from (UTC)", "to (UTC)", "actor", "reason")
    for column in shown.columns[:-2]:
        column.no_wrap = True
    for row in rows:
        until = "serves now" if row["to"] is None else moment(row["to"])
        cells = (escaped(row["version"]), *_place(environments, row), moment(row["from"]), until)
        shown.add_row(*cells, escaped(row["actor"]), escaped(row["reason"]))
    console().print(shown if rows else "Nothing has served yet. Start a run: everfit run")


def show_status(found: Json, *, is_served: bool) -> None:
    """Show what serves, what waits, what was interrupted.

    Args:
        is_served: whether a service is up that goes on with what was interrupted.
    """
    screen = console()
    screen.print(f"[bold]{escaped(found['model'])}[/]")
    for each in objects_of(found["environments"]):
        _show_environment(screen, each, is_served=is_served)


def _show_environment(screen: "Console", each: Json, *, is_served: bool) -> None:
    name, endpoint = escaped(each["environment"]), object_of(each["endpoint"])
    screen.print(f"  [bold]{name}[/]: {_serving(each, endpoint)}")
    if endpoint["trouble"]:
        screen.print(f"    [red]{escaped(endpoint['trouble'])}[/]")
    elif endpoint["url"] and each["champion"] is not None:
        screen.print(f"    answers at {escaped(endpoint['url'])}")
    for words in _live(each):
        screen.print(f"    {words}")
    waiting = cast("Sequence[object]", each["waits_for_approval"])
    if waiting:
        decide = f"look: everfit why {waiting[0]}; decide: everfit approve {waiting[0]} --env {name} (or reject)"
        screen.print(f"    waits for approval: version {', '.join(map(str, waiting))}; {decide}")
    for words in _held(each):
        screen.print(f"    {words}")
    unfinished = object_of(each["unfinished"])
    if unfinished:
        screen.print(f"    [yellow]{_under_way(unfinished, name, is_served=is_served)}[/]")
    last = object_of(each["last_run"])
    if last and last["run"] != unfinished.get("run"):
        why = "" if last["reason"] is None else f": {escaped(shortened(last['reason']))}"
        screen.print(f"    last run {last['run']}: {styled(last['outcome'])}{why}")


def _live(each: Json) -> Iterator[str]:
    """Yield what the versions do with live traffic, and how a rollout and the watch stand."""
    for row in objects_of(each.get("live") or ()):
        if row["share"] or row["is_shadow"]:
            yield live_words(row)
    rollout, watch = object_of(each.get("rollout")), object_of(each.get("watch"))
    if rollout:
        words = f"{escaped(rollout['words'])}; more: everfit rollout"
        yield f"[yellow]rollout of version {rollout['challenger']}[/]: {words}"
    if watch:
        ill = [escaped(rule["words"]) for rule in objects_of(watch["rules"]) if rule["health"] == "breached"]
        silent = [escaped(rule["rule"]) for rule in objects_of(watch["rules"]) if rule["health"] == "no data"]
        words = "; ".join(ill) or (f"no data yet for {', '.join(silent)}" if silent else "every rule holds")
        words = words if watch["rules"] else "the endpoint does not tell at the moment"
        yield f"watched until {moment(watch['until'])} UTC: {words}"


def live_words(row: Json) -> str:
    """Return in one sentence what a version did in the last five minutes."""
    share = "a copy of every request" if row["is_shadow"] else f"{100 * float(str(row['share'])):.4g}% of the traffic"
    if row["error_rate"] is None:
        return f"version {row['version']} takes {share}; no request in the last five minutes"
    p50, p99 = (1000 * float(str(row[name] or 0.0)) for name in ("p50", "p99"))
    return (
        f"version {row['version']} takes {share}: {float(str(row['rate'])):.3g} requests a second, "
        f"{100 * float(str(row['error_rate'])):.3g}% errors, p50 {p50:.3g} ms, p99 {p99:.3g} ms"
    )


def _under_way(run: Json, environment: str, *, is_served: bool) -> str:
    if is_served:
        return f"run {run['run']} is under way; what its training prints: everfit logs {run['run']}"
    return (
        f"run {run['run']} is under way or was interrupted; if it was, go on: everfit run --resume --env {environment}"
    )


def _held(each: Json) -> Iterator[str]:
    """Yield what keeps runs from starting, and what waits for one."""
    paused, waiting = object_of(each["paused"]), object_of(each["waiting"])
    if paused:
        since = f"since {moment(paused['since'])} UTC"
        yield f"[yellow]paused[/] by {escaped(paused['actor'])} {since}: {escaped(paused['reason'])}"
    if waiting:
        yield f"waits for a run: {waiting_words(waiting)}"


def waiting_words(row: Json) -> str:
    """Return in one sentence how much waits, and for what."""
    until = "" if row["until"] is None else f", until {moment(row['until'])} UTC"
    since = f"since {moment(row['since'])} UTC"
    return f"{counted(row['events'], 'event')} {since}; {escaped(row['waits_for'])}{until}"


def _serving(each: Json, endpoint: Json) -> str:
    name = escaped(endpoint["name"])
    if each["champion"] is None:
        return f"nothing serves behind {name} yet; start: everfit run --env {escaped(each['environment'])}"
    if endpoint["trouble"]:
        others = ", ".join(number for number in object_of(endpoint["weights"]) if number != str(each["champion"]))
        instead = f"version {others} answers" if others else "nothing answers"
        return f"version {each['champion']} belongs behind {name}, but {instead}"
    return f"version {each['champion']} serves behind {name}"


def show_version(found: Json) -> None:
    """Show what a version is and how each environment judged it."""
    screen = console()
    screen.print(
        f"[bold]version {found['version']} of {escaped(found['model'])}[/], {sized(found['size'])}, {found['artifact']}"
    )
    screen.print(f"  made by run {found['run']} at {moment(found['created'])} UTC")
    screen.print(f"  data {escaped(found['snapshot'])}")
    lineage = object_of(found["lineage"])
    dirty = " with changes that were not committed" if lineage.get("dirty") else ""
    release = f"v{escaped(lineage['release'])} at " if lineage.get("release") else ""
    commit = (
        f"{release}commit {escaped(lineage['commit'])}{dirty}" if lineage.get("commit") else "not in a git repository"
    )
    screen.print(f"  code {escaped(found['code'])}, {commit}")
    claims = object_of(found["claims"])
    if claims:
        screen.print("  the script claimed: " + ", ".join(f"{escaped(k)} = {number(v)}" for k, v in claims.items()))
    for each in objects_of(found["environments"]):
        against = "no champion" if each["champion"] is None else f"version {each['champion']}"
        screen.print(
            f"  [bold]{escaped(each['environment'])}[/]: {styled(each['standing'])}; "
            f"judged against {against}: {escaped(each['reason'])}"
        )
        show_rules(screen, objects_of(each["rules"]))
        approval = object_of(each["approval"])
        if approval:
            word = "approved" if approval["approved"] else "rejected"
            who = f"{escaped(approval['actor'])} at {moment(approval['at'])} UTC"
            screen.print(f"  {word} by {who}: {escaped(approval['reason'])}")
    for row in objects_of(found["served"]):
        until = "now" if row["to"] is None else f"{moment(row['to'])} UTC"
        screen.print(
            f"  served in {escaped(row['environment'])} from {moment(row['from'])} UTC to {until}: "
            f"{escaped(row['reason'])}"
        )
