"""How each story ends in memory, told once for all processes of a session of tests."""

import fcntl
import json
import os
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.aws.stages_made import here
from tests.aws.stories import ALL

Reference = Callable[[str], Mapping[str, Any]]


@pytest.fixture(scope="session")
def in_memory(tmp_path_factory: pytest.TempPathFactory) -> Reference:
    """The ending of the story of a name."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def ending(name: str) -> Mapping[str, Any]:
        kept = shared / f"ending-{name.replace(' ', '-')}.json"
        with kept.open("a+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            known = file.read()
            if not known:
                with here(ALL[name], tmp_path_factory.mktemp("memory") / "line", in_memory=True) as stage:
                    ALL[name].tell(stage)
                    known = json.dumps(stage.ending())
                file.write(known)
        found: Mapping[str, Any] = json.loads(known)
        return found

    return ending
