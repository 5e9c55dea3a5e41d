"""A virtual environment, built once for each set of requirements and shared by all jobs that have them."""

import os
import sys
from collections.abc import Callable, Iterable
from contextlib import suppress

from everfit.jobs.supervision.files import remove_tree

COMPLETE = "complete"


def python_of(folder: str) -> str:
    """Return the interpreter of the virtual environment in *folder*."""
    return f"{folder}/Scripts/python.exe" if sys.platform == "win32" else f"{folder}/bin/python"


def is_complete(folder: str) -> bool:
    """Tell whether the environment was built to its end."""
    return os.path.exists(f"{folder}/{COMPLETE}")


def build(
    folder: str, requirements: str, place: str, run: Callable[[list[str]], int | None], *, has_pip: bool
) -> int | None:
    """Build the environment anew with *run*, which runs a command in *place* and returns its exit code.

    Returns the exit code of the first command that failed, else 0. With *has_pip*, Everfit's own pip installs, which
    saves the seconds that a pip of the environment's own takes.

    What an earlier builder left half-built is thrown away. An environment cannot be moved once it is made, so a
    marker that is written last tells whether it is whole.
    """
    remove_tree(folder)
    os.makedirs(folder)
    # Beside the code, since a ``-r other.txt`` in it is looked for beside it.
    wanted = f"{place}/.everfit-requirements.txt"
    with open(wanted, "w", encoding="utf-8") as file:
        file.write(requirements)
    for command in _commands(folder, wanted, has_pip=has_pip):
        if code := run(command):
            remove_tree(folder)
            return code
    os.unlink(wanted)
    with open(f"{folder}/{COMPLETE}", "w", encoding="ascii"):
        return 0


def _commands(folder: str, wanted: str, *, has_pip: bool) -> list[list[str]]:
    # -I: a module of the user's code must not be taken for one of pip's.
    own = [sys.executable, "-I", "-m"]
    install = ["install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off", "-r", wanted]
    if has_pip:
        return [[*own, "venv", "--without-pip", folder], [*own, "pip", "--python", python_of(folder), *install]]
    return [[*own, "venv", folder], [python_of(folder), "-I", "-m", "pip", *install]]


def can_install_elsewhere(sites: Iterable[str]) -> bool:
    """Tell whether the pip in *sites* is new enough to install into another environment."""
    major = packages(sites).get("pip", "0").partition(".")[0]
    return major.isdecimal() and int(major) >= 23


def site_packages(folder: str) -> list[str]:
    """Return the folders that hold what is installed in the environment."""
    with suppress(OSError):
        return [f"{folder}/lib/{name}/site-packages" for name in os.listdir(f"{folder}/lib")]
    return []


def packages(sites: Iterable[str]) -> dict[str, str]:
    """Return name -> version of what is installed in *sites*, by the names of its metadata folders."""
    found: dict[str, str] = {}
    for site in sites:
        with suppress(OSError):
            for entry in os.listdir(site):
                name, dash, version = entry.removesuffix(".dist-info").partition("-")
                if dash and entry.endswith(".dist-info"):
                    found.setdefault(name.lower().replace("_", "-"), version)
    return dict(sorted(found.items()))
