"""From the triggers of a project file, as they were read, to typed ones."""

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any, Final

from everfit.domain.project import Environment
from everfit.domain.trigger import Amount
from everfit.domain.triggers import Api, Drift, NewData, OtherEvent, Pace, Push, Schedule, Tag, Trigger

Values = Mapping[str, Any]

QUIET: Final = timedelta(minutes=5)
LONGEST_WAIT: Final = 12
"""A burst waits at most this many times its quiet time, unless the file says otherwise."""
DRIFT_COOLDOWN: Final = timedelta(days=1)
EVERY: Final = timedelta(minutes=10)


def triggers_of(written: tuple[Values, ...], environments: Mapping[str, Environment]) -> tuple[Trigger, ...]:
    """Return the project's triggers and those that its environments' tags stand for.

    A trigger without ``environments`` starts runs wherever a model is trained; where versions are promoted, only one
    that names the environment does.
    """
    trained = tuple(name for name, environment in environments.items() if environment.promote_from is None)
    found = [_trigger(values, values.get("environments", trained)) for values in written]
    tags = [
        Tag(key=f"tag:{environment.tag}", environments=(name,), pattern=environment.tag)
        for name, environment in environments.items()
        if environment.tag is not None
    ]
    return (*found, *tags)


def key_of(written: Values) -> str:
    """Return the key of a trigger, as it was read from a project file."""
    return _trigger(written, ()).key


def _trigger(values: Values, environments: tuple[str, ...]) -> Trigger:
    kind = next(name for name in _READERS if name in values)
    given = values[kind] if isinstance(values[kind], dict) else values
    return _READERS[kind](values, {"environments": tuple(environments), "pace": _pace(values, given, kind)})


def _pace(values: Values, given: Values, kind: str) -> Pace:
    quiet = given.get("quiet_for", QUIET if kind == "data" else timedelta(0))
    amount, unit = given.get("at_least", (0, "files"))
    return Pace(
        quiet_for=quiet,
        at_most=given.get("at_most", quiet * LONGEST_WAIT),
        cooldown=given.get("cooldown", values.get("cooldown", DRIFT_COOLDOWN if kind == "drift" else timedelta(0))),
        at_least=Amount(**{unit: amount}),
    )


def _schedule(values: Values, shared: Values) -> Trigger:
    expression, zone = values["schedule"], values.get("timezone", "UTC")
    return Schedule(key=f"schedule:{expression}@{zone}", expression=expression, timezone=zone, **shared)


def _data(values: Values, shared: Values) -> Trigger:
    return NewData(key="data", every=values["data"].get("every", EVERY), **shared)


def _push(values: Values, shared: Values) -> Trigger:
    given = values["push"]
    branch, paths = given.get("branch", "main"), tuple(given.get("paths", ()))
    return Push(key=":".join(("push", branch, *paths)), branch=branch, paths=paths, **shared)


def _tag(values: Values, shared: Values) -> Trigger:
    return Tag(key=f"tag:{values['tag']}", pattern=values["tag"], **shared)


def _drift(values: Values, shared: Values) -> Trigger:
    del values
    return Drift(key="drift", **shared)


def _event(values: Values, shared: Values) -> Trigger:
    given = values["event"]
    key = ":".join(filter(None, ("event", given["source"], given.get("type"))))
    return OtherEvent(key=key, source=given["source"], type=given.get("type"), **shared)


def _api(values: Values, shared: Values) -> Trigger:
    return Api(key="api", is_allowed=values["api"], **shared)


_READERS: Final[Mapping[str, Callable[[Values, Values], Trigger]]] = {
    "schedule": _schedule,
    "data": _data,
    "push": _push,
    "drift": _drift,
    "tag": _tag,
    "event": _event,
    "api": _api,
}
