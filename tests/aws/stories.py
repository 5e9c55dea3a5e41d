"""What may happen to a model, told so that it can happen on every backend.

A story has several chapters, because what is dear is to set its stage up. Its ending tells of all of them: every run
with its reason and its steps, every event, every version, and what serves.
"""

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

Chapter = Callable[[Stage], None]


@dataclass(frozen=True, kw_only=True)
class Story:
    """What happens, and the project that it happens to.

    Args:
        triggers: of the project file.
        watch: of its environment.
    """

    chapters: tuple[Chapter, ...]
    approval: str = "automatic"
    triggers: str = ""
    watch: str = ""

    def tell(self, stage: Stage) -> None:
        """Have it all happen."""
        for chapter in self.chapters:
            chapter(stage)


def first_model(stage: Stage) -> None:
    """Nothing serves; the first model passes its gate and serves."""
    stage.put("a.csv", rows())
    stage.trigger("first")
    stage.settle()


def stale(stage: Stage) -> None:
    """Nothing is new, so nothing is trained."""
    stage.trigger("stale")
    stage.settle()


def better(stage: Stage) -> None:
    """More rows make a model that takes over."""
    stage.put("b.csv", rows(first=100, count=300))
    stage.trigger("better")
    stage.settle()


def rolled_back(stage: Stage) -> None:
    """The last good version comes back."""
    stage.roll_back()


def worse(stage: Stage) -> None:
    """Spoiled labels make a model that is rejected; the one before keeps serving."""
    stage.put("b.csv", rows(first=100, count=200, noise=40.0))
    stage.trigger("worse")
    stage.settle()


def many_events(stage: Stage) -> None:
    """Many events before a run are one run, and each has its end."""
    stage.put("a.csv", rows())
    for number in range(12):
        stage.trigger(f"event-{number}")
    stage.trigger("event-3")
    stage.settle()


def broken_data(stage: Stage) -> None:
    """A column that is gone is turned away before anything is trained."""
    stage.put("a.csv", rows().replace("id,x,y", "id,z,y"))
    stage.trigger("broken")
    stage.settle()
    stage.put("a.csv", rows(count=80))


def failing_script(stage: Stage) -> None:
    """A script that fails fails its run and nothing else."""
    stage.change("train.py", FAILING)
    stage.trigger("failing")
    stage.settle()


def no_model(stage: Stage) -> None:
    """A training that leaves no model fails its run, and what served keeps serving."""
    stage.change("train.py", EMPTY)
    stage.trigger("empty")
    stage.settle()


def cancelled(stage: Stage) -> None:
    """A run that is cancelled while it trains ends at once."""
    stage.change("train.py", ENDLESS)
    stage.trigger("endless")
    with stage.settling():
        stage.cancel(stage.training())


def mended(stage: Stage) -> None:
    """After all that, the script that is as it was makes the next version."""
    stage.change("train.py", TRAIN)
    stage.trigger("mended")
    stage.settle()


def burst(stage: Stage) -> None:
    """Many files are one run that learns from all of them; nothing starts before all were told of."""
    stage.pause()
    for number in range(BURST):
        stage.put(f"{number:02}.csv", rows(first=10 * number, count=10))
    stage.look()
    stage.resume()
    stage.settle()


def approved(stage: Stage) -> None:
    """What a person approves is deployed, once, however often it is approved."""
    stage.approve(1)
    stage.approve(1)
    stage.settle()


def turned_away(stage: Stage) -> None:
    """What a person turns away is not deployed, and what served keeps serving."""
    stage.put("more.csv", rows(first=1000, count=60))
    stage.look()
    stage.settle()
    stage.approve(2, approved=False)
    stage.settle()


def approved_in_console(stage: Stage) -> None:
    """What is approved in the Model Registry is deployed."""
    stage.approve_in_console(stage.asked_about())
    stage.settle()


def gossip(stage: Stage) -> None:
    """What happens to others changes nothing here."""
    stage.gossip()
    stage.settle()


def alarmed(stage: Stage) -> None:
    """An alarm takes back what served a moment only."""
    stage.alarm()
    stage.settle()


def timid_champion(stage: Stage) -> None:
    """A version serves that has never seen great numbers."""
    stage.change("inference.py", TIMID)
    first_model(stage)


def champion_broken(stage: Stage) -> None:
    """The champion fails on the rows of today: a rule that compares with it cannot pass."""
    stage.change("inference.py", INFERENCE)
    stage.put("b.csv", rows(first=100, count=100).replace(",7,14", ",70,140"))
    stage.trigger("great numbers")
    stage.settle()


def champion_outgrown(stage: Stage) -> None:
    """The world has changed: the champion is bad by now, and the challenger is not held to what it was once."""
    stage.put("a.csv", rows(slope=3.0, count=200))
    stage.put("b.csv", rows(first=300, slope=3.0, count=200))
    stage.trigger("another world")
    stage.settle()


STORIES: Mapping[str, Story] = {
    "a life": Story(chapters=(first_model, stale, better, rolled_back, worse)),
    "troubles": Story(chapters=(many_events, broken_data, failing_script, no_model, cancelled, mended)),
    "people": Story(
        chapters=(burst, approved, turned_away), approval="manual", triggers="\ntriggers:\n  - data: {quiet_for: 1s}"
    ),
    "champions": Story(chapters=(timid_champion, champion_broken, champion_outgrown)),
}
"""Each is told on every backend."""

OF_AWS: Mapping[str, Story] = {
    "people on AWS": Story(
        chapters=(first_model, gossip, approved_in_console, gossip, better, approved_in_console, alarmed),
        approval="manual",
        watch=", watch: {for: 1h, roll_back_when: ['error_rate > 50%']}",
    ),
    "better": Story(chapters=(first_model, better)),
}
"""What AWS does to a story; in memory somebody does the same by hand, or nothing happens."""

ALL: Mapping[str, Story] = {**STORIES, **OF_AWS}
