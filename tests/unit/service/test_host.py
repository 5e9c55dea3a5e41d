"""The endpoint host is started when it is needed, and left alone by whoever stopped it."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from everfit.interfaces.service.host import HostKeeper


class Host:
    """An endpoint host."""

    def __init__(self, *, runs: bool = False, stopped: bool = False) -> None:
        self.runs, self.stopped, self.starts = runs, stopped, 0

    def is_running(self) -> bool:
        return self.runs

    def is_stopped(self) -> bool:
        return self.stopped

    def start(self) -> None:
        self.runs, self.stopped = True, False
        self.starts += 1


def keeper(host: Host, *, deployed: bool) -> HostKeeper:
    project = SimpleNamespace(environments={"production": None})
    catalog = SimpleNamespace(workspaces=lambda: {"churn": SimpleNamespace(project=project)})
    registry = SimpleNamespace(champion=lambda *_: 1 if deployed else None)
    return HostKeeper(cast("Any", catalog), cast("Any", host), cast("Any", registry))


@pytest.mark.parametrize("stopped", [False, True])
def test_a_service_that_starts_brings_what_is_deployed_back(*, stopped: bool) -> None:
    host = Host(stopped=stopped)
    keeper(host, deployed=True).turn()
    assert host.runs


def test_nothing_is_started_where_nothing_is_deployed() -> None:
    host = Host()
    keeper(host, deployed=False).turn()
    assert not host.runs


def test_a_host_that_died_is_started_again() -> None:
    host = Host(runs=True)
    looks_after = keeper(host, deployed=False)
    looks_after.turn()
    host.runs = False
    looks_after.turn()
    assert host.starts == 1


def test_a_host_that_a_person_stopped_stays_stopped() -> None:
    host = Host(runs=True)
    looks_after = keeper(host, deployed=True)
    looks_after.turn()
    host.runs, host.stopped = False, True
    looks_after.turn()
    assert not host.runs
