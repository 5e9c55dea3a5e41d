"""Freeze the data and the code; end the run when there is nothing new to learn from."""

import hashlib
import json
from collections.abc import Mapping, Sequence

from everfit.application.ports import Ports
from everfit.application.step import Answer, Context, Done, End
from everfit.application.workspace import Workspace
from everfit.domain.errors import NotFoundError
from everfit.domain.lineage import training_configuration
from everfit.domain.notice import TURNED_BACK
from everfit.domain.project import Environment, Project
from everfit.domain.run import Outcome
from everfit.domain.snapshot import Snapshot, SnapshotId, change_between
from everfit.domain.version import Standing, Version


def snapshot(context: Context) -> Answer:
    """Freeze what this run learns from, and compare it with what the champion learnt from."""
    run = context.run
    champion = champion_of(context)
    frozen = freeze(context.workspace, context.environment, champion, context.ports, commit=run.commit)
    pending = pending_in(run.model, context.environment, context.ports)
    left = turned_back_in(run.model, context.environment, context.ports)
    reason = None
    if not run.force:
        reason = nothing_new(frozen, champion, pending, run.promote) or nothing_but_bad(frozen, left, run.promote)
    if reason is not None:
        return End(outcome=Outcome.SKIPPED, reason=reason, result=frozen)
    return Done(result=frozen)


def champion_of(context: Context) -> Version | None:
    """Return the version that serves in the run's environment."""
    return champion_in(context.project.model, context.environment, context.ports)


def champion_in(model: str, environment: Environment, ports: Ports) -> Version | None:
    """Return the version that serves in *environment*."""
    number = ports.registry.champion(model, environment.name)
    return None if number is None else ports.registry.version(model, number)


def freeze(
    workspace: Workspace,
    environment: Environment,
    champion: Version | None,
    ports: Ports,
    *,
    commit: str | None = None,
) -> Mapping[str, object]:
    """Freeze data and code, and return their digests and what has changed since the champion's data.

    Args:
        commit: of the code; None takes what lies in the project folder.

    Raises:
        NotFoundError: a script that the project names is not there.
    """
    project = workspace.project
    code = ports.code.freeze(
        workspace.folder, leave_out=workspace.leave_out, commit=commit, repository=project.repository.url
    )
    for path in filter(
        None, (project.train.script, project.serve.script, project.evaluate, project.train.requirements)
    ):
        ports.code.text(code.folder, path)
    data = ports.data.freeze(project.data_in(environment).source)
    config = configuration_digest(project, environment)
    return {
        "snapshot": data.id,
        "files": len(data.files),
        "bytes": data.size,
        "change": {
            **_change(champion, data, ports),
            "code_is_new": None if champion is None else champion.code != code.digest,
            "config_is_new": None if champion is None else champion.config != config,
        },
        "code": code.digest,
        "code_folder": code.folder,
        "commit": code.commit,
        "dirty": code.is_dirty,
        "config": config,
        "champion": None if champion is None else champion.number,
    }


def nothing_new(
    frozen: Mapping[str, object], champion: Version | None, pending: Sequence[Version], promote: int | None
) -> str | None:
    """Say why there is nothing to do, or None when there is.

    Args:
        pending: versions that wait for a person.
        promote: the version whose bytes the run takes; None when it trains.
    """
    if promote is not None:
        if any(version.number == promote for version in pending):
            return f"version {promote} waits for approval already"
        is_there = champion is not None and champion.number == promote
        return f"version {promote} serves already" if is_there else None
    others = [(version, "which waits for approval") for version in reversed(pending)]
    if champion is not None:
        others.insert(0, (champion, "which serves"))
    found = next(((version, how) for version, how in others if _is_made_of(frozen, version)), None)
    if found is None:
        return None
    same, how = found
    return (
        f"nothing new to learn from: data, code and configuration are those of version {same.number}, {how}; "
        "use --force to train all the same"
    )


def nothing_but_bad(frozen: Mapping[str, object], left: Sequence[Version], promote: int | None) -> str | None:
    """Say that only a version would come of it that the environment has been rid of, or None when another one would.

    Args:
        left: versions that were rolled back there.
        promote: the version whose bytes the run takes; None when it trains.
    """
    if promote is not None:
        is_left = any(version.number == promote for version in left)
        return f"version {promote} {TURNED_BACK} here; use --force to bring it back all the same" if is_left else None
    same = next((version for version in reversed(left) if _is_made_of(frozen, version)), None)
    if same is None:
        return None
    return (
        f"data, code and configuration are those of version {same.number}, which {TURNED_BACK}; "
        "use --force to train all the same"
    )


def turned_back_in(model: str, environment: Environment, ports: Ports) -> Sequence[Version]:
    """Return the versions that were rolled back in *environment*, oldest first."""
    placements = ports.registry.placements(model, environment.name)
    left = {each.version for each in placements if each.standing is Standing.ROLLED_BACK}
    return [version for version in ports.registry.versions(model) if version.number in left]


def _is_made_of(frozen: Mapping[str, object], version: Version) -> bool:
    return (version.snapshot, version.code, version.config) == (frozen["snapshot"], frozen["code"], frozen["config"])


def pending_in(model: str, environment: Environment, ports: Ports) -> Sequence[Version]:
    """Return the versions that wait for a person in *environment*, oldest first.

    One whose run has ended meanwhile, as by a cancellation, waits for nobody: nothing would follow from an answer.
    """
    placements = ports.registry.placements(model, environment.name)
    asked = {run.version for run in ports.store.waiting(model, environment.name)}
    waiting = (each.version for each in placements if each.standing is Standing.PENDING and each.version in asked)
    return [ports.registry.version(model, number) for number in waiting]


def configuration_digest(project: Project, environment: Environment) -> str:
    """Return the digest of everything in the project that a training depends on."""
    settings = training_configuration(project, environment)
    text = json.dumps(settings, sort_keys=True, default=str, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _change(champion: Version | None, new: Snapshot, ports: Ports) -> dict[str, object]:
    try:
        old = None if champion is None else ports.data.snapshot(SnapshotId(champion.snapshot))
    except NotFoundError:
        old = None
    if old is None:
        return {"since": None, "added": len(new.files), "removed": 0, "replaced": 0, "new_bytes": new.size}
    change = change_between(old, new)
    return {
        "since": old.id,
        "added": len(change.added),
        "removed": len(change.removed),
        "replaced": len(change.replaced),
        "new_bytes": change.new_bytes,
    }
