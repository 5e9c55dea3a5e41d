import pytest

from everfit.domain.errors import StateError
from everfit.domain.inbox import Pause
from tests.served import Served
from tests.stored import MINUTE, START, an_event


@pytest.fixture
def served() -> Served:
    return Served(is_tokenless=False)


def figures(served: Served) -> dict[str, float]:
    text = Served(served.world, figures=served.figures, health=lambda: served.health).client.get("/metrics").text
    pairs = (line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_a_living_process_says_so_to_anybody(served: Served) -> None:
    assert served.get("/healthz") == {"status": "ok"}
    served.figures.trouble = "gone"
    assert served.get("/healthz") == {"status": "ok"}


def test_a_ready_service_says_so_to_anybody(served: Served) -> None:
    assert served.get("/readyz") == {"ready": True, "draining": False, "troubles": {}}


def test_a_service_in_trouble_is_not_ready_and_names_the_part_alone(served: Served) -> None:
    served.health.troubles = (("dispatcher", "/srv/everfit/state.db is locked"),)
    answer = served.client.get("/readyz")
    assert (answer.status_code, "dispatcher" in answer.json()["troubles"]) == (503, True)
    assert "/srv" not in answer.text


def test_a_state_that_cannot_be_written_is_not_ready(served: Served) -> None:
    served.figures.trouble = "The disk is full."
    assert served.client.get("/readyz").json()["troubles"] == {"state": "cannot be written now"}


def test_a_draining_service_is_not_ready(served: Served) -> None:
    served.health.is_draining = True
    assert served.client.get("/readyz").json() == {"ready": False, "draining": True, "troubles": {}}


def test_figures_tell_what_waits_and_since_when(served: Served) -> None:
    served.world.inbox.accept((an_event("one", model="line"), an_event("two", model="line")))
    served.world.inbox.pause(Pause(model="line", environment=None, actor="ada", reason="x", since=START))
    served.world.clock.advance(MINUTE)
    found = figures(served)
    place = '{environment="production",model="line"}'
    assert found[f"everfit_waiting_events{place}"] == 2
    assert found[f"everfit_oldest_waiting_seconds{place}"] == 60
    assert (found["everfit_pauses"], found["everfit_models"], found["everfit_troubles"]) == (1, 1, 0)


def test_figures_tell_how_runs_ended(served: Served) -> None:
    local = Served(served.world)
    for mae in (1.0, 9.0):
        served.world.mae = mae
        local.data_grows()
        local.post("/bootstrap?environment=production&auto_deploy=true")
        local.work()
    found = figures(served)
    place = 'environment="production",model="line"'
    assert found[f'everfit_runs_total{{{place},outcome="deployed"}}'] == 1
    assert found[f'everfit_runs_total{{{place},outcome="rejected"}}'] == 1
    assert found[f"everfit_last_success_timestamp_seconds{{{place}}}"] == START.timestamp()


def test_requests_are_counted_by_route_and_strangers_paths_together() -> None:
    served = Served()
    for path in ("/v1/runs/one", "/v1/runs/two", "/nowhere/1", "/nowhere/2"):
        served.client.get(path)
    text = served.client.get("/metrics").text
    assert 'everfit_http_requests_total{method="GET",route="/v1/runs/{run}",status="404"} 2.0' in text
    assert 'everfit_http_requests_total{method="other",route="none",status="404"} 2.0' in text
    assert "nowhere" not in text


def test_a_broken_state_is_no_broken_page(served: Served) -> None:
    local = Served(served.world)

    def broken() -> None:
        raise StateError("The disk is full.")

    local.world.inbox.all_waiting = broken  # type: ignore[method-assign,assignment]
    assert local.client.get("/metrics").status_code == 503


def test_a_service_that_ends_changes_nothing_more_and_still_answers() -> None:
    served = Served()
    served.health.is_draining = True
    refused = served.client.post("/v1/triggers", json={"model": "line"})
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
    assert served.client.get("/v1/runs").status_code == 200
