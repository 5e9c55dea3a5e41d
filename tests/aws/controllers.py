"""Controllers as processes of the real command line, which a test kills, stops and lets go on."""

import os
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.aws.bench.client import Bench, quiet_environment, until
from tests.projects import EVERFIT

LONG = 60.0


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How a controller has ended."""

    code: int
    said: str
    complained: str


@dataclass
class Controller:
    """An ``everfit run`` that is under way."""

    process: "subprocess.Popen[str]"

    def reached(self, bench: Bench, number: int) -> None:
        """Wait until its call hangs at the fault of that number."""
        until(lambda: bench.hangs(number) or self.process.poll() is not None, "a call that hangs", LONG)
        if not bench.hangs(number):
            raise AssertionError(f"It ended before: {self.ended()}")

    def kill(self) -> None:
        """End it as the machine does that loses its power."""
        self.process.kill()
        self.process.communicate(timeout=LONG)

    def stop(self) -> None:
        """Have it do nothing more until it may go on."""
        self.process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def ended(self) -> Ended:
        """Wait for its end."""
        said, complained = self.process.communicate(timeout=LONG)
        return Ended(code=self.process.returncode, said=said, complained=complained)


@dataclass
class Controllers:
    """Starts controllers of one project.

    Args:
        role: ARN of the role whose credentials they have; None is the user.
    """

    bench: Bench
    folder: Path
    role: str | None = None
    started: list[Controller] = field(default_factory=list[Controller])

    def start(self, command: str = "run", *options: str) -> Controller:
        process = subprocess.Popen(
            [EVERFIT, command, "-C", str(self.folder), *options],
            env={**quiet_environment(), **self.bench.environment(self.role), "EVERFIT_ACTOR": "ada", **SETTINGS},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        controller = Controller(process)
        self.started.append(controller)
        return controller

    def end(self) -> None:
        """Leave no process behind."""
        for each in self.started:
            if each.process.poll() is None:
                each.go_on()
                each.kill()


SETTINGS: Mapping[str, str] = {
    "EVERFIT_AWS_LOOK": "100ms",
    "EVERFIT_SEND_PACKAGES": "false",
    "PYTHONDONTWRITEBYTECODE": "1",
    "COLUMNS": "200",
    "HOME": os.environ.get("HOME", "/"),
}
