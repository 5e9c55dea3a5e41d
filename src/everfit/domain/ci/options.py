"""How a person wants the workflows."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final

from everfit.domain.errors import RequestError

KEYS: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
"""Names under which AWS's own tools look for credentials; the last one only exists for temporary ones."""
_PACKAGE: Final = re.compile(r"[A-Za-z0-9@:/._+\[\],=<>!~ -]{1,300}")
_FILE: Final = re.compile(r"[A-Za-z0-9._-][A-Za-z0-9._/-]{0,200}")
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,60}")


class Credentials(Enum):
    """Where a workflow's credentials come from."""

    OIDC = "oidc"
    KEYS = "keys"


@dataclass(frozen=True, slots=True, kw_only=True)
class CiOptions:
    """How a person wants the workflows.

    Args:
        package: what pip installs.
        name: of the files and jobs.
        defaults: value of each variable that may be missing.
        serverless: whether the work is left to the stack.
        audience: of GitLab's token, as the identity provider in IAM knows it.
        file: of GitLab.
    """

    package: str
    credentials: Credentials = Credentials.OIDC
    name: str = "retrain"
    defaults: Mapping[str, str] = field(default_factory=dict[str, str])
    serverless: bool = False
    audience: str = "https://gitlab.com"
    file: str = ".gitlab-ci.yml"


def check_options(options: CiOptions, variables: tuple[str, ...]) -> None:
    """Raise ``RequestError`` for what cannot stand in a workflow."""
    if not _PACKAGE.fullmatch(options.package):
        raise RequestError(f"--package {options.package!r} is nothing that pip could install.")
    if not _NAME.fullmatch(options.name):
        raise RequestError(f"--name {options.name!r}: a name of a file has letters, digits, points, - and _ only.")
    if not _FILE.fullmatch(options.file) or ".." in options.file.split("/"):
        raise RequestError(
            f"--file {options.file}: it must be a path below the top of the repository, such as ci/mask.yml."
        )
    unknown = next((name for name in options.defaults if name not in variables), None)
    if unknown is not None:
        there = ", ".join(variables) or "none"
        raise RequestError(f"--default {unknown}: everfit.yaml has no ${{{unknown}}}; it has {there}.")
    # Each stands within quotes of an expression and of a YAML line.
    wrong = next((name for name, value in options.defaults.items() if not value.isprintable() or "}}" in value), None)
    if wrong is not None:
        raise RequestError(f"--default {wrong}: the value has characters that no workflow can hold.")
