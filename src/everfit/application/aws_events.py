"""What an event of AWS means for one environment: a decision, a run to go on with, a way back, or nothing.

Whatever comes twice, late or in another order is harmless: each event is only a reason to look at how things stand, and
what is written because of it bears an id that is made of the change itself.
"""

from typing import Final, assert_never

from everfit.application.aws_alarms import of_alarm
from everfit.application.aws_decisions import of_package, settle_decisions
from everfit.application.aws_effects import Effect, EffectKind, Place, note, nothing
from everfit.application.ports import Ports
from everfit.application.ports.packages import Packages
from everfit.domain.aws_event import (
    AlarmChanged,
    AwsEvent,
    EndpointChanged,
    JobChanged,
    ObjectsChanged,
    PackageChanged,
    Unknown,
    aws_event,
    check_origin,
    envelope,
)
from everfit.domain.errors import NotFoundError
from everfit.domain.run import Outcome, RunId
from everfit.domain.s3_event import s3_events, s3_places

__all__ = ["Effect", "EffectKind", "Place", "settle_decisions", "take"]

STILL: Final = ("InService", "Deleted", "Failed")
"""States of an endpoint that does not change by itself."""


def take(body: object, place: Place, ports: Ports, packages: Packages) -> Effect:
    """Do what the event is a reason for.

    Raises:
        RequestError: it has not the shape of its kind.
        RefusedError: it is of another account or region, or not of AWS.
        BackendError: something could not be looked at or written; the same event may come again.
    """
    found = envelope(body)
    if place.environment.aws is not None:
        check_origin(found, place.account, place.environment.aws.region)
    return _effect(aws_event(found), place, ports, packages)


def _effect(event: AwsEvent, place: Place, ports: Ports, packages: Packages) -> Effect:
    match event:
        case JobChanged():
            return _of_job(event, place, ports)
        case PackageChanged():
            return of_package(event, place, ports, packages)
        case EndpointChanged():
            return _of_endpoint(event, place, ports)
        case AlarmChanged():
            return of_alarm(event, place, ports)
        case ObjectsChanged():
            return _of_objects(event, place, ports)
        case Unknown():
            return nothing(f"nobody here waits for {event.kind}")
        case _:
            assert_never(event)


def _of_job(event: JobChanged, place: Place, ports: Ports) -> Effect:
    if not event.has_ended or event.run is None:
        return nothing(f"{event.name} is {event.status}: not over, or no job of a run")
    try:
        run = ports.store.run(RunId(event.run))
    except NotFoundError:
        return nothing(f"{event.name} is no job of a run that is kept here")
    if (run.model, run.environment) != (place.model, place.environment.name):
        return nothing(f"{event.name} is a job of {run.model} in {run.environment}")
    if run.ended is not None or run.outcome is Outcome.NEEDS_APPROVAL:
        return nothing(f"{event.name} is {event.status}, and its run has ended or waits for a person")
    return Effect(kind=EffectKind.WAKE, run=run.id, words=f"{event.name} is {event.status}")


def _of_objects(event: ObjectsChanged, place: Place, ports: Ports) -> Effect:
    here = [each for each in s3_places([place.workspace.project]) if each.environment == place.environment.name]
    found = s3_events(event.notification, here, ports.clock.now())
    if not found:
        return nothing(f"the object is not data of {place.words}")
    accepted = sum(ports.inbox.accept(found))
    return Effect(kind=EffectKind.START, accepted=accepted, words=found[0].subject)


def _of_endpoint(event: EndpointChanged, place: Place, ports: Ports) -> Effect:
    if event.name != place.environment.endpoint:
        return nothing(f"{event.name} is not the endpoint of {place.words}")
    unfinished = ports.store.unfinished(place.model, place.environment.name)
    if unfinished is not None:
        return Effect(kind=EffectKind.WAKE, run=unfinished.id, words=f"{event.name} is {event.status}")
    champion = ports.registry.champion(place.model, place.environment.name)
    if champion is None or event.status not in STILL:
        return nothing(f"{event.name} is {event.status}, and nothing is under way")
    state = ports.endpoints.describe(event.name)
    if state is None:
        what = f"the endpoint {event.name} is gone: somebody deleted it"
    elif state.weights:
        # One of our own versions: a rollback that has not written it down yet, or one that was found and is settled.
        return nothing(f"{event.name} serves version {', '.join(map(str, sorted(state.weights)))}")
    else:
        what = f"the endpoint {event.name} serves something that Everfit has not put there"
    words = f"{what}, and version {champion} should serve. `everfit run --force` deploys anew."
    served = next(iter(ports.registry.history(place.model, place.environment.name, limit=1)), None)
    since = "" if served is None else served.since.isoformat()
    note(f"endpoint:{event.name}:{what}:{since}", f"the endpoint {event.name}", words, place, ports)
    return nothing(words)
