"""What an alarm of CloudWatch is a reason for: a retraining, a way back, or telling people."""

from datetime import timedelta
from typing import Final

from everfit.application.aws_effects import Effect, EffectKind, Place, note, nothing
from everfit.application.ports import Ports
from everfit.application.serverless import AskedBack
from everfit.domain.aws_event import AlarmChanged
from everfit.domain.trigger import TriggerEvent, TriggerKind
from everfit.domain.triggers import Drift
from everfit.domain.version import last_good

DRIFT_ALARM: Final = "-drift-alarm"


def of_alarm(event: AlarmChanged, place: Place, ports: Ports) -> Effect:
    """Do what the alarm is a reason for."""
    if not is_about(event, place.environment.endpoint):
        return nothing(f"the alarm {event.name} is not about {place.words}")
    if event.state != "ALARM":
        return nothing(f"the alarm {event.name} is {event.state}")
    if event.name.endswith(DRIFT_ALARM):
        return _drifted(event, place, ports)
    return _got_worse(event, place, ports)


def is_about(event: AlarmChanged, endpoint: str) -> bool:
    """Tell whether the alarm is one that Everfit made for the endpoint, not for one whose name begins alike."""
    named = [event.dimensions[key] for key in ("EndpointName", "FunctionName", "Endpoint") if key in event.dimensions]
    return event.name.startswith(f"{endpoint}-") and all(values == frozenset({endpoint}) for values in named)


def _drifted(event: AlarmChanged, place: Place, ports: Ports) -> Effect:
    name = place.environment.name
    trigger = next((each for each in place.workspace.project.triggers if _is_drift_of(each, name)), None)
    if trigger is None:
        note(_id(event), "the model's quality", f"The alarm {event.name}: {event.reason}", place, ports)
        return nothing(f"the alarm {event.name} is told; no trigger waits for drift")
    drift = TriggerEvent(
        id=_id(event),
        kind=TriggerKind.DRIFT,
        model=place.model,
        environment=name,
        actor="cloudwatch",
        at=event.since,
        trigger=trigger.key,
        subject=f"the alarm {event.name} was raised",
        detail={"alarm": event.name, "reason": event.reason[:1_000]},
    )
    accepted = sum(ports.inbox.accept([drift]))
    return Effect(kind=EffectKind.START, accepted=accepted, words=drift.subject)


def _is_drift_of(trigger: object, environment: str) -> bool:
    return isinstance(trigger, Drift) and environment in trigger.environments


def _got_worse(event: AlarmChanged, place: Place, ports: Ports) -> Effect:
    """Go back when the version is still being watched; tell people in any other case."""
    name = place.environment.name
    if ports.store.unfinished(place.model, name) is not None:
        return nothing(f"the alarm {event.name} was raised in the middle of a run, which sees it itself")
    history = ports.registry.history(place.model, name)
    serving = next(iter(history), None)
    if serving is None or serving.until is not None:
        return nothing(f"the alarm {event.name} was raised, and nothing serves in {name}")
    if event.since < serving.since:
        return nothing(f"the alarm {event.name} is about what served before version {serving.version}")
    watched = place.environment.watch.get("for")
    if not isinstance(watched, timedelta) or event.since > serving.since + watched:
        return _told(event, "it is not watched any more" if watched else "watch is not set", place, ports)
    if serving.is_rollback or last_good(history, serving.version) is None:
        return _told(event, "there is nothing to go back to", place, ports)
    back = AskedBack(actor="cloudwatch", before=serving.version, reason=f"the alarm {event.name} was raised")
    return Effect(kind=EffectKind.ROLL_BACK, back=back, name=_id(event), words=back.reason)


def _told(event: AlarmChanged, why: str, place: Place, ports: Ports) -> Effect:
    words = f"The alarm {event.name} was raised and nothing was taken back, because {why}. {event.reason}"
    note(_id(event), f"the endpoint {place.environment.endpoint}", words, place, ports)
    return nothing(words)


def _id(event: AlarmChanged) -> str:
    return f"alarm:{event.name}@{event.since.isoformat()}"
