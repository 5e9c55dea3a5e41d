"""One line of JSON for each thing that happened, for CloudWatch Logs, which finds its fields by itself."""

import json


def log(said: str, **facts: object) -> None:
    """Write a line; no value may hold a secret."""
    print(json.dumps({"said": said, **facts}, default=str), flush=True)


class LambdaProgress:
    """Writes the steps of a run to the log; what a script prints is kept with its job."""

    def step_started(self, name: str, attempt: int) -> None:
        """Say so only when it is not the first try."""
        if attempt > 1:
            log("a step is tried again", step=name, attempt=attempt)

    def step_ended(self, name: str, outcome: str, seconds: float) -> None:
        """Write the step with its time."""
        log("a step was taken", step=name, outcome=outcome, seconds=round(seconds, 3))

    def told(self, words: str) -> None:
        """Write what was decided."""
        log("something was decided", words=words)

    def printed(self, output: bytes) -> None:
        """Leave it to the job's own log."""
