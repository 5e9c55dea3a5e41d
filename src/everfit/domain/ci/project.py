"""What a workflow needs to know of a project, whether its ``${NAME}`` have values or not."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from everfit.domain.document import Fields, Node, Reading, Scalar, scalars, with_variables
from everfit.domain.errors import ProjectError, RequestError
from everfit.domain.plain_values import NAME
from everfit.domain.project import Backend, Environment
from everfit.domain.service_keys import TAG_PATTERN, TRIGGER
from everfit.domain.tag_checks import check_tags
from everfit.domain.trigger_reader import triggers_of
from everfit.domain.triggers import NewData, Push, Schedule, Tag, Trigger
from everfit.domain.value import UNREADABLE, ListOf
from everfit.domain.words import nearest

DATASET_UPLOAD: Final = "dataset-upload"
VARIABLE: Final = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
_TRIGGERS: Final = ListOf(each=TRIGGER, words="a list of triggers")
_RETRAIN: Final = "retrain"


@dataclass(frozen=True, slots=True, kw_only=True)
class CiEnvironment:
    """An environment on AWS, and what starts a run there.

    Args:
        region: as it stands in the file, with a ``${NAME}`` where there is one.
        event: type of the ``repository_dispatch`` that new data sends.
    """

    name: str
    region: str
    event: str
    triggers: tuple[Trigger, ...]

    @property
    def schedules(self) -> Sequence[Schedule]:
        """Its schedules."""
        return [each for each in self.triggers if isinstance(each, Schedule)]

    @property
    def pushes(self) -> Sequence[Push]:
        """The branches that it listens to."""
        return [each for each in self.triggers if isinstance(each, Push)]

    @property
    def tags(self) -> Sequence[str]:
        """The patterns of its tags."""
        return list(dict.fromkeys(each.pattern for each in self.triggers if isinstance(each, Tag)))

    @property
    def takes_data(self) -> bool:
        """Whether new data starts a run."""
        return any(isinstance(each, NewData) for each in self.triggers)


@dataclass(frozen=True, slots=True, kw_only=True)
class CiProject:
    """A project, as far as workflows are about it.

    Args:
        folder: from the top of the repository; empty at its top.
        variables: the names of every ``${NAME}`` in its file, sorted.
    """

    model: str
    folder: str
    environments: tuple[CiEnvironment, ...]
    variables: tuple[str, ...]

    def only(self, name: str) -> "CiProject":
        """Return the project with one environment.

        Raises:
            RequestError: there is none of that name on AWS.
        """
        kept = tuple(each for each in self.environments if each.name == name)
        if not kept:
            names = [each.name for each in self.environments]
            near = nearest(name, names)
            hint = f" Did you mean {near}?" if near else ""
            raise RequestError(
                f"everfit.yaml has no environment {name!r} with backend: sagemaker; it has {', '.join(names)}.{hint}"
            )
        return CiProject(model=self.model, folder=self.folder, environments=kept, variables=self.variables)


def ci_project(document: Node, folder: str, reading: Reading) -> CiProject:
    """Return the project.

    Args:
        document: the whole file, with its variables as they are written.
        folder: from the top of the repository.
        reading: must not need the variables.

    Raises:
        ProjectError: a name, a trigger or a tag cannot be read, or the region is missing.
        RequestError: no environment is on AWS.
    """
    known = with_variables(document, {}, reading)
    if not isinstance(known, Fields) or not isinstance(document, Fields):
        reading.add(document.line, "the file has no keys", expected="model, data, gate, environments …")
        raise ProjectError(reading.problems)
    _check_names(known, document, reading)
    environments = dict(_environments(known, reading))
    triggers = _triggers(known, environments, reading)
    if reading.problems:
        raise ProjectError(reading.problems)
    on_aws = tuple(
        CiEnvironment(
            name=name,
            region=_written(document, name, "region"),
            event=_written(document, name, "github", "event") or DATASET_UPLOAD,
            triggers=tuple(each for each in triggers if name in each.environments),
        )
        for name, each in environments.items()
        if each.backend is Backend.SAGEMAKER
    )
    if not on_aws:
        raise RequestError(
            "No environment of everfit.yaml has backend: sagemaker. A workflow runs on a machine that is gone "
            "afterwards, so a local endpoint has no place there."
        )
    return CiProject(
        model=_text(known.at("model")) or "", folder=folder, environments=on_aws, variables=_variables(document)
    )


def _check_names(known: Fields, document: Fields, reading: Reading) -> None:
    """Note names that are none: each stands in the name of a file, or in a script without quotes."""
    model = known.at("model")
    if isinstance(model, Scalar) and model.is_known:
        NAME.read(model, "model", reading)
    else:
        reading.add(document.line_of("model"), "the model must be named here", expected="a name without a ${…} in it")
    environments = known.at("environments")
    for key, below in environments.pairs if isinstance(environments, Fields) else ():
        NAME.read(key, f"environments.{key.text}", reading)
        is_on_aws = isinstance(below, Fields) and _text(below.at("backend")) == "sagemaker"
        if is_on_aws and not _written(document, key.text, "region"):
            reading.add(key.line, f"environments.{key.text} needs aws.region", expected="aws: {region: us-east-1, …}")


def _environments(known: Fields, reading: Reading) -> Iterator[tuple[str, Environment]]:
    node = known.at("environments")
    for key, below in node.pairs if isinstance(node, Fields) else ():
        given = below if isinstance(below, Fields) else Fields(line=below.line, pairs=())
        tag = given.at("tag")
        pattern = None if tag is None else TAG_PATTERN.read(tag, f"environments.{key.text}.tag", reading)
        promoted = _text(given.at("promote_from"))
        yield (
            key.text,
            Environment(
                name=key.text,
                endpoint="",
                backend=Backend.SAGEMAKER if _text(given.at("backend")) == "sagemaker" else Backend.LOCAL,
                tag=pattern if isinstance(pattern, str) else None,
                promote_from=None if promoted == _RETRAIN else promoted,
            ),
        )


def _triggers(known: Fields, environments: Mapping[str, Environment], reading: Reading) -> Sequence[Trigger]:
    node = known.at("triggers")
    found = () if node is None else _TRIGGERS.read(node, "triggers", reading)
    written: list[dict[str, Any]] = [_plain(each) for each in cast("Sequence[Any]", found)] if node else []
    if reading.problems:
        return ()
    tagged = {
        name: {"promote_from": each.promote_from or _RETRAIN} | ({} if each.tag is None else {"tag": each.tag})
        for name, each in environments.items()
    }
    check_tags(known, {"environments": tagged, "triggers": written}, reading)
    return triggers_of(tuple(written), environments)


def _plain(value: Any) -> Any:
    """Return *value* without what has no value as long as its variable has none."""
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value).items()
        return {name: _plain(each) for name, each in pairs if each is not UNREADABLE}
    return value


def _text(node: Node | None) -> str | None:
    return node.text if isinstance(node, Scalar) and node.is_known and node.text else None


def _written(document: Fields, environment: str, *names: str) -> str:
    """Return a value below ``aws`` as it stands in the file: the environment's own, else the project's."""
    for above in (("environments", environment, "aws"), ("aws",)):
        node = document.at(*above, *names)
        if isinstance(node, Scalar):
            return node.written
    return ""


def _variables(document: Node) -> tuple[str, ...]:
    return tuple(sorted({name for each in scalars(document) for name in VARIABLE.findall(each.text)}))
