"""Gives each environment its own adapter: a call goes to the one whose endpoint, or whose run, it is about.

An adapter is made when it is first needed: most calls of a function need none of them, and loading them takes a while.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from functools import cache

from everfit.application.ports import Endpoints, Jobs
from everfit.domain.endpoint import Answer, EndpointState, ServedVersion
from everfit.domain.errors import NotFoundError
from everfit.domain.job import JobSpec, JobStatus
from everfit.domain.version import Release


class RoutedEndpoints:
    """Implements ``Endpoints`` over those of several environments.

    Args:
        by_name: makes the adapter of each endpoint.
    """

    def __init__(self, by_name: Mapping[str, Callable[[], Endpoints]]) -> None:
        self._by_name = {name: cache(make) for name, make in by_name.items()}

    def describe(self, name: str) -> EndpointState | None:
        return self._of(name).describe(name)

    def stage(self, name: str, version: ServedVersion, *, fence: int) -> None:
        self._of(name).stage(name, version, fence=fence)

    def shift(self, name: str, weights: Mapping[int, float], releases: Sequence[Release], *, fence: int) -> bool:
        return self._of(name).shift(name, weights, releases, fence=fence)

    def wait(self, name: str, patience: timedelta) -> bool:
        return self._of(name).wait(name, patience)

    def settle(self, name: str, keep: Sequence[int], *, fence: int, back: int | None = None) -> None:
        self._of(name).settle(name, keep, fence=fence, back=back)

    def restore(self, name: str, version: ServedVersion, release: Release, *, fence: int) -> bool:
        return self._of(name).restore(name, version, release, fence=fence)

    def invoke(self, name: str, body: bytes, content_type: str, accept: str) -> Answer:
        return self._of(name).invoke(name, body, content_type, accept)

    def start(self) -> None:
        for endpoints in self._by_name.values():
            endpoints().start()

    def is_running(self) -> bool:
        return all(endpoints().is_running() for endpoints in self._by_name.values())

    def is_stopped(self) -> bool:
        return False

    def stop(self) -> bool:
        return [endpoints().stop() for endpoints in self._by_name.values()] != []

    def _of(self, name: str) -> Endpoints:
        if name not in self._by_name:
            raise NotFoundError(f"everfit.yaml has no environment on AWS with the endpoint {name}.")
        return self._by_name[name]()


class RoutedJobs:
    """Implements ``Jobs`` over those of several environments.

    Args:
        by_environment: makes the adapter of each environment.
        environment_of: returns the environment of a run, given its id, or that of what belongs to no run.
    """

    def __init__(self, by_environment: Mapping[str, Callable[[], Jobs]], environment_of: Callable[[str], str]) -> None:
        self._by_environment = {name: cache(make) for name, make in by_environment.items()}
        self._environment_of = environment_of

    def start(self, spec: JobSpec) -> None:
        self._of(spec.run).start(spec)

    def observe(self, name: str) -> JobStatus:
        return self._of(name).observe(name)

    def wait(self, name: str, patience: timedelta) -> JobStatus:
        return self._of(name).wait(name, patience)

    def stop(self, name: str) -> None:
        self._of(name).stop(name)

    def report(self, name: str, file: str) -> Mapping[str, object]:
        return self._of(name).report(name, file)

    def trim(self, run: str) -> None:
        self._of(run).trim(run)

    def forget(self, run: str) -> None:
        self._of(run).forget(run)

    def log(self, name: str, start: int = 0) -> Iterator[bytes]:
        return self._of(name).log(name, start)

    def _of(self, name: str) -> Jobs:
        return self._by_environment[self._environment_of(name)]()
