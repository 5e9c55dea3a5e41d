"""What the host counts, in the text format 0.0.4 that Prometheus reads; pure.

Format: https://prometheus.io/docs/instrumenting/exposition_formats/
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from everfit.domain.live import upper_bound

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
PER_BOUND: Final = 8
"""Buckets of a tally that make one of the histogram: each bound is twice the one before."""
BOUNDS: Final = range(4, 25)
"""From 0.16 ms to 168 s."""

Labels = Mapping[str, str]
Sample = tuple[Labels, float]


@dataclass(frozen=True, slots=True)
class Metric:
    """A metric that is one number for each version."""

    name: str
    kind: str
    help: str
    value: Callable[[Mapping[str, Any]], float | None]


def exposition(reports: Sequence[Mapping[str, Any]], connections: int) -> str:
    """Return what Prometheus reads.

    Args:
        reports: what each endpoint reports of itself.
        connections: that are open.
    """
    found = [(report["name"], number, version) for report in reports for number, version in report["versions"].items()]
    lines = [*family("everfit_connections", "gauge", "Open connections of callers.", [({}, connections)])]
    for metric in METRICS:
        values = ((labels(name, number), metric.value(version)) for name, number, version in found)
        samples = [(named, value) for named, value in values if value is not None]
        lines += family(metric.name, metric.kind, metric.help, samples)
    lines += weights(reports)
    lines += waiting(reports)
    lines += captures(reports)
    lines += batches(found)
    for kind, words in (("live", "Time of answers"), ("shadow", "Time of answers to copies, which no caller sees")):
        lines += histograms(kind, words, found)
    return "\n".join(lines) + "\n"


def family(name: str, kind: str, words: str, samples: Iterable[Sample]) -> Iterator[str]:
    """Return the lines of a metric; none when there is nothing to tell."""
    lines = [f"{name}{braced(named)} {number(value)}" for named, value in samples]
    if lines:
        yield from (f"# HELP {name} {words}", f"# TYPE {name} {kind}", *lines)


def labels(endpoint: str, version: str, **more: str) -> Labels:
    """Return the labels of a version."""
    return {"endpoint": endpoint, "version": version, **more}


def braced(named: Labels) -> str:
    """Return labels as the format wants them."""
    pairs = ",".join(f'{name}="{escaped(value)}"' for name, value in named.items())
    return f"{{{pairs}}}" if pairs else ""


def escaped(value: str) -> str:
    """Return the value of a label without what would end it."""
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def number(value: float) -> str:
    """Return a value; whole numbers without a point."""
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def total(kind: str, name: str) -> Callable[[Mapping[str, Any]], float | None]:
    """Return what looks up a count of answers to callers (``live``) or of copies (``shadow``)."""

    def look(version: Mapping[str, Any]) -> float | None:
        found = version.get(kind)
        return None if found is None else float(found["totals"][name])

    return look


def plain(name: str) -> Callable[[Mapping[str, Any]], float | None]:
    """Return what looks up a number of a version's processes."""
    return lambda version: None if version.get(name) is None else float(version[name])


def dropped(version: Mapping[str, Any]) -> float | None:
    """Return the copies that were not made."""
    found = version.get("shadow")
    return None if found is None else float(found["dropped"])


METRICS: Final = (
    Metric("everfit_requests_total", "counter", "Requests that a version was given.", total("live", "requests")),
    Metric("everfit_requests_refused_total", "counter", "Of these, mistakes of callers.", total("live", "refused")),
    Metric("everfit_request_errors_total", "counter", "Of these, failures of the version.", total("live", "errors")),
    Metric("everfit_shadow_requests_total", "counter", "Copies that a shadow was given.", total("shadow", "requests")),
    Metric("everfit_shadow_errors_total", "counter", "Copies that a shadow failed at.", total("shadow", "errors")),
    Metric("everfit_shadow_compared_total", "counter", "Answers that were compared.", total("shadow", "compared")),
    Metric("everfit_shadow_disagreed_total", "counter", "Answers that differed.", total("shadow", "disagreed")),
    Metric("everfit_shadow_dropped_total", "counter", "Copies that were not made, to slow nobody.", dropped),
    Metric("everfit_version_healthy", "gauge", "Whether a version can answer: 1, or 0.", plain("is_healthy")),
    Metric("everfit_queue_length", "gauge", "Requests that wait for a process.", plain("queue")),
    Metric("everfit_requests_under_way", "gauge", "Requests that a process has.", plain("under_way")),
    Metric("everfit_workers", "gauge", "Processes of a version.", plain("workers")),
    Metric("everfit_worker_restarts_total", "counter", "Processes replaced after they ended.", plain("restarts")),
    Metric("everfit_worker_recycled_total", "counter", "Processes replaced for their memory.", plain("recycled")),
)


def weights(reports: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Return the shares."""
    samples = [
        (labels(report["name"], version), weight) for report in reports for version, weight in report["weights"].items()
    ]
    return family("everfit_weight", "gauge", "Share of the requests that a version takes.", samples)


def waiting(reports: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Return how many requests wait for a first version."""
    samples = [({"endpoint": report["name"]}, report["waiting"]) for report in reports if "waiting" in report]
    return family("everfit_requests_waiting", "gauge", "Requests that wait for a version to load.", samples)


def captures(reports: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Return how many requests were kept, and how many were not."""
    kept = [(report["name"], report["capture"]) for report in reports if report.get("capture")]
    taken = [({"endpoint": name}, capture["captured"]) for name, capture in kept]
    yield from family("everfit_captured_total", "counter", "Requests that were captured.", taken)
    lost = [
        ({"endpoint": name, "reason": reason}, count)
        for name, capture in kept
        for reason, count in capture["dropped"].items()
    ]
    yield from family("everfit_capture_dropped_total", "counter", "Requests that could not be captured.", lost)


def batches(found: Iterable[tuple[str, str, Mapping[str, Any]]]) -> Iterator[str]:
    """Return how many requests went to a process at once."""
    samples = [
        (labels(name, version, up_to=str(size)), count)
        for name, version, numbers in found
        for size, count in sorted(numbers.get("batches", {}).items(), key=lambda each: int(each[0]))
    ]
    return family("everfit_batches_total", "counter", "Calls of a model, by their largest number of requests.", samples)


def histograms(kind: str, words: str, found: Iterable[tuple[str, str, Mapping[str, Any]]]) -> Iterator[str]:
    """Return how long answers took."""
    name = "everfit_request_seconds" if kind == "live" else "everfit_shadow_seconds"
    lines = [
        line
        for endpoint, version, numbers in found
        if numbers.get(kind) is not None
        for line in histogram(name, labels(endpoint, version), numbers[kind])
    ]
    if lines:
        yield from (f"# HELP {name} {words}, in seconds.", f"# TYPE {name} histogram", *lines)


def histogram(name: str, named: Labels, counted: Mapping[str, Any]) -> Iterator[str]:
    """Return the lines of one version."""
    latency = {int(bucket): int(count) for bucket, count in counted["totals"]["latency"].items()}
    for bound in BOUNDS:
        within = sum(count for bucket, count in latency.items() if bucket <= bound * PER_BOUND)
        yield f"{name}_bucket{braced({**named, 'le': repr(upper_bound(bound * PER_BOUND))})} {within}"
    everything = sum(latency.values())
    yield f"{name}_bucket{braced({**named, 'le': '+Inf'})} {everything}"
    yield f"{name}_sum{braced(named)} {number(counted['seconds'])}"
    yield f"{name}_count{braced(named)} {everything}"
