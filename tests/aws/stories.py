"""What may happen to a model, told so that it can happen on every backend."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tests.aws.stages import Stage, rows
from tests.projects import INFERENCE, TRAIN

FAILING = "raise SystemExit('the script has no luck today')\n"
EMPTY = "print('nothing was saved')\n"
ENDLESS = "import signal\nprint('on', flush=True)\nsignal.pause()\n"
TIMID = INFERENCE.replace("[row[", "[1 / (row['x'] < 50) * row[")
"""Answers no row whose x is 50 or more."""
BURST = 30


@dataclass(frozen=True, kw_only=True)
class Story:
    """What happens, and the project that it happens to.

    Args:
        triggers: of the project file.
    """

    tell: Callable[[Stage], None]
    approval: str = "automatic"
    triggers: str = ""


def first_model(stage: Stage) -> None:
    """Nothing serves; the first model passes its gate and serves."""
    stage.put("a.csv", rows())
    stage.trigger("first")
    stage.settle()


def better(stage: Stage) -> None:
    """More rows make a model that takes over."""
    first_model(stage)
    stage.put("b.csv", rows(first=100, count=300))
    stage.trigger("second")
    stage.settle()


def worse(stage: Stage) -> None:
    """Spoiled labels make a model that is rejected; the one before keeps serving."""
    first_model(stage)
    stage.put("b.csv", rows(first=100, count=200, noise=40.0))
    stage.trigger("second")
    stage.settle()


def broken_data(stage: Stage) -> None:
    """A column that is gone is turned away before anything is trained."""
    first_model(stage)
    stage.put("a.csv", rows().replace("id,x,y", "id,z,y"))
    stage.trigger("second")
    stage.settle()


def stale(stage: Stage) -> None:
    """Nothing is new, so nothing is trained."""
    first_model(stage)
    stage.trigger("second")
    stage.settle()


def many_events(stage: Stage) -> None:
    """Many events before a run are one run, and each has its end."""
    stage.put("a.csv", rows())
    for number in range(12):
        stage.trigger(f"event-{number}")
    stage.trigger("event-3")
    stage.settle()


def burst(stage: Stage) -> None:
    """Many files at once are one run that learns from all of them."""
    for number in range(BURST):
        stage.put(f"{number:02}.csv", rows(first=10 * number, count=10))
    stage.look()
    stage.settle()


def needs_approval(stage: Stage) -> None:
    """A person is asked; what is approved is deployed, once."""
    stage.put("a.csv", rows())
    stage.trigger("first")
    stage.settle()
    stage.approve(1)
    stage.approve(1)
    stage.settle()


def rolled_back(stage: Stage) -> None:
    """The last good version comes back."""
    better(stage)
    stage.roll_back()


def failing_script(stage: Stage) -> None:
    """A script that fails fails its run and nothing else; the mended one trains."""
    first_model(stage)
    stage.change("train.py", FAILING)
    stage.trigger("second")
    stage.settle()
    stage.change("train.py", TRAIN + "# mended\n")
    stage.trigger("third")
    stage.settle()


def no_model(stage: Stage) -> None:
    """A training that leaves no model fails its run, and what served keeps serving."""
    first_model(stage)
    stage.change("train.py", EMPTY)
    stage.trigger("second")
    stage.settle()


def cancelled(stage: Stage) -> None:
    """A run that is cancelled while it trains ends at once, and the next one trains."""
    stage.put("a.csv", rows())
    stage.change("train.py", ENDLESS)
    stage.trigger("first")
    with stage.settling():
        stage.cancel(stage.training())
    stage.change("train.py", TRAIN)
    stage.trigger("second")
    stage.settle()


def champion_outgrown(stage: Stage) -> None:
    """The world has changed: the champion is bad by now, and the challenger is not held to what it was once."""
    first_model(stage)
    stage.put("a.csv", rows(slope=3.0, count=300))
    stage.trigger("second")
    stage.settle()


def champion_broken(stage: Stage) -> None:
    """The champion fails on the rows of today: a rule that compares with it cannot pass."""
    stage.change("inference.py", TIMID)
    first_model(stage)
    stage.change("inference.py", INFERENCE)
    stage.put("b.csv", rows(first=100, count=300).replace(",7,14", ",70,140"))
    stage.trigger("second")
    stage.settle()


STORIES: Mapping[str, Story] = {
    "first model": Story(tell=first_model),
    "better": Story(tell=better),
    "worse": Story(tell=worse),
    "broken data": Story(tell=broken_data),
    "stale": Story(tell=stale),
    "many events": Story(tell=many_events),
    "burst": Story(tell=burst, triggers="\ntriggers:\n  - data: {quiet_for: 1s}"),
    "needs approval": Story(tell=needs_approval, approval="manual"),
    "rolled back": Story(tell=rolled_back),
    "failing script": Story(tell=failing_script),
    "no model": Story(tell=no_model),
    "cancelled": Story(tell=cancelled),
    "champion outgrown": Story(tell=champion_outgrown),
    "champion broken": Story(tell=champion_broken),
}
