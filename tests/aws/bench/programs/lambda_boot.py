"""The runtime of a Python function: import the handler once, then answer one event after another.

Started as ``python -I -S lambda_boot.py TASK_DIR LIBRARY_DIR HANDLER NUMBER``: nothing can be imported but the standard
library, what the function's own zip has, and what AWS puts into its runtime. Of several TASK_DIRs, joined as in PATH,
the last is that of the zip. Events come as lines on the standard input, answers go as lines to file descriptor NUMBER.
"""

import importlib
import json
import os
import sys
import time
import traceback
from typing import Any


class Context:
    """What a handler may ask about its invocation."""

    identity = None
    client_context = None

    def __init__(self, told: dict[str, Any]) -> None:
        self.aws_request_id = told["id"]
        self.invoked_function_arn = told["arn"]
        self.function_name = os.environ["AWS_LAMBDA_FUNCTION_NAME"]
        self.function_version = os.environ["AWS_LAMBDA_FUNCTION_VERSION"]
        self.memory_limit_in_mb = os.environ["AWS_LAMBDA_FUNCTION_MEMORY_SIZE"]
        self.log_group_name = os.environ["AWS_LAMBDA_LOG_GROUP_NAME"]
        self.log_stream_name = os.environ["AWS_LAMBDA_LOG_STREAM_NAME"]
        self._end = time.monotonic() + told["seconds"]

    def get_remaining_time_in_millis(self) -> int:
        return max(0, int((self._end - time.monotonic()) * 1000))


def failure(kind: str, message: str, stack: Any = ()) -> dict[str, Any]:
    return {"errorMessage": message, "errorType": kind, "requestId": "", "stackTrace": list(stack)}


def find(handler: str) -> tuple[Any, dict[str, Any] | None]:
    """Return the function, and what to answer when there is none."""
    module, _, name = handler.rpartition(".")
    try:
        found = importlib.import_module(module.replace("/", "."))
    except ImportError as error:
        return None, failure("Runtime.ImportModuleError", f"Unable to import module '{module}': {error}")
    except SyntaxError as error:
        return None, failure("Runtime.UserCodeSyntaxError", f"Syntax error in module '{module}': {error}")
    except Exception as error:  # noqa: BLE001 - a handler's import may do anything
        return None, failure(type(error).__name__, str(error), traceback.format_tb(error.__traceback__))
    if not hasattr(found, name):
        return None, failure("Runtime.HandlerNotFound", f"Handler '{name}' missing on module '{module}'")
    return getattr(found, name), None


def answer(function: Any, told: dict[str, Any]) -> dict[str, Any]:
    try:
        given = function(told["event"], Context(told))
    except Exception as error:  # noqa: BLE001 - a handler may do anything
        return {"error": failure(type(error).__name__, str(error), traceback.format_tb(error.__traceback__))}
    try:
        return {"answer": json.dumps(given)}
    except (TypeError, ValueError) as error:
        return {"error": failure("Runtime.MarshalError", f"Unable to marshal response: {error}")}


def main() -> None:
    task, libraries, handler = sys.argv[1:4]
    folders = task.split(os.pathsep)
    sys.path[:0] = folders
    sys.path.append(libraries)
    os.chdir(folders[-1])
    function, missing = find(handler)
    with os.fdopen(int(sys.argv[4]), "w") as answers:
        answers.write(json.dumps({"ready": True}) + "\n")
        answers.flush()
        for line in sys.stdin:
            told = json.loads(line)
            given = {"error": missing} if function is None else answer(function, told)
            sys.stdout.flush()
            sys.stderr.flush()
            answers.write(json.dumps(given) + "\n")
            answers.flush()


main()
