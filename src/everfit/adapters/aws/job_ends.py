"""How a job of SageMaker ended, in the words in which a job on this machine would tell it."""

import re
from collections.abc import Sequence
from typing import Final

from everfit.adapters.aws.job_calls import Seen, Service
from everfit.domain.job import JobFailure, JobState, JobStatus
from everfit.jobs.aws.launch import PACKAGES_FAILED, REQUIREMENTS_FAILED
from everfit.jobs.supervision.ending import Facts, failure_of, message_of

# "AlgorithmError: …" is the container's own failure, the others are the platform's (Developer Guide, "Errors").
_ALGORITHM: Final = re.compile(r"^AlgorithmError:\s*")
_PLATFORM: Final = re.compile(r"InternalServerError")
_CAPACITY: Final = re.compile(r"CapacityError|InsufficientInstanceCapacity")
_SCRIPT_CODE: Final = re.compile(r"ExitCode (-?\d+)")
_CODE: Final = re.compile(r"exit code:? (-?\d+)")
_MEMORY: Final = re.compile(r"OutOfMemory|out of memory", re.IGNORECASE)
# What the toolkit writes when the script has left no words of its own.
_TOOLKIT: Final = ("ExecuteUserScriptError", "UserScriptError")
_REQUIREMENTS: Final = "InstallRequirementsError"
# Of a process that was killed, as Docker tells it: 128 + 9.
_KILLED: Final = 137


def failed(seen: Seen, service: Service, program: str, lines: Sequence[str]) -> JobStatus:
    """Return the end of a job that SageMaker calls ``Failed``.

    Args:
        seen: what SageMaker says.
        service: which kind of job it was.
        program: as its user calls it.
        lines: the last ones that it printed.
    """
    if _PLATFORM.search(seen.reason):
        words = f"{program} was lost: SageMaker itself failed. AWS says: {seen.reason}"
        return _failure(seen, JobFailure.LOST, words)
    if _CAPACITY.search(seen.reason):
        words = (
            f"{program} was not run: SageMaker has no {seen.instance} free now. Try again later, or choose another "
            f"one. AWS says: {seen.reason}"
        )
        return _failure(seen, JobFailure.EXIT, words)
    if not _ALGORITHM.match(seen.reason):
        hint = " Look at the image." if "image" in seen.reason.lower() else ""
        words = f"{program} was not run: SageMaker could not set up its {service.words}.{hint} AWS says: {seen.reason}"
        return _failure(seen, JobFailure.EXIT, words)
    return _ended_by_itself(seen, program, lines)


def is_about_image(seen: Seen) -> bool:
    """Tell whether a job failed by what its image did, or for want of its image, and not by its surroundings."""
    if _PLATFORM.search(seen.reason) or _CAPACITY.search(seen.reason):
        return False
    return bool(_ALGORITHM.match(seen.reason)) or "image" in seen.reason.lower()


def _ended_by_itself(seen: Seen, program: str, lines: Sequence[str]) -> JobStatus:
    script, container = _SCRIPT_CODE.search(seen.reason), _CODE.search(seen.reason)
    code = int((script or container or ["", "1"])[1])
    own = _CODE.sub("", _ALGORITHM.sub("", seen.reason)).strip(" ,\n")
    is_requirements = _REQUIREMENTS in own or code == REQUIREMENTS_FAILED
    if code == PACKAGES_FAILED:
        return _failure(seen, JobFailure.EXIT, f"{program} was not run: {seen.words}")
    facts = Facts(
        program,
        128 + 9 if code == _KILLED else code,
        stage="requirements" if is_requirements else "script",
        oom_kills=int(code == _KILLED or bool(_MEMORY.search(own))),
    )
    facts.seconds = seen.seconds or 0.0
    facts.lines = lines
    facts.failure_file = seen.words or ("" if own.startswith(_TOOLKIT) else own)
    failure = failure_of(facts) or JobFailure.EXIT.value
    return _failure(seen, JobFailure(failure), message_of(facts, failure))


def stopped(seen: Seen, program: str, timeout: float, lines: Sequence[str]) -> JobStatus:
    """Return the end of a job that was stopped: by its time limit, or by somebody.

    Args:
        timeout: in seconds.
    """
    if seen.secondary == "MaxWaitTimeExceeded":
        words = (
            f"{program} had not ended when its longest wait for spot instances was over, and was stopped; give it more "
            "with train.sagemaker.max_wait, or set train.sagemaker.spot to false."
        )
        return _failure(seen, JobFailure.TIMED_OUT, words)
    # A processing job tells no secondary status: how long it ran must do (API reference, ProcessingStoppingCondition).
    has_run_out = not seen.secondary and seen.ran is not None and seen.ran >= timeout
    is_late = seen.secondary == "MaxRuntimeExceeded" or "MaxRuntime" in seen.reason or has_run_out
    facts = Facts(program, wish=(JobFailure.TIMED_OUT if is_late else JobFailure.STOPPED).value)
    facts.seconds, facts.timeout, facts.lines, facts.failure_file = seen.seconds or 0.0, timeout, lines, seen.words
    failure = str(facts.wish)
    return _failure(seen, JobFailure(failure), message_of(facts, failure))


def without_model(seen: Seen, program: str, lines: Sequence[str]) -> JobStatus:
    """Return the end of a training that left no model."""
    facts = Facts(program, 0)
    facts.needs_model, facts.seconds, facts.lines = True, seen.seconds or 0.0, lines
    return _failure(seen, JobFailure.NO_MODEL, message_of(facts, JobFailure.NO_MODEL.value))


def gone(name: str, program: str) -> JobStatus:
    """Return the end of a job that SageMaker does not know any more."""
    words = f"{program} is gone without a result: SageMaker does not know its job {name} any more."
    return JobStatus(state=JobState.FAILED, failure=JobFailure.LOST, message=words)


def notes_of(seen: Seen, *, is_spot: bool) -> tuple[str, ...]:
    """Return what was paid for, and what spot instances saved (Developer Guide, "Managed Spot Training")."""
    if seen.ran is None or seen.billed is None or not is_spot:
        return ()
    saved = 1 - seen.billed / seen.ran if seen.ran else 0.0
    return (f"SageMaker billed {seen.billed:g} s of {seen.ran:g} s: spot instances saved {saved:.0%}",)


def claim(value: float) -> float:
    """Return a metric as the script printed it: SageMaker keeps floats of 32 bits, which hold 7 digits."""
    return float(f"{value:.7g}")


def _failure(seen: Seen, failure: JobFailure, message: str) -> JobStatus:
    return JobStatus(state=JobState.FAILED, failure=failure, message=message, seconds=seen.seconds)
