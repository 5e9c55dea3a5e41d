"""Runs git: without a prompt, a hook or a program that a repository names, and never longer than its patience."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from everfit.domain.errors import BackendError, RequestError
from everfit.domain.repository_name import without_credentials

PATIENCE: Final = 30
FETCH_PATIENCE: Final = 300
_LONGEST_WORDS: Final = 300
# No file monitor and no hooks: a repository must not start programs here; no transport that is a program.
_SAFE: Final = (
    "--no-optional-locks",
    *("-c", "core.fsmonitor=false"),
    *("-c", "core.hooksPath=/dev/null"),
    *("-c", "protocol.ext.allow=never"),
    *("-c", "gc.auto=0"),
    *("-c", "maintenance.auto=false"),
)
# A hook of git sets these for its children: they would point at another repository.
_OF_ANOTHER: Final = frozenset(
    {
        "GIT_ALTERNATE_OBJECT_DIRECTORIES",
        "GIT_COMMON_DIR",
        "GIT_CONFIG",
        "GIT_CONFIG_PARAMETERS",
        "GIT_DIR",
        "GIT_GRAFT_FILE",
        "GIT_IMPLICIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_NAMESPACE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_PREFIX",
        "GIT_SHALLOW_FILE",
        "GIT_TRACE",
        "GIT_WORK_TREE",
        "SSH_ASKPASS",
    }
)
# An empty GIT_ASKPASS keeps git from asking by a window; large files are told of instead of being fetched.
_QUIET: Final = {
    "GIT_ASKPASS": "",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
    "SSH_ASKPASS_REQUIRE": "never",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What git said.

    Args:
        words: its last complaint, without passwords.
    """

    is_good: bool
    output: bytes
    words: str


def git(
    folder: str,
    *arguments: str,
    patience: float = PATIENCE,
    given: bytes | None = None,
    variables: Mapping[str, str] | None = None,
) -> Answer:
    """Return what git answers in *folder*.

    Raises:
        RequestError: git is not installed.
        BackendError: it did not answer in time.
    """
    program = shutil.which("git")
    if program is None:
        raise RequestError("git is not installed. Install it, or take the push and tag triggers out of everfit.yaml.")
    environment = {name: value for name, value in os.environ.items() if name not in _OF_ANOTHER}
    command = [program, *_SAFE, "-C", folder, *arguments]
    code, output, errors = _run(command, environment | _QUIET | dict(variables or {}), given, patience)
    return Answer(is_good=code == 0, output=output, words=_last_words(errors))


def _run(
    command: Sequence[str], environment: Mapping[str, str], given: bytes | None, patience: float
) -> tuple[int, bytes, bytes]:
    # A session of its own has no terminal that could be asked for a password, and is ended with its helpers.
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL if given is None else subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        start_new_session=True,
    )
    try:
        output, errors = process.communicate(given, timeout=patience)
    except subprocess.TimeoutExpired as error:
        raise BackendError(f"git did not answer within {patience:g} s", retryable=True) from error
    finally:
        if process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
    return process.wait(), output, errors


def _last_words(errors: bytes) -> str:
    """Return the line that says what is wrong; what follows it is git's advice."""
    lines = [line.strip() for line in errors.decode(errors="replace").splitlines() if line.strip()]
    telling = [line for line in lines if line.startswith(("fatal:", "error:", "ssh:", "remote:"))]
    words = next(iter(telling), lines[-1] if lines else "git said nothing")
    shown = "".join(letter if letter.isprintable() else "�" for letter in without_credentials(words))
    return shown[:_LONGEST_WORDS]


def text_of(answer: Answer) -> str | None:
    """Return the one line that git gave; None when it refused."""
    return answer.output.decode(errors="surrogateescape").strip() if answer.is_good else None
