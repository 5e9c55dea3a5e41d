"""The state machine of a run, made of the loop's own list of steps, in the Amazon States Language with JSONata.

It holds no knowledge of the loop but the order: each state asks the step Lambda to take one step and does as the answer
says. Every way in which that can fail leads to ``Broken``, which ends the run as failed and so tells people.
"""

from collections.abc import Sequence
from typing import Final

State = dict[str, object]

STEP_ARN: Final = "${StepFunctionArn}"
TICK_ARN: Final = "${TickFunctionArn}"
"""What CloudFormation's DefinitionSubstitutions put the functions in for."""

# A Lambda function runs for 15 minutes at most (Lambda quotas); the rest is for its start.
_TASK_SECONDS: Final = 930
_LIFE_SECONDS: Final = 30 * 24 * 3600
MOST_WAITS: Final = 2000
"""A wait and a look are 9 events, and an execution ends with its 25,000th (Step Functions quotas): a run that is
looked at more often goes on in another execution, which the tick starts."""
_LEASE_SECONDS: Final = 35
"""A Lambda that crashed holds the run's lease for up to 30 s."""
_CAUSE: Final = "{% $substring($failure.Error & ': ' & $failure.Cause, 0, 2000) %}"

_WAITS: Final = "$answer.answer = 'waits' and $waited < $most"
# Worked out where an error is caught: an answer may lack the seconds, or carry a wild number of them.
_ANSWER: Final[State] = {
    "answer": "{% $states.result.Payload %}",
    "seconds": "{% $max([1, $min([300, $floor($number($states.result.Payload.seconds ? "
    "$states.result.Payload.seconds : 30))])]) %}",
    "failure": {"Error": "The answer is not known", "Cause": "{% $string($states.result.Payload) %}"},
}

# Whatever went wrong is tried again for a quarter of an hour, errors of Lambda itself as well as a function that
# crashed: the lease that it still holds for a moment is answered with "waits".
_RETRY: Final[list[State]] = [
    {
        "ErrorEquals": ["States.ALL"],
        "IntervalSeconds": 5,
        "BackoffRate": 2.0,
        "MaxDelaySeconds": 300,
        "MaxAttempts": 8,
        "JitterStrategy": "FULL",
    }
]


def state_machine(steps: Sequence[str], partition: str = "aws", most_waits: int = MOST_WAITS) -> dict[str, object]:
    """Return the definition for the steps of a loop, in their order.

    Its input is ``{"run": id}`` for a run that begins or goes on, or ``{"rollback": {…}}``.

    Args:
        partition: the part of AWS that it runs in, such as ``aws-cn``.
        most_waits: of an execution; with one more, the run goes on in another one.
    """
    states: dict[str, State] = {
        "Begin": {
            "Type": "Choice",
            "Choices": [{"Condition": "{% $exists($states.input.rollback) %}", "Next": "Begin a rollback"}],
            "Default": "Begin a run",
        },
        "Begin a run": _assign({"run": "{% $states.input.run %}"}, f"Step {steps[0]}", most_waits),
        "Begin a rollback": _assign({"run": "", "rollback": "{% $states.input.rollback %}"}, "Roll back", most_waits),
    }
    for step, following in zip(steps, (*steps[1:], None), strict=True):
        payload: State = {"run": "{% $run %}", "step": step}
        onward = "Dispatch" if following is None else f"Step {following}"
        states |= _asked(partition, f"Step {step}", payload, done=onward, failed="Broken")
    states |= _asked(partition, "Roll back", {"rollback": "{% $rollback %}"}, done="Dispatch", failed="Not rolled back")
    states |= _ends(partition)
    return {
        "Comment": "One run of Everfit's loop, or one rollback; made by everfit apply.",
        "QueryLanguage": "JSONata",
        "TimeoutSeconds": _LIFE_SECONDS,
        "StartAt": "Begin",
        "States": states,
    }


def _assign(values: State, following: str, most: int) -> State:
    return {"Type": "Pass", "Assign": {**values, "waited": 0, "most": most, "failure": {}}, "Next": following}


def _asked(partition: str, name: str, payload: State, *, done: str, failed: str) -> dict[str, State]:
    """Return the states that ask the step Lambda until it has an answer that leads on."""
    task = _task(partition, STEP_ARN, payload, following=f"{name}: what now")
    task["Assign"] = _ANSWER
    task["Catch"] = [_caught(failed)]
    choice: State = {
        "Type": "Choice",
        "Choices": [_when("$answer.answer = 'done'", done), _when(_WAITS, f"{name}: wait")],
        "Default": "What else",
    }
    return {name: task, f"{name}: what now": choice, f"{name}: wait": _wait("{% $seconds %}", name)}


def _ends(partition: str) -> dict[str, State]:
    dispatch = _task(partition, TICK_ARN, {"after": "{% $states.context.Execution.Name %}"}, following="Done")
    broken = _task(partition, STEP_ARN, {"run": "{% $run %}", "broken": _CAUSE}, following="Broken: what now")
    return {
        "What else": {
            "Type": "Choice",
            "Choices": [
                _when("$answer.answer = 'ended'", "Dispatch"),
                # Nobody else goes on with a rollback.
                _when("$run = ''", "Not rolled back"),
                _when("$answer.answer = 'asks'", "Waits for a person"),
                _when("$answer.answer = 'waits'", "Goes on elsewhere"),
            ],
            "Default": "Broken",
        },
        "Broken": {**broken, "Assign": _ANSWER, "Catch": [_caught("Not ended")]},
        "Broken: what now": {
            "Type": "Choice",
            "Choices": [
                _when("$answer.answer = 'ended'", "Dispatch"),
                _when("$answer.answer = 'asks'", "Waits for a person"),
                _when(_WAITS, "Broken: wait"),
            ],
            "Default": "Not ended",
        },
        "Broken: wait": _wait(_LEASE_SECONDS, "Broken"),
        # What waits is looked for every minute anyway, so nothing is lost when this fails.
        "Dispatch": {**dispatch, "Catch": [{"ErrorEquals": ["States.ALL"], "Next": "Done"}]},
        "Done": {"Type": "Succeed"},
        "Waits for a person": {"Type": "Succeed"},
        "Goes on elsewhere": {"Type": "Succeed"},
        "Not ended": {"Type": "Fail", "Error": "Everfit.NotEnded", "Cause": _CAUSE},
        "Not rolled back": {"Type": "Fail", "Error": "Everfit.NotRolledBack", "Cause": _CAUSE},
    }


def _wait(seconds: int | str, following: str) -> State:
    return {"Type": "Wait", "Seconds": seconds, "Assign": {"waited": "{% $waited + 1 %}"}, "Next": following}


def _task(partition: str, function: str, payload: State, *, following: str) -> State:
    return {
        "Type": "Task",
        "Resource": f"arn:{partition}:states:::lambda:invoke",
        "Arguments": {"FunctionName": function, "Payload": payload},
        "TimeoutSeconds": _TASK_SECONDS,
        "Retry": _RETRY,
        "Next": following,
    }


def _caught(following: str) -> State:
    return {"ErrorEquals": ["States.ALL"], "Assign": {"failure": "{% $states.errorOutput %}"}, "Next": following}


def _when(condition: str, following: str) -> State:
    return {"Condition": f"{{% {condition} %}}", "Next": following}
