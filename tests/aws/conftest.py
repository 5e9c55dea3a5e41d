"""A bench for each process of tests, and a clean one for each test."""

from collections.abc import Iterator, Mapping

import pytest

from tests.aws.bench.client import Bench, RunningBench, until

__all__ = ["until"]


@pytest.fixture(scope="session")
def bench_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """The bench of this process of tests; most tests want ``bench``."""
    with RunningBench(tmp_path_factory.mktemp("bench")) as running:
        yield running


@pytest.fixture
def bench(bench_server: Bench) -> Bench:
    """A bench on which nothing has happened yet."""
    bench_server.reset()
    return bench_server


@pytest.fixture
def aws_environment(bench: Bench) -> Mapping[str, str]:
    """The variables with which an unchanged program works against the bench."""
    return bench.environment()
