"""The one package of code that every function of a stack runs: the parts of Everfit that they need, and little else.

boto3 comes with Lambda's runtime. The digest names the content, whichever zlib has packed it: the same release with the
same packages beside it has the same digest on every machine.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from everfit.adapters.aws.wheels import Source, digest_of, everfit_files, zipped
from everfit.domain.aws import AwsPlace

HANDLERS: Final[Mapping[str, str]] = {
    role: f"everfit.interfaces.lambdas.{role}.handler" for role in ("step", "trigger", "tick", "events")
}
"""Entry points, by the role that the function acts in."""
CARRIED: Final = ("PyYAML", "blake3", "tzdata")
"""Packages of others: for the project file, for digests of code, and because a runtime may know no time zones."""
WHOLE: Final = tuple(
    f"everfit/{part}"
    for part in (
        "domain/",
        "application/",
        "adapters/aws/",
        "adapters/files/",
        "adapters/sql/",
        "bootstrap_aws/",
        # Sent on to jobs and to functions that serve.
        "jobs/",
        "serving/",
        "interfaces/lambdas/",
    )
)
LEFT_OUT: Final = (
    "everfit/adapters/aws/stack/",
    "everfit/bootstrap_aws/stack",
    "everfit/adapters/sql/migrations/postgres",
)
"""What only a person's machine does."""
NEEDED: Final = ("everfit/__init__.py", "everfit/adapters/__init__.py", "everfit/interfaces/__init__.py")
LOCAL: Final = "everfit/adapters/local/"
"""Of the local backend only what the rest imports."""
LOOSE: Final = ("everfit/settings.py", f"{LOCAL}__init__.py", f"{LOCAL}project_file.py")
LARGEST: Final = 15_000_000
"""Bytes that a package may have; Lambda takes 50 MB, and starts slower the more there is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """Code for functions.

    Args:
        content: the zip.
        digest: hexadecimal, of what is in it.
        handlers: entry points, by the role that the function acts in.
    """

    content: bytes
    digest: str
    handlers: Mapping[str, str]

    def key(self, place: AwsPlace) -> str:
        """Return its key in the installation's bucket."""
        return f"{place.prefix}/packages/{self.digest}.zip"


def build_package(source: Source) -> Package:
    """Return the package.

    Args:
        source: gives the packages of others, for the platform of the functions.

    Raises:
        RequestError: a package is not installed here.
        BackendError: a package cannot be downloaded.
    """
    files = {**own_files(everfit_files()), **dict(_of_others(source))}
    return Package(content=zipped(files), digest=digest_of(files), handlers=HANDLERS)


def own_files(files: Mapping[str, bytes]) -> Mapping[str, bytes]:
    """Return what functions need of Everfit's own files."""
    kept = {
        path: content
        for path, content in files.items()
        if path in NEEDED or path in LOOSE or (path.startswith(WHOLE) and not path.startswith(LEFT_OUT))
    }
    todo = [path for path in kept if path.endswith(".py")]
    while todo:
        for path in _imported(kept[todo.pop()]):
            if path.startswith(LOCAL) and path in files and path not in kept:
                kept[path] = files[path]
                todo.append(path)
    return kept


def _imported(content: bytes) -> Iterator[str]:
    """Yield the files of the modules that are imported whenever this one is; what a function imports is its own."""
    for node in ast.parse(content).body:
        if isinstance(node, ast.ImportFrom) and node.module is not None:
            yield f"{node.module.replace('.', '/')}.py"
            yield from (f"{node.module.replace('.', '/')}/{each.name}.py" for each in node.names)
        elif isinstance(node, ast.Import):
            yield from (f"{each.name.replace('.', '/')}.py" for each in node.names)


def _of_others(source: Source) -> Iterator[tuple[str, bytes]]:
    for path, content in source.files(CARRIED).items():
        # PyYAML works without its C part, which is larger than all of Everfit; licences go where the code goes.
        is_of_c = path.startswith(("_yaml/", "yaml/_yaml"))
        is_licence = ".dist-info/licenses/" in path
        if is_licence or (".dist-info/" not in path and not is_of_c and not path.endswith((".pyi", "py.typed"))):
            yield path, content
