"""What the events of a run ask for, in the detail of each, and all together."""

from collections.abc import Mapping, Sequence
from dataclasses import fields

from everfit.domain.trigger import TriggerEvent, Wish


def wish_of(events: Sequence[TriggerEvent]) -> Wish:
    """Return what the events ask for together, newest first.

    One that wants a person's word before the deployment gets it for all; for what can be only one, the newest decides.
    """
    details = [event.detail for event in events]
    coded = next((detail for detail in details if detail.get("commit")), dict[str, object]())
    return Wish(
        force=any(detail.get("force") is True for detail in details),
        accept_schema=any(detail.get("accept_schema") is True for detail in details),
        hold=any(detail.get("hold") is True for detail in details),
        promote=next((number for number in map(_number, details) if number is not None), None),
        commit=_text(coded.get("commit")),
        release=_text(coded.get("release")),
    )


def together(newer: Wish, older: Wish) -> Wish:
    """Return what newer and older events ask for in one."""
    coded = newer if newer.commit is not None else older
    return Wish(
        force=newer.force or older.force,
        accept_schema=newer.accept_schema or older.accept_schema,
        hold=newer.hold or older.hold,
        promote=older.promote if newer.promote is None else newer.promote,
        commit=coded.commit,
        release=coded.release,
    )


def detail_of(wish: Wish) -> Mapping[str, object]:
    """Return the wish as the detail of an event, without what is as usual."""
    usual = Wish()
    values = {each.name: getattr(wish, each.name) for each in fields(Wish)}
    return {name: value for name, value in values.items() if value != getattr(usual, name)}


def _number(detail: Mapping[str, object]) -> int | None:
    value = detail.get("promote")
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
