"""What a table looked like when its first version was approved, and what has changed since."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from everfit.domain.check import ColumnType, DataFinding
from everfit.domain.conclusion import Result

RULE = "schema"


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column and what its values are."""

    name: str
    type: ColumnType

    @staticmethod
    def read(data: Mapping[str, object]) -> "Column":
        """Return a column as a report wrote it."""
        return Column(name=str(data["name"]), type=ColumnType(str(data["type"])))


def compare(columns: Sequence[Column], reference: Sequence[Column]) -> list[DataFinding]:
    """Return one failing finding for each difference, or a single passing one.

    A column that is wholly missing now or was then has no type that could differ, and an integer column is a number
    column: neither is a break.
    """
    now, then = {column.name: column for column in columns}, {column.name: column for column in reference}
    missing = [column for column in reference if column.name not in now]
    extra = [column for column in columns if column.name not in then]
    findings: list[DataFinding] = []
    for column in missing:
        heir = next((other for other in extra if _is_alike(column.type, other.type)), None)
        if heir is not None:
            extra.remove(heir)
            findings.append(_renamed(column, heir))
        else:
            findings.append(_break(column.name, f"The column {column.name} is missing."))
    findings += [
        _break(column.name, f"The column {column.name} is new: the model has not learnt it.") for column in extra
    ]
    findings += [
        _break(name, f"The column {name} was of type {then[name].type.value} and is of type {column.type.value} now.")
        for name, column in now.items()
        if name in then and not _is_alike(then[name].type, column.type)
    ]
    if findings:
        return findings
    return [DataFinding(rule=RULE, result=Result.PASS, reason=f"All {len(columns)} columns are as before.")]


def _is_alike(then: ColumnType, now: ColumnType) -> bool:
    return ColumnType.EMPTY in (then, now) or then.holds(now) or now.holds(then)


def _renamed(then: Column, now: Column) -> DataFinding:
    reason = f"The column {then.name} is missing and {now.name} is new and alike: was it renamed?"
    return DataFinding(rule=RULE, column=then.name, result=Result.FAIL, reason=reason, figures={"renamed": now.name})


def _break(column: str, reason: str) -> DataFinding:
    return DataFinding(rule=RULE, column=column, result=Result.FAIL, reason=reason)


def order_labels(labels: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """Return the labels in the order in which every model counts them: the known order, else sorted.

    Labels that are all whole numbers sort by their value.
    """
    if known:
        return tuple(known)
    if all(label.lstrip("-").isdecimal() for label in labels):
        return tuple(sorted(labels, key=lambda label: (int(label), label)))
    return tuple(sorted(labels))


def compare_labels(labels: Sequence[str], known: Sequence[str], target: str | None) -> list[DataFinding]:
    """Return a failing finding when there is a label that the model does not know; a vanished one passes, in words."""
    new = [label for label in labels if label not in known]
    gone = [label for label in known if label not in labels]
    if new:
        reason = (
            f"{'The class' if len(new) == 1 else 'The classes'} {', '.join(new)} {'is' if len(new) == 1 else 'are'} "
            f"new: with {'it' if len(new) == 1 else 'them'} the label order would shift; known are {', '.join(known)}."
        )
        return [DataFinding(rule="labels", column=target, result=Result.FAIL, reason=reason, figures={"new": new})]
    reason = f"All {len(known)} classes are as before."
    if gone:
        reason = f"No row of class {', '.join(gone)} any more; the label order stays."
    return [DataFinding(rule="labels", column=target, result=Result.PASS, reason=reason, figures={"gone": gone})]
