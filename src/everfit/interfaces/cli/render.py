"""Shows plain JSON to people: the numbers, and what they mean."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

Json = Mapping[str, object]
STYLES: Mapping[str, str] = {
    "deployed": "bold green",
    "skipped": "yellow",
    "needs approval": "bold yellow",
    "rejected": "bold red",
    "failed": "bold red",
    "pass": "green",
    "fail": "red",
    "inconclusive": "yellow",
}


def console() -> "Console":
    """Return where people read: standard output."""
    from rich.console import Console  # noqa: PLC0415 - only what is shown pays for Rich

    return Console(highlight=False, soft_wrap=True)


def table(*columns: str) -> "Table":
    """Return an empty table."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 - only what is shown pays for Rich
    from rich.table import Table  # noqa: PLC0415 - only what is shown pays for Rich

    made = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        made.add_column(column, overflow="fold")
    return made


def styled(word: object) -> str:
    """Return an outcome in its colour; the colour never says more than the word."""
    text = str(word)
    return f"[{STYLES[text]}]{text}[/]" if text in STYLES else escaped(text)


def escaped(text: object) -> str:
    """Return text that is shown as it is."""
    from rich.markup import escape  # noqa: PLC0415 - only what is shown pays for Rich

    return "–" if text is None else escape(str(text))


def show_run(run: Json, *, everything: bool = False) -> None:
    """Show how a run ended and why.

    Args:
        everything: also rules about the data that pass, and metrics that no rule asks for.
    """
    screen = console()
    version = "" if run["version"] is None else f", version {run['version']}"
    place = f"{escaped(run['model'])} in {escaped(run['environment'])}"
    screen.print(f"{styled(run['outcome'])}: {place}{version}, run {run['run']}")
    if run["reason"]:
        screen.print(f"  {escaped(run['reason'])}")
    _show_change(screen, _object(run["change"]))
    rules = _objects(run["rules"])
    show_rules(screen, rules if everything else [each for each in rules if not _is_quiet(each)])
    quiet = sum(_is_quiet(each) for each in rules)
    if quiet and not everything:
        screen.print(f"  {quiet} rules about the data pass; all of them: everfit why {run['run']}")
    _show_metrics(
        screen, _object(run["metrics"]), None if everything else " ".join(str(each["rule"]) for each in rules)
    )
    _show_next(screen, run)


def _show_change(screen: "Console", change: Json) -> None:
    if "added" not in change:
        return
    files = f"{change['added']} files added, {change['replaced']} replaced, {change['removed']} removed"
    rows = "" if change["new_rows"] is None else f", {change['new_rows']:+} rows"
    since = "" if change["since"] is None else " since what serves was trained"
    screen.print(f"  data: {files}, {change['new_bytes']:,} new bytes{rows}{since}")


def _is_quiet(rule: Json) -> bool:
    return rule["about"] == "data" and rule["result"] == "pass"


def _show_next(screen: "Console", run: Json) -> None:
    endpoint = _object(run["endpoint"])
    if run["outcome"] == "needs approval":
        where = f"{run['version']} --env {run['environment']} --reason"
        screen.print(f'  Approve it: everfit approve {where} "…"; turn it away: everfit reject {where} "…"')
    if endpoint.get("url") and run["champion_after"] is not None:
        screen.print(f"  Serves: version {run['champion_after']} at {escaped(endpoint['url'])}")


def shortened(text: object, most: int = 160) -> str | None:
    """Return the beginning of a long text."""
    words = None if text is None else str(text)
    return words if words is None or len(words) <= most else f"{words[: most - 1]}…"


def show_rules(screen: "Console", rules: Sequence[Json]) -> None:
    """Show each rule with its reason; the many that pass are shown after those that do not."""
    if not rules:
        return
    shown = table("rule", "result", "reason")
    for rule in sorted(rules, key=lambda each: each["result"] == "pass"):
        shown.add_row(escaped(rule["rule"]), styled(rule["result"]), escaped(rule["reason"]))
    screen.print(shown)


def _show_metrics(screen: "Console", metrics: Json, asked: str | None) -> None:
    challenger, champion = _object(metrics["challenger"]), _object(metrics["champion"])
    difference = _object(metrics["difference"])
    if asked is not None:
        challenger = {name: value for name, value in challenger.items() if re.search(rf"\b{re.escape(name)}\b", asked)}
    if not challenger:
        return
    shown = table("metric", "challenger", "champion", "difference (95 % interval)")
    for name, value in challenger.items():
        between = _object(difference.get(name))
        words = (
            "–"
            if between.get("value") is None
            else f"{_number(between['value'])} [{_number(between['low'])}, {_number(between['high'])}]"
        )
        shown.add_row(escaped(name), _number(value), _number(champion.get(name)), escaped(words))
    screen.print(shown)


