"""Figures for Prometheus: what is asked over HTTP is counted here, everything else is read when it is asked for."""

from collections.abc import Iterable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from everfit.domain.run import Outcome
from everfit.interfaces.api.hub import Hub

PLACE: Final = ("model", "environment")
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
SUCCESSES: Final = (Outcome.DEPLOYED.value, Outcome.APPROVED.value)


class Metrics:
    """What has been counted since the start; the registry is its own, so that two services in a process are two."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "everfit_http_requests", "Requests, by route.", ("method", "route", "status"), registry=self._registry
        )
        self._seconds = Histogram(
            "everfit_http_request_seconds",
            "Time to answer, by route.",
            ("method", "route"),
            registry=self._registry,
            buckets=BUCKETS,
        )

    def passed(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request; whatever has no route counts together, or strangers could fill the memory with names."""
        known = method if route else "other"
        self._requests.labels(known, route or "none", str(status)).inc()
        self._seconds.labels(known, route or "none").observe(seconds)

    def text(self, hub: Hub) -> bytes:
        """Return everything in Prometheus's text format."""
        now = CollectorRegistry()
        now.register(_Figures(hub))
        return generate_latest(self._registry) + generate_latest(now)


class _Figures:
    """Reads what the state says now; each query costs the same however long the history is."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def describe(self) -> Iterable[Metric]:
        """Return nothing: a registry that asks must not read the state."""
        return ()

    def collect(self) -> Iterable[Metric]:
        """Yield each figure."""
        yield from self._runs()
        yield from self._waiting()
        hub = self._hub
        yield _gauge("everfit_leases", "Models and environments that somebody works on.", hub.figures.leases())
        yield _gauge("everfit_undelivered", "Alerts that are not delivered yet.", hub.figures.undelivered())
        yield _gauge("everfit_pauses", "Pauses that hold.", len(hub.ports.inbox.pauses()))
        yield _gauge("everfit_models", "Models that this service keeps.", len(hub.catalog.workspaces()))
        yield _gauge("everfit_project_troubles", "Project files that are broken.", len(hub.catalog.troubles()))
        yield _gauge("everfit_troubles", "Parts of the service in trouble.", len(hub.health().troubles))

    def _runs(self) -> Iterable[Metric]:
        ended = CounterMetricFamily("everfit_runs", "Runs that have ended, by outcome.", labels=(*PLACE, "outcome"))
        success = GaugeMetricFamily(
            "everfit_last_success_timestamp_seconds", "When a run was last deployed or approved.", labels=PLACE
        )
        newest = dict[tuple[str, str], float]()
        for tally in self._hub.figures.tallies():
            place = (tally.model, tally.environment)
            ended.add_metric((*place, tally.outcome), tally.runs)
            if tally.outcome in SUCCESSES:
                newest[place] = max(newest.get(place, 0.0), tally.newest.timestamp())
        for place, moment in newest.items():
            success.add_metric(place, moment)
        yield ended
        yield success
        yield from self._open()

    def _open(self) -> Iterable[Metric]:
        states = dict[tuple[str, str, str], int]()
        for run in self._hub.ports.store.open():
            place = (run.model, run.environment, run.outcome.value if run.outcome else run.state.value)
            states[place] = states.get(place, 0) + 1
        found = GaugeMetricFamily("everfit_open_runs", "Runs that have not ended.", labels=(*PLACE, "state"))
        for place, count in states.items():
            found.add_metric(place, count)
        yield found

    def _waiting(self) -> Iterable[Metric]:
        now = self._hub.ports.clock.now()
        events = GaugeMetricFamily("everfit_waiting_events", "Trigger events that wait for a run.", labels=PLACE)
        oldest = GaugeMetricFamily("everfit_oldest_waiting_seconds", "Age of the oldest of them.", labels=PLACE)
        for waiting in self._hub.ports.inbox.all_waiting():
            place = (waiting.model, waiting.environment)
            first = min(backlog.first for backlog in waiting.backlogs.values())
            events.add_metric(place, waiting.count)
            oldest.add_metric(place, max(0.0, (now - first).total_seconds()))
        yield events
        yield oldest


def _gauge(name: str, words: str, value: float) -> Metric:
    found = GaugeMetricFamily(name, words)
    found.add_metric((), value)
    return found
