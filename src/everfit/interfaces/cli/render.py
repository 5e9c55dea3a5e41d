"""Shows plain JSON to people: the numbers, and what they mean."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

from everfit.domain.amounts import counted, sized
from everfit.domain.release_name import named

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
    if run["release"] is not None:
        version += f", {escaped(named(text_of(run['commit']), text_of(run['release'])))}"
    place = f"{escaped(run['model'])} in {escaped(run['environment'])}"
    screen.print(f"{styled(run['outcome'])}: {place}{version}, run {run['run']}")
    if run["reason"]:
        screen.print(f"  {escaped(run['reason'])}")
    show_change(screen, object_of(run["change"]), str(run["outcome"]))
    rules = objects_of(run["rules"])
    show_rules(screen, rules if everything else [each for each in rules if not _is_quiet(each)])
    quiet = sum(_is_quiet(each) for each in rules)
    if quiet and not everything:
        passed = f"{counted(quiet, 'rule')} about the data {'passes' if quiet == 1 else 'pass'}"
        screen.print(f"  {passed}; all of them: everfit why {run['run']}")
    _show_metrics(
        screen, object_of(run["metrics"]), None if everything else " ".join(str(each["rule"]) for each in rules)
    )
    if everything:
        _show_steps(screen, objects_of(run["steps"]))
    _show_next(screen, run, everything=everything)


def show_change(screen: "Console", change: Json, outcome: str) -> None:
    """Show what is new since the version that serves was trained."""
    if "added" not in change or outcome == "skipped":
        return
    files = [counted(change[how], "file") + f" {how}" for how in ("added", "replaced", "removed") if change[how]]
    rows = [f"{change['new_rows']:+,} rows"] if change["new_rows"] else []
    words = ", ".join([*files, f"{sized(change['new_bytes'])} new", *rows]) if files else "unchanged"
    since = "" if change["since"] is None else " since what serves was trained"
    also = [what for what in ("code", "config") if change.get(f"{what}_is_new")]
    changed = f"; new: {' and '.join(also)}" if also else ""
    screen.print(f"  data: {words}{since}{changed}")


def _show_steps(screen: "Console", steps: Sequence[Json]) -> None:
    shown = table("step", "outcome", "seconds", "attempt")
    for step in steps:
        shown.add_row(escaped(step["name"]), styled(step["outcome"]), number(step["seconds"]), str(step["attempt"]))
    screen.print(shown)


def _is_quiet(rule: Json) -> bool:
    return rule["about"] == "data" and rule["result"] == "pass"


def _show_next(screen: "Console", run: Json, *, everything: bool) -> None:
    endpoint = object_of(run["endpoint"])
    if run["outcome"] == "needs approval":
        where = f"{run['version']} --env {run['environment']} --reason"
        screen.print(f'  Approve it: everfit approve {where} "…"; turn it away: everfit reject {where} "…"')
    if endpoint.get("url") and run["champion_after"] is not None:
        serves = "Served when it had ended" if everything else "Serves"
        screen.print(f"  {serves}: version {run['champion_after']} at {escaped(endpoint['url'])}")


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
    challenger, champion = object_of(metrics["challenger"]), object_of(metrics["champion"])
    difference = object_of(metrics["difference"])
    if asked is not None:
        challenger = {name: value for name, value in challenger.items() if re.search(rf"\b{re.escape(name)}\b", asked)}
    if not challenger:
        return
    if not champion:
        _show_alone(screen, challenger)
        return
    shown = table("metric", "challenger", "champion", "difference (95 % interval)")
    for name, value in challenger.items():
        between = object_of(difference.get(name))
        words = (
            "–"
            if between.get("value") is None
            else f"{number(between['value'])} [{number(between['low'])}, {number(between['high'])}]"
        )
        shown.add_row(escaped(name), number(value), number(champion.get(name)), escaped(words))
    screen.print(shown)


def _show_alone(screen: "Console", metrics: Json) -> None:
    shown = table("metric", "challenger")
    for name, value in metrics.items():
        shown.add_row(escaped(name), number(value))
    screen.print(shown)


def number(value: object) -> str:
    """Return a figure in six digits."""
    return f"{value:.6g}" if isinstance(value, (int, float)) else "–"


def object_of(value: object) -> Json:
    """Return a JSON object; what is none is an empty one."""
    return cast("Json", value) if isinstance(value, Mapping) else {}


def text_of(value: object) -> str | None:
    """Return a text; what is none is None."""
    return value if isinstance(value, str) else None


def objects_of(value: object) -> Sequence[Json]:
    """Return a list of JSON objects; what is none is an empty one."""
    return cast("Sequence[Json]", value) if isinstance(value, (list, tuple)) else ()
