"""How a job ended, from the facts: which failure it is, and the sentence that says so."""

import re
import signal
from collections.abc import Sequence

FAILURE_FILE_LIMIT = 1024
_OUT_OF_MEMORY = re.compile(
    r"^(\w+\.)*(MemoryError|_ArrayMemoryError|OutOfMemoryError)\b|std::bad_alloc|Cannot allocate memory|out of memory"
)
_DISK_FULL = re.compile(r"\[Errno 28\]|\[Errno 122\]|No space left on device|Disk quota exceeded")


class Facts:
    """What is known when a job's last process has ended.

    Args:
        what: the program, as its user calls it.
        code: exit code; negative is the signal that ended it; None when it could not be started.
        wish: ``stopped`` or ``timed out`` when its supervisor ended it, else None.
        stage: ``requirements`` while the environment was installed, else ``script``.
        oom_kills: how many processes the kernel killed for want of memory while it ran.
        free: bytes left on its disk.
    """

    def __init__(
        self,
        what: str,
        code: int | None = None,
        *,
        wish: str | None = None,
        stage: str = "script",
        oom_kills: int = 0,
        free: int | None = None,
    ) -> None:
        self.what = what
        self.code = code
        self.wish = wish
        self.stage = stage
        self.oom_kills = oom_kills
        self.free = free
        self.needs_model = False
        self.seconds = 0.0
        self.timeout = 0.0
        self.failure_file = ""
        self.lines: Sequence[str] = ()


def failure_of(facts: Facts) -> str | None:  # noqa: PLR0911 - the first that applies, in this order
    """Return the failure's kind, as ``JobFailure`` writes it, or None for a success."""
    if facts.wish is not None:
        return facts.wish
    if facts.code == 0:
        return "no model" if facts.needs_model else None
    if _is_killed(facts.code) and facts.oom_kills:
        return "out of memory"
    if any(_DISK_FULL.search(line) for line in facts.lines) or (facts.free is not None and facts.free < 1 << 16):
        return "disk full"
    if any(_OUT_OF_MEMORY.search(line) for line in facts.lines):
        return "out of memory"
    if facts.stage == "requirements":
        return "requirements"
    return "killed" if facts.code is not None and facts.code < 0 else "exit"


def message_of(facts: Facts, failure: str) -> str:
    """Return what happened, then what the script itself said of it."""
    parts = [_sentence(facts, failure)]
    if own := facts.failure_file.strip():
        parts.append(f"It wrote to output/failure: {own[:FAILURE_FILE_LIMIT]}")
    if facts.lines:
        parts.append("Its last lines:\n" + "\n".join(f"  {line}" for line in facts.lines))
    elif not own:
        parts.append("It printed nothing.")
    return "\n".join(parts)


def _sentence(facts: Facts, failure: str) -> str:
    what, ended = facts.what, f"after {facts.seconds:.1f} s"
    return {
        "exit": f"{what} could not be set up."
        if facts.code is None
        else f"{what} failed with exit code {facts.code} {ended}.",
        "no model": f"{what} ended with exit code 0 but left no file in its model folder (SM_MODEL_DIR); "
        "save the model there.",
        "killed": f"{what} was killed by {_signal_name(facts.code)} {ended}; it was not Everfit that killed it.",
        "timed out": f"{what} was still running after its timeout of {facts.timeout:g} s and was stopped; "
        "give it more time with train.timeout, or less to do.",
        "out of memory": f"{what} ran out of memory {ended} ({_code(facts.code)}); "
        "give the machine more, or have the script hold less at once.",
        "disk full": f"{what} found the disk full {ended} ({_code(facts.code)}); make room and run it again.",
        "stopped": f"{what} was stopped on request {ended}.",
        "requirements": f"The requirements of {what} could not be installed ({_code(facts.code)}); "
        "mend requirements.txt or the package index.",
    }[failure]


def _is_killed(code: int | None) -> bool:
    # A shell reports the SIGKILL of its child as 128 + 9.
    return code in {-signal.SIGKILL, 128 + signal.SIGKILL}


def _code(code: int | None) -> str:
    if code is None:
        return "it could not be started"
    return f"exit code {code}" if code >= 0 else _signal_name(code)


def _signal_name(code: int | None) -> str:
    try:
        return signal.Signals(-(code or 0)).name
    except ValueError:
        return f"signal {-(code or 0)}"
