"""The same inputs give the same decisions and the same end state, wherever the work is done."""

import shutil
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from everfit.adapters.memory.endpoints import MemoryEndpoints
from everfit.adapters.memory.inbox import MemoryInbox
from everfit.adapters.memory.outbox import MemoryOutbox
from everfit.adapters.memory.registry import MemoryRegistry
from everfit.adapters.memory.run_store import MemoryRunStore
from everfit.application.ports import Ports
from everfit.application.workspace import Workspace
from everfit.bootstrap import open_ports, open_workspace
from everfit.interfaces.cli.progress import Silence
from everfit.settings import Settings
from tests.aws.stages import STORIES, Stage
from tests.projects import INFERENCE, TRAIN

PROJECT = """\
model: line
task: regression
data: {source: data/, target: y, id: id}
train: {script: train.py, timeout: 1m, grace: 1s}
serve: {script: inference.py}
gate:
  - mae <= 5
  - mae <= champion * 1.1
environments:
  production: {endpoint: line, approval: APPROVAL}
"""


@dataclass
class LocalStage(Stage):
    """On this machine: real jobs, a real host, SQLite."""

    folder: Path

    def put(self, name: str, content: str) -> None:
        (self.folder / "data" / name).write_text(content)


def _project(folder: Path, story: str) -> tuple[Workspace, Settings]:
    (folder / "data").mkdir(parents=True)
    approval = "manual" if story == "needs approval" else "automatic"
    (folder / "everfit.yaml").write_text(PROJECT.replace("APPROVAL", approval))
    (folder / "train.py").write_text(TRAIN)
    (folder / "inference.py").write_text(INFERENCE)
    settings = Settings(home=folder / ".everfit", port=None, variables={}, actor="tester")
    return open_workspace(folder, settings), settings


def _in_memory(ports: Ports) -> Ports:
    """Return the ports with every store, and what serves, in memory."""
    clock = ports.clock
    store = MemoryRunStore(clock)
    registry, inbox, outbox = MemoryRegistry(store, clock), MemoryInbox(store, clock), MemoryOutbox(clock)
    outbox.follow(store, registry, inbox)
    return replace(ports, store=store, registry=registry, inbox=inbox, outbox=outbox, endpoints=MemoryEndpoints())


def _told(story: str, folder: Path, *, in_memory: bool) -> Mapping[str, Any]:
    workspace, settings = _project(folder, story)
    ports = open_ports(workspace, settings, Silence())
    stage = LocalStage(workspace, _in_memory(ports) if in_memory else ports, folder)
    try:
        STORIES[story](stage)
        return stage.ending()
    finally:
        stage.ports.endpoints.stop()


@cache
def told_here(story: str) -> Mapping[str, Any]:
    """Return the ending of the story on this machine."""
    folder = Path(tempfile.mkdtemp())
    try:
        return _told(story, folder / "line", in_memory=False)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("story", STORIES)
def test_memory_and_this_machine_decide_alike(story: str, tmp_path: Path) -> None:
    assert _told(story, tmp_path / "line", in_memory=True) == told_here(story)
