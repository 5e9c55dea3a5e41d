from dataclasses import replace
from typing import Any

import pytest

from tests.served import Served
from tests.stored import an_event


@pytest.fixture
def served() -> Served:
    return Served()


def deployed(served: Served) -> str:
    """Have a version deployed; return its run."""
    served.post("/bootstrap?auto_deploy=true&environment=production")
    (run,) = served.work()
    return run.id


def test_projects_are_listed_with_what_is_wrong_with_their_files(served: Served) -> None:
    served.catalog.wrong["/srv/models/solar"] = "/srv/models/solar/everfit.yaml:3: it is empty"
    found = served.get("/v1/projects")
    assert [project["model"] for project in found["projects"]] == ["line"]
    assert found["troubles"] == [{"project": "solar", "trouble": "everfit.yaml:3: it is empty"}]


def test_a_run_is_told_with_its_steps_and_its_rules(served: Served) -> None:
    run = deployed(served)
    report = served.get(f"/v1/runs/{run}")
    assert (report["outcome"], report["version"], report["champion_after"]) == ("deployed", 1, 1)
    assert served.get(f"/v1/runs/{run}/steps")["steps"] == report["steps"]
    assert "train" in [step["name"] for step in report["steps"]]


def test_what_serves_is_told_everywhere(served: Served) -> None:
    run = deployed(served)
    assert served.get("/v1/models/line")["environments"][0]["champion"] == 1
    assert served.get("/v1/models/line/history")["history"][0]["run"] == run
    assert served.get("/v1/models/line/endpoints")["endpoints"][0]["version"] == 1
    version = served.get("/v1/models/line/versions/1")
    assert version["environments"][0]["standing"] == "serving"
    assert [each["version"] for each in served.get("/v1/models/line/versions")["versions"]] == [1]


def test_an_event_is_found_by_its_id_with_its_end(served: Served) -> None:
    run = deployed(served)
    (event,) = served.get("/v1/triggers")["triggers"]
    assert (event["end"], event["run"], event["actor"]) == ("ran", run, "ada")
    assert served.get(f"/v1/triggers/line/production/{event['id']}") == event


def test_an_id_with_slashes_is_found(served: Served) -> None:
    served.world.inbox.accept((an_event("s3:lake/a/b.csv#v@1", model="line"),))
    assert served.get("/v1/triggers/line/production/s3:lake%2Fa%2Fb.csv%23v@1")["kind"] == "data"


def paged(served: Served, path: str, name: str) -> list[Any]:
    found: list[Any] = []
    following: object = None
    while True:
        page = served.get(path, params={"limit": 2, **({} if following is None else {"before": following})})
        found += page[name]
        following = page["next"]
        if following is None:
            return found


def test_pages_hold_everything_once_newest_first(served: Served) -> None:
    for _ in range(5):
        served.data_grows()
        deployed(served)
    runs = [row["run"] for row in paged(served, "/v1/runs", "runs")]
    assert runs == [run.id for run in served.world.store.runs()]
    places = [row["place"] for row in paged(served, "/v1/triggers", "triggers")]
    assert places == [5, 4, 3, 2, 1]
    versions = [row["version"] for row in paged(served, "/v1/models/line/versions", "versions")]
    assert versions == [5, 4, 3, 2, 1]


def test_filters_choose(served: Served) -> None:
    run = deployed(served)
    assert served.get(f"/v1/triggers?run={run}&end=ran&model=line&environment=production")["triggers"]
    assert served.get("/v1/triggers?end=failed") == {"triggers": [], "next": None}
    assert served.get("/v1/runs?model=line&environment=live") == {"runs": [], "next": None}


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/v1/models/other", 404),
        ("/v1/models/line/versions/7", 404),
        ("/v1/models/line/versions/0", 422),
        ("/v1/models/line/versions/99999999999999999999", 422),
        ("/v1/runs/run-9", 404),
        ("/v1/runs/run-9/logs", 404),
        ("/v1/triggers/line/production/nothing", 404),
        ("/v1/models/line/history?environment=nowhere", 404),
        ("/v1/runs?limit=0", 422),
        ("/v1/runs?limit=1001", 422),
        ("/v1/runs?limit=1&limit=2", 422),
        ("/v1/runs?limt=1", 422),
        ("/v1/runs?environment=production", 400),
        ("/v1/triggers?before=x", 422),
        ("/v1/triggers?end=lost", 422),
        ("/nowhere", 404),
        ("/v1/runs/", 404),
        ("/v1/runs/%00", 404),
        ("/v1/runs/%FF%FE", 404),
    ],
)
def test_what_cannot_be_read_is_answered_by_a_problem(served: Served, path: str, status: int) -> None:
    answer = served.client.get(path)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["detail"]


def test_a_mistyped_name_is_answered_with_the_nearest(served: Served) -> None:
    assert "Did you mean limit?" in served.client.get("/v1/runs?limt=1").json()["detail"]


def test_nothing_is_changed_by_a_method_that_is_not_there(served: Served) -> None:
    answer = served.client.request("DELETE", "/v1/runs")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")


def test_what_no_unicode_can_say_is_answered_all_the_same(served: Served) -> None:
    served.world.inbox.accept((replace(an_event(model="line"), subject="\ud800 and \0"),))
    assert served.get("/v1/triggers")["triggers"][0]["subject"] == "\ud800 and \0"
    body = rb'{"model": "line", "environment": "production", "reason": "\ud800"}'
    answer = served.client.post("/v1/triggers", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422


def test_a_claim_that_is_no_number_is_null(served: Served) -> None:
    served.world.mae = float("nan")
    run = deployed(served)
    assert served.get(f"/v1/runs/{run}")["metrics"]["challenger"]["mae"] is None
