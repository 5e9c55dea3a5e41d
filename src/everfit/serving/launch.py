"""Run a module of Everfit in any interpreter, without giving it the packages that Everfit itself was installed with.

Called by path: ``python …/everfit/serving/launch.py everfit.serving.worker ARGUMENT …``. The interpreter may belong
to the user's own environment, in which Everfit is not installed; what it runs may import the standard library, the
domain, and what that environment holds.
"""

import importlib.util
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

PACKAGE = Path(__file__).parents[1]
THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def command(python: str, module: str, *arguments: str) -> list[str]:
    """Return the command that runs *module* of Everfit in the interpreter *python*."""
    return [python, str(Path(__file__)), module, *arguments]


def single_threaded(variables: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a process in which a model answers, be it judged or served.

    Libraries for numbers have one thread in each, unless the user has said otherwise: requests are spread over
    processes, and threads that wait for each other by spinning make a call of a few rows ten times slower as soon as
    the cores have anything else to do. Sums may come out differently in another number of threads.
    """
    return {**dict.fromkeys(THREADS, "1"), **variables}


def install_package() -> None:
    """Make ``import everfit`` find this copy, and nothing that stands beside it."""
    spec = importlib.util.spec_from_file_location(
        "everfit", PACKAGE / "__init__.py", submodule_search_locations=[str(PACKAGE)]
    )
    if spec is None or spec.loader is None:
        sys.exit(f"Everfit cannot find its own package in {PACKAGE}.")
    package = importlib.util.module_from_spec(spec)
    sys.modules["everfit"] = package
    spec.loader.exec_module(package)


if __name__ == "__main__":
    # The folder of this file comes first in the path; its modules must not shadow the user's.
    sys.path.pop(0)
    install_package()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
