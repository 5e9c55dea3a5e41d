"""How a test steers the bench: JSON posted to ``/bench/<command>``."""

import json
from collections.abc import Callable
from dataclasses import fields
from typing import Any

from tests.aws.bench.call import Document
from tests.aws.bench.errors import AwsError
from tests.aws.bench.faults import Fault
from tests.aws.bench.settings import Settings
from tests.aws.bench.wire import Answer
from tests.aws.bench.world import World

Command = Callable[[World, Document], Any]
COMMANDS: dict[str, Command] = {}


def command(name: str) -> Callable[[Command], Command]:
    """Answer ``/bench/<name>`` by the decorated function."""

    def register(handler: Command) -> Command:
        COMMANDS[name] = handler
        return handler

    return register


def control(world: World, name: str, body: bytes) -> Answer:
    """Return what the command *name* answers."""
    handler = COMMANDS.get(name)
    if handler is None:
        return written(404, f"The bench has no command {name!r}.")
    try:
        return written(200, handler(world, json.loads(body or b"{}")))
    except (AwsError, KeyError, TypeError, ValueError) as error:
        return written(400, f"{type(error).__name__}: {error}")


def written(status: int, answer: Any) -> Answer:
    data = json.dumps(answer, default=str).encode()
    return Answer(status=status, headers={"Content-Type": "application/json"}, body=data)


@command("reset")
def reset(world: World, given: Document) -> None:
    del given
    world.reset()


@command("set")
def change_settings(world: World, given: Document) -> None:
    known = {field.name for field in fields(Settings)}
    for name, value in given.items():
        if name not in known:
            raise KeyError(f"There is no setting {name}")
        setattr(world.settings, name, value)


@command("calls")
def calls(world: World, given: Document) -> list[Document]:
    return world.recording.since(int(given.get("since", 0)))


@command("notes")
def notes(world: World, given: Document) -> list[Document]:
    kind = given.get("kind")
    return [note for note in world.notes if kind is None or note["kind"] == kind]


@command("fault")
def add_fault(world: World, given: Document) -> int:
    return world.faults.add(Fault(**given))


@command("fault-reached")
def is_reached(world: World, given: Document) -> bool:
    return world.faults.get(given["number"]).reached.is_set()


@command("fault-release")
def release_fault(world: World, given: Document) -> None:
    fault = world.faults.get(given["number"])
    fault.is_dropped = not given.get("is_answered", False)
    fault.released.set()


@command("fault-remove")
def remove_fault(world: World, given: Document) -> None:
    world.faults.remove(given["number"])


@command("role-key")
def role_key(world: World, given: Document) -> str:
    return world.identities.key_of(given["role"])


@command("image")
def register_image(world: World, given: Document) -> None:
    world.images[given["uri"]] = given
