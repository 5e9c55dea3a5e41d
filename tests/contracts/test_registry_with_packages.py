"""The registry's promises hold as well where SageMaker's Model Registry follows, and where it cannot."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from everfit.adapters.memory.clock import SettableClock
from everfit.adapters.memory.registry import MemoryRegistry
from tests.contracts import test_registry as promises
from tests.contracts.test_registry import *  # noqa: F403 - every promise of the suite is one of this adapter as well
from tests.kept import MemoryKept
from tests.stored import START

if TYPE_CHECKING:
    from everfit.adapters.aws.clients import Clients
    from tests.aws.bench.client import Bench


@pytest.fixture  # type: ignore[no-redef]  # it takes the place of the suite's own
def world(bench: "Bench", aws_clients: "Clients") -> Iterator[promises.World]:
    """A registry in memory whose packages cannot be made: the bytes that the suite names are nowhere."""
    from everfit.adapters.aws.package_mirror import PackageMirror  # noqa: PLC0415 - boto3 is an extra
    from everfit.adapters.aws.registry import ModelRegistry  # noqa: PLC0415
    from tests.aws.places import a_project  # noqa: PLC0415

    clock, project = SettableClock(START), a_project()
    store = MemoryKept(clock)
    inner, place = MemoryRegistry(store, clock), project.environments["production"].aws
    assert place is not None
    warnings: list[str] = []
    mirror = PackageMirror(inner, aws_clients, place, project)
    yield promises.World(ModelRegistry(inner, mirror, warnings.append), store, clock)
    assert all("does not follow" in words for words in warnings)
