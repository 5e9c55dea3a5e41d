"""The sentiment scenario: a program starts trainings, asks how they stand, and deploys what they made."""

from dataclasses import replace
from typing import Any

import pytest

from everfit.domain.run import Outcome
from tests.fakes import World
from tests.served import Served
from tests.stored import MINUTE


@pytest.fixture
def served() -> Served:
    return Served()


def started(served: Served, query: str = "auto_deploy=true", **given: Any) -> str:
    served.data_grows()
    answer = served.post(f"/bootstrap?environment=production&{query}", **given)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["training_job_name"])


def status(served: Served, job: str) -> tuple[str, str | None]:
    found = served.get(f"/status/{job}")
    return found["status"], found["outcome"]


def test_a_training_that_deploys_itself(served: Served) -> None:
    job = started(served)
    assert status(served, job) == ("InProgress", None)
    served.work()
    assert status(served, job) == ("Completed", "deployed")
    assert served.get("/endpoint-status?environment=production")["version"] == 1


def test_a_training_without_auto_deploy_waits_for_the_word(served: Served) -> None:
    for query in ("auto_deploy=false", "auto_deploy=0", "auto_deploy=False", "model=line"):
        assert served.get(f"/status/{started(served, query)}")["auto_deploy"] is False
    job = started(served, "auto_deploy=false")
    served.work()
    assert status(served, job) == ("Completed", "needs approval")
    assert served.get("/endpoint-status?environment=production")["status"] == "NotDeployed"
    assert [served.post(f"/deploy/{job}").status_code for _ in range(2)] == [202, 202]
    assert served.wakes == 2
    assert [run.outcome for run in served.work()] == [Outcome.DEPLOYED]
    assert served.post(f"/deploy/{job}").status_code == 200
    assert served.work() == []
    assert len(served.get("/v1/models/line/history")["history"]) == 1


@pytest.mark.parametrize("word", ["maybe", "", "2", "ja", "true,false", "true&auto_deploy=false"])
def test_a_boolean_is_read_strictly(served: Served, word: str) -> None:
    answer = served.post(f"/bootstrap?environment=production&auto_deploy={word}")
    assert (answer.status_code, served.get("/v1/triggers")["triggers"]) == (422, [])


def test_a_mistyped_parameter_does_not_deploy_by_accident(served: Served) -> None:
    assert served.post("/bootstrap?auto_deply=false").status_code == 422


def test_deploying_before_the_end_is_a_conflict(served: Served) -> None:
    job = started(served)
    answer = served.post(f"/deploy/{job}")
    assert (answer.status_code, "has not ended yet" in answer.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    "job", ["nothing", "line.production.nothing", "other.production.x", "a.b", "..", "%00", "a.b.c.d"]
)
def test_an_unknown_job_is_not_found(served: Served, job: str) -> None:
    assert served.client.get(f"/status/{job}").status_code == 404
    assert served.post(f"/deploy/{job}").status_code == 404


def test_what_the_gate_rejected_is_not_deployed(served: Served) -> None:
    served.world.mae = 9.0
    job = started(served)
    served.work()
    assert status(served, job) == ("Completed", "rejected")
    answer = served.post(f"/deploy/{job}")
    assert (answer.status_code, "mae" in answer.json()["detail"]) == (409, True)
    assert served.get("/endpoint-status?environment=production")["version"] is None


def test_a_job_of_a_person_who_said_no_is_not_deployed() -> None:
    served = Served(World(approval="manual"))
    job = started(served)
    served.work()
    body = {"environment": "production", "reason": "wrong season"}
    served.post("/v1/models/line/versions/1/reject", body)
    served.work()
    assert served.post(f"/deploy/{job}").status_code == 409


def test_a_training_that_had_nothing_to_learn_is_stopped(served: Served) -> None:
    started(served)
    served.work()
    job = served.post("/bootstrap?environment=production").json()["training_job_name"]
    served.work()
    assert status(served, job) == ("Stopped", "skipped")
    assert served.post(f"/deploy/{job}").status_code == 409


def test_jobs_that_were_merged_follow_one_run(served: Served) -> None:
    jobs = [started(served, "auto_deploy=true&model=line") for _ in range(3)]
    assert len(served.work()) == 1
    assert {served.get(f"/status/{job}")["run"] for job in jobs} == {served.get("/v1/runs")["runs"][0]["run"]}
    assert {status(served, job) for job in jobs} == {("Completed", "deployed")}


def test_a_job_survives_a_restart_and_is_deployed_once(served: Served) -> None:
    """Restart between training and completion → deployed once."""
    job = started(served, "auto_deploy=false")
    served.work()
    served.post(f"/deploy/{job}")
    again = Served(served.world)
    assert status(again, job) == ("Completed", "needs approval")
    again.post(f"/deploy/{job}")
    assert [run.outcome for run in again.work()] == [Outcome.DEPLOYED]
    assert len(again.get("/v1/models/line/history")["history"]) == 1


def test_a_job_that_ended_without_a_run_says_why(served: Served) -> None:
    job = started(served)
    served.world.inbox.skip("line", "production", "everfit.yaml has no environment 'production' any more")
    assert status(served, job) == ("Stopped", None)
    assert "any more" in served.post(f"/deploy/{job}").json()["detail"]


def test_the_only_model_is_meant_and_of_several_one_must_be_named(served: Served) -> None:
    assert served.get("/endpoint-status?environment=production")["model"] == "line"
    other = replace(served.catalog.kept["line"], project=replace(served.catalog.kept["line"].project, model="other"))
    served.catalog.kept["other"] = other
    for answer in (served.post("/bootstrap"), served.client.get("/endpoint-status")):
        assert (answer.status_code, "model=NAME" in answer.json()["detail"]) == (400, True)
    assert served.post("/bootstrap?model=other&environment=production").status_code == 202
    served.catalog.kept.clear()
    assert served.post("/bootstrap").status_code == 404


def test_before_the_first_deployment_the_endpoint_says_so_without_an_error(served: Served) -> None:
    found = served.get("/endpoint-status?environment=production")
    assert (found["status"], found["last_modified_time"]) == ("NotDeployed", None)
    assert found["message"] == "no version has been deployed yet"


def test_the_endpoint_tells_when_it_was_changed_last(served: Served) -> None:
    started(served)
    served.work()
    before = served.get("/endpoint-status?environment=production")["last_modified_time"]
    served.world.clock.advance(MINUTE)
    started(served)
    served.work()
    assert served.get("/endpoint-status?environment=production")["last_modified_time"] > before
