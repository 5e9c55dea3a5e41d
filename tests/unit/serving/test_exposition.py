"""What Prometheus reads of the endpoint host."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from everfit.serving.exposition import exposition


def version(**more: Any) -> dict[str, Any]:
    totals = {"requests": 10, "refused": 2, "errors": 1, "compared": 0, "disagreed": 0, "latency": {"40": 6, "64": 4}}
    return {
        "is_healthy": True,
        "queue": 3,
        "under_way": 2,
        "workers": 1,
        "restarts": 4,
        "recycled": 0,
        "batches": {"1": 5, "4": 2},
        "live": {"totals": totals, "seconds": 0.125},
        "shadow": None,
        **more,
    }


def report(name: str = "solar", **versions: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": name,
        "weights": {"1": 0.75, "2": 0.25},
        "waiting": 1,
        "capture": {"captured": 7, "dropped": {"slow disk": 3}},
        "versions": {number.removeprefix("v"): found for number, found in versions.items()},
    }


def samples(text: str) -> dict[tuple[str, ...], float]:
    """Return what the reference parser reads: name and labels -> value."""
    return {
        (sample.name, *sorted(f"{name}={value}" for name, value in sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_each_endpoint_and_version_is_counted() -> None:
    found = samples(exposition([report(v1=version(), v2=version(live=None))], 12))
    one = ("endpoint=solar", "version=1")
    assert found["everfit_connections",] == 12
    assert found["everfit_requests_total", *one] == 10
    assert found["everfit_requests_refused_total", *one] == 2
    assert found["everfit_request_errors_total", *one] == 1
    assert found["everfit_version_healthy", *one] == 1
    assert found["everfit_queue_length", *one] == 3
    assert found["everfit_requests_under_way", *one] == 2
    assert found["everfit_worker_restarts_total", *one] == 4
    assert found["everfit_weight", "endpoint=solar", "version=2"] == 0.25
    assert found["everfit_batches_total", "endpoint=solar", "up_to=4", "version=1"] == 2
    assert found["everfit_requests_waiting", "endpoint=solar"] == 1
    assert found["everfit_captured_total", "endpoint=solar"] == 7
    assert found["everfit_capture_dropped_total", "endpoint=solar", "reason=slow disk"] == 3
    assert ("everfit_requests_total", "endpoint=solar", "version=2") not in found


def test_the_histogram_counts_what_was_as_fast_or_faster() -> None:
    found = samples(exposition([report(v1=version())], 0))
    buckets = {
        float(label.removeprefix("le=")): value
        for (name, *labels), value in found.items()
        if name == "everfit_request_seconds_bucket"
        for label in labels
        if label.startswith("le=")
    }
    assert [buckets[bound] for bound in sorted(buckets)][:6] == [0, 6, 6, 6, 10, 10]
    assert buckets[float("inf")] == found["everfit_request_seconds_count", "endpoint=solar", "version=1"] == 10
    assert found["everfit_request_seconds_sum", "endpoint=solar", "version=1"] == 0.125


def test_what_a_shadow_does_is_told_apart() -> None:
    shadow = {"totals": version()["live"]["totals"], "seconds": 1.0, "dropped": 5, "left_out": 0}
    found = samples(exposition([report(v2=version(live=None, shadow=shadow))], 0))
    two = ("endpoint=solar", "version=2")
    assert found["everfit_shadow_requests_total", *two] == 10
    assert found["everfit_shadow_dropped_total", *two] == 5
    assert found["everfit_shadow_seconds_count", *two] == 10
    assert not any(key[0].startswith("everfit_request_seconds") for key in found)


def test_a_name_cannot_break_out_of_its_quotes() -> None:
    name = 'so"lar\\\nx 1'
    assert samples(exposition([report(name, v1=version())], 0))["everfit_captured_total", f"endpoint={name}"] == 7


def test_a_host_without_endpoints_counts_its_connections() -> None:
    text = exposition([], 0)
    assert text.endswith("\n")
    assert samples(text) == {("everfit_connections",): 0}
