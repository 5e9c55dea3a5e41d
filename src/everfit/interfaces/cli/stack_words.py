"""A plan of a stack in words, a line each."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from everfit.domain.cost import CostLine, Estimate, total
from everfit.domain.stack_plan import Change, ChangeKind, Drift, PlannedStack, Removal, Right, StackPlan

_SIGNS = {
    ChangeKind.ADDED: "+",
    ChangeKind.CHANGED: "~",
    ChangeKind.REPLACED: "!",
    ChangeKind.MAYBE_REPLACED: "!",
    ChangeKind.REMOVED: "-",
    ChangeKind.KEPT: "-",
}


def plan_lines(plan: StackPlan, *, everything: bool = False) -> Iterator[str]:
    """Yield the lines of a plan.

    Args:
        everything: also each right by itself.
    """
    yield f"{plan.model} in {plan.environment}: account {plan.account}, {plan.region}"
    for stack in plan.stacks:
        yield from _stack_lines(stack)
    yield from (f"note: {note}" for note in plan.notes)
    yield ""
    yield "Not protected:" if plan.unprotected else "Nothing is left unprotected that Everfit knows of."
    yield from (f"  {words}" for words in plan.unprotected)
    yield ""
    yield from _cost_lines(plan.cost)
    yield ""
    yield from _right_lines(plan.rights, everything=everything)


def _stack_lines(stack: PlannedStack) -> Iterator[str]:
    yield ""
    yield f"Stack {stack.name} ({'new' if stack.status is None else stack.status.replace('_', ' ').lower()})"
    if not stack.changes:
        yield "  nothing changes"
    yield from (f"  {line}" for each in stack.changes for line in _change_lines(each))
    yield from (f"  {line}" for each in stack.drift for line in _drift_lines(each))


def _change_lines(change: Change) -> Iterator[str]:
    name = "" if change.name is None else f" {change.name.rpartition('/')[2]}"
    yield f"{_SIGNS[change.kind]} {change.kind.value} {_kind(change.type)} {change.resource}{name}"
    if change.replaced_by:
        yield f"    because of {', '.join(change.replaced_by)}"
    elif change.properties:
        yield f"    {', '.join(change.properties)}"


def _kind(name: str) -> str:
    return name.removeprefix("AWS::").replace("::", " ")


def _drift_lines(drift: Drift) -> Iterator[str]:
    what = f"{_kind(drift.type)} {drift.resource}"
    if drift.is_deleted:
        yield f"? deleted by hand: {what}"
    for path, expected, actual in drift.differences:
        yield f"? changed by hand: {what} {path} is {_short(actual)} instead of {_short(expected)}"


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _cost_lines(cost: Estimate) -> Iterator[str]:
    month, run = cost.per_month, total(cost.run)
    yield f"Cost, estimated: {_money(cost, month)} a month, {_money(cost, run)} of it for each run"
    yield from (f"  {_money(cost, line.amount):>12}  {line.what}" for line in cost.month)
    yield from (f"  {_money(cost, line.amount):>12}  {line.what}, each run" for line in cost.run)
    if cost.longest_run is not None:
        yield f"  A run costs {_money(cost, cost.longest_run)} at most, when its training takes as long as it may."
    yield from (f"  assumed: {words}" for words in cost.assumptions)
    missing = [line.what for line in (*cost.month, *cost.run) if line.amount is None]
    if missing:
        yield f"  not in the price list: {'; '.join(missing)}. Add the instances to a list of your own: --prices FILE"


def _money(cost: Estimate, amount: float | None) -> str:
    if amount is None:
        return "unknown"
    return f"{amount:.2f} {cost.currency}" if amount >= 0.01 or amount == 0 else f"<0.01 {cost.currency}"


def _right_lines(rights: Sequence[Right], *, everything: bool) -> Iterator[str]:
    yield "Who may do what:" if everything else "Who may do what (each right by itself: --rights):"
    for who, grouped in groupby(rights, key=lambda right: right.who):
        listed = list(grouped)
        yield f"  {who}:"
        yield from (f"    {line}" for line in (map(_right, listed) if everything else _reasons(listed)))


def _right(right: Right) -> str:
    wide = "" if right.wide is None else f"; {right.wide}"
    return f"{', '.join(right.actions)} on {', '.join(right.resources)}, so that {right.why}{wide}"


def _reasons(rights: Sequence[Right]) -> Iterator[str]:
    yield f"so that {'; '.join(dict.fromkeys(right.why for right in rights))}"
    wide = [action for right in rights if right.wide is not None for action in right.actions]
    if wide:
        yield f"on everything, as AWS knows no narrower way: {', '.join(dict.fromkeys(wide))}"


def removal_lines(removal: Removal, *, is_done: bool) -> Iterator[str]:
    """Yield the lines of a removal."""
    yield from (f"{'removed' if is_done else 'would remove'} {what}" for what in removal.removed)
    yield from (f"{'kept' if is_done else 'would keep'} {what}" for what in removal.kept)
    if not removal.removed:
        yield "There is nothing to remove."


def cost_rows(lines: Iterable[CostLine]) -> list[dict[str, object]]:
    """Return costs as JSON."""
    return [{"what": line.what, "amount": line.amount} for line in lines]
