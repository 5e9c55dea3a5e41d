"""The retraining loop, as data: its steps in their order.

The journal on one machine walks through this list; a state machine elsewhere is made from it. A step is found by
its name, so one may be added or taken away while runs of an older release are under way.
"""

from typing import Final

from everfit.application.step import Step
from everfit.application.steps.approve import approve
from everfit.application.steps.check import check
from everfit.application.steps.deploy import deploy
from everfit.application.steps.evaluate import evaluate
from everfit.application.steps.gate import gate
from everfit.application.steps.prepare import prepare
from everfit.application.steps.record import record
from everfit.application.steps.register import register
from everfit.application.steps.snapshot import snapshot
from everfit.application.steps.train import train

LOOP: Final[tuple[Step, ...]] = (
    Step(name="snapshot", function=snapshot),
    Step(name="prepare", function=prepare),
    Step(name="check", function=check),
    Step(name="train", function=train),
    Step(name="evaluate", function=evaluate),
    Step(name="gate", function=gate),
    Step(name="register", function=register),
    Step(name="approve", function=approve),
    Step(name="deploy", function=deploy, settles=True),
    Step(name="record", function=record, settles=True),
)