def show_runs(rows: Sequence[Json]) -> None:
    """Show one line a run."""
    shown = table("run", "environment", "outcome", "version", "started")
    shown.add_column("reason", no_wrap=True, overflow="ellipsis")
    for row in rows:
        cells = (escaped(row["run"]), escaped(row["environment"]), styled(row["outcome"]), escaped(row["version"]))
        shown.add_row(*cells, escaped(str(row["started"])[:19]), escaped(row["reason"]))
    console().print(shown if rows else "No run yet. Start one: everfit run")


def show_history(rows: Sequence[Json]) -> None:
    """Show one line for each time that a version served."""
    shown = table("version", "environment", "from", "to", "actor", "reason")
    for row in rows:
        until = "serves now" if row["to"] is None else str(row["to"])[:19]
        cells = (escaped(row["version"]), escaped(row["environment"]), escaped(str(row["from"])[:19]), until)
        shown.add_row(*cells, escaped(row["actor"]), escaped(row["reason"]))
    console().print(shown if rows else "Nothing has served yet. Start a run: everfit run")


def show_status(found: Json) -> None:
    """Show what serves, what waits, what was interrupted."""
    screen = console()
    screen.print(f"[bold]{escaped(found['model'])}[/]")
    for each in _objects(found["environments"]):
        endpoint = _object(each["endpoint"])
        serves = "nothing serves yet" if each["champion"] is None else f"version {each['champion']} serves"
        screen.print(f"  [bold]{escaped(each['environment'])}[/]: {serves} behind {escaped(endpoint['name'])}")
        if endpoint["url"]:
            screen.print(f"    answers at {escaped(endpoint['url'])}")
        if endpoint["trouble"]:
            screen.print(f"    [red]{escaped(endpoint['trouble'])}[/]")
        waiting = cast("Sequence[object]", each["waits_for_approval"])
        if waiting:
            screen.print(f"    waits for approval: version {', '.join(map(str, waiting))}")
        unfinished = _object(each["unfinished"])
        if unfinished:
            screen.print(f"    [yellow]run {unfinished['run']} was interrupted; go on: everfit run --resume[/]")
        last = _object(each["last_run"])
        if last:
            screen.print(f"    last run {last['run']}: {styled(last['outcome'])}: {escaped(shortened(last['reason']))}")


def show_version(found: Json) -> None:
    """Show what a version is and how each environment judged it."""
    screen = console()
    screen.print(
        f"[bold]version {found['version']} of {escaped(found['model'])}[/], {found['size']} bytes, {found['artifact']}"
    )
    screen.print(f"  made by run {found['run']} at {str(found['created'])[:19]}")
    screen.print(f"  data {escaped(found['snapshot'])}")
    lineage = _object(found["lineage"])
    dirty = " with changes that were not committed" if lineage.get("dirty") else ""
    screen.print(f"  code {escaped(found['code'])}, commit {escaped(lineage.get('commit'))}{dirty}")
    claims = _object(found["claims"])
    if claims:
        screen.print("  the script claimed: " + ", ".join(f"{escaped(k)} = {_number(v)}" for k, v in claims.items()))
    for each in _objects(found["environments"]):
        against = "no champion" if each["champion"] is None else f"version {each['champion']}"
        screen.print(
            f"  [bold]{escaped(each['environment'])}[/]: {styled(each['standing'])}; "
            f"judged against {against}: {escaped(each['reason'])}"
        )
        show_rules(screen, _objects(each["rules"]))
        approval = _object(each["approval"])
        if approval:
            word = "approved" if approval["approved"] else "rejected"
            screen.print(
                f"  {word} by {escaped(approval['actor'])} at {str(approval['at'])[:19]}: {escaped(approval['reason'])}"
            )
    for row in _objects(found["served"]):
        until = "now" if row["to"] is None else str(row["to"])[:19]
        screen.print(
            f"  served in {escaped(row['environment'])} from {str(row['from'])[:19]} to {until}: "
            f"{escaped(row['reason'])}"
        )


def _number(value: object) -> str:
    return f"{value:.6g}" if isinstance(value, (int, float)) else "–"


def _object(value: object) -> Json:
    return cast("Json", value) if isinstance(value, Mapping) else {}


def _objects(value: object) -> Sequence[Json]:
    return cast("Sequence[Json]", value) if isinstance(value, (list, tuple)) else ()
