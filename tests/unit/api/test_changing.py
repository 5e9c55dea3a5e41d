from dataclasses import replace
from typing import Any

import pytest

from everfit.domain.access import Role
from everfit.domain.run import Outcome
from everfit.domain.triggers import Api
from tests.fakes import World
from tests.served import Served


@pytest.fixture
def served() -> Served:
    return Served()


@pytest.fixture
def careful() -> Served:
    """A service whose environment wants a person's word."""
    return Served(World(approval="manual"))


def asked(**changes: object) -> dict[str, object]:
    return {"model": "line", "environment": "production", "reason": "new prices", **changes}


def trained(served: Served, count: int = 1) -> None:
    for _ in range(count):
        served.data_grows()
        served.post("/v1/triggers", asked())
        served.work()


def test_a_request_is_written_down_before_it_is_answered(served: Served) -> None:
    answer = served.post("/v1/triggers", asked())
    (event,) = served.get("/v1/triggers")["triggers"]
    assert (answer.status_code, answer.json()) == (202, event)
    assert (event["end"], event["actor"], event["subject"]) == ("pending", "ada", "new prices")
    assert served.work()[0].outcome is Outcome.DEPLOYED


def test_requests_that_wait_become_one_run_that_names_them_all(served: Served) -> None:
    for number in range(5):
        assert served.post("/v1/triggers", asked(id=f"mine-{number}")).status_code == 202
    assert len(served.work()) == 1
    assert {row["run"] for row in served.get("/v1/triggers")["triggers"]} == {served.get("/v1/runs")["runs"][0]["run"]}


def test_the_id_of_a_caller_is_the_same_event_for_ever(served: Served) -> None:
    first = served.post("/v1/triggers", asked(id="nightly-7")).json()
    served.work()
    again = served.post("/v1/triggers", asked(id="nightly-7"))
    assert (again.status_code, again.json()["id"], again.json()["end"]) == (202, first["id"], "ran")
    assert served.work() == []


def test_the_record_names_the_token_that_asked(served: Served) -> None:
    answer = served.post("/v1/triggers", asked(), headers=served.token(Role.TRIGGER, "airflow"))
    assert answer.json()["actor"] == "airflow"


def test_a_project_that_lets_no_program_in_is_left_alone(served: Served) -> None:
    workspace = served.catalog.kept["line"]
    forbidden = Api(key="api", environments=("production",), is_allowed=False)
    served.catalog.kept["line"] = replace(workspace, project=replace(workspace.project, triggers=(forbidden,)))
    for path, body in (("/v1/triggers", asked()), ("/bootstrap?environment=production", None)):
        answer = served.post(path, body)
        assert (answer.status_code, "api: false" in answer.json()["detail"]) == (409, True)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"model": "line", "environment": "production", "forced": True},
        {"model": "line", "environment": "production", "force": "yes"},
        {"model": "line", "environment": "production", "force": 1},
        {"model": 7},
        {"model": ""},
        {"model": "line", "environment": "production", "id": "a b"},
        {"model": "line", "environment": "production", "reason": "x" * 2001},
        [],
        "text",
        None,
    ],
)
def test_a_request_that_cannot_be_used_is_refused_whole(served: Served, body: object) -> None:
    answer = served.client.post("/v1/triggers", json=body)
    assert (answer.status_code, served.get("/v1/triggers")["triggers"]) == (422, [])


def test_an_unknown_model_or_environment_is_not_found(served: Served) -> None:
    assert served.post("/v1/triggers", asked(model="other")).status_code == 404
    assert served.post("/v1/triggers", asked(environment="nowhere")).status_code == 404


def test_a_run_is_stopped_with_a_reason(served: Served) -> None:
    careful = Served(World(approval="manual"))
    trained(careful)
    (run,) = careful.get("/v1/runs")["runs"]
    answer = careful.post(f"/v1/runs/{run['run']}/cancel", {"reason": "wrong season"})
    assert (answer.status_code, careful.wakes) == (202, 1)
    assert careful.world.store.open()[0].cancellation is not None
    assert served.post("/v1/runs/run-9/cancel", {"reason": "x"}).status_code == 404


def test_a_run_that_has_ended_is_not_stopped(served: Served) -> None:
    trained(served)
    run = served.get("/v1/runs")["runs"][0]["run"]
    assert served.post(f"/v1/runs/{run}/cancel", {"reason": "late"}).status_code == 409


def test_a_paused_model_keeps_what_triggers_it(served: Served) -> None:
    served.post("/v1/models/line/pause", {"reason": "the sensor is being moved"})
    served.post("/v1/triggers", asked())
    assert served.work() == []
    assert served.get("/v1/pauses")["pauses"][0]["actor"] == "ada"
    assert served.post("/v1/models/line/resume").json()["was_paused"] is True
    assert served.post("/v1/models/line/resume").json()["was_paused"] is False
    assert served.work()[0].outcome is Outcome.DEPLOYED


def approval(served: Served, version: int, decision: str, **given: Any) -> Any:
    body = {"environment": "production", "reason": "seen by the team"}
    return served.post(f"/v1/models/line/versions/{version}/{decision}", body, **given)


def test_what_waits_for_a_person_is_listed_and_deployed_once(careful: Served) -> None:
    trained(careful)
    (waiting,) = careful.get("/v1/approvals")["approvals"]
    assert (waiting["version"], waiting["standing"]) == (1, "needs approval")
    answers = [approval(careful, 1, "approve") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json()["run"] == waiting["run"]
    assert [run.outcome for run in careful.work()] == [Outcome.DEPLOYED]
    assert approval(careful, 1, "approve").status_code == 202
    assert careful.work() == []
    assert len(careful.get("/v1/models/line/history")["history"]) == 1


def test_who_approved_why_and_on_what_evidence_is_kept(careful: Served) -> None:
    trained(careful)
    verdict = careful.get("/v1/approvals")["approvals"][0]["verdict"]
    approval(careful, 1, "approve", headers=careful.token(Role.APPROVE, "grace"))
    kept = careful.get("/v1/models/line/versions/1")["environments"][0]["approval"]
    assert (kept["actor"], kept["reason"], kept["verdict"]) == ("grace", "seen by the team", verdict)


def test_approving_an_old_version_after_a_newer_one_deploys_it_with_a_warning(careful: Served) -> None:
    trained(careful, 2)
    approval(careful, 2, "approve")
    careful.work()
    answer = approval(careful, 1, "approve")
    assert answer.json()["warning"] == "version 2 served and is newer; version 1 takes its place"
    careful.work()
    assert careful.get("/endpoint-status?environment=production")["version"] == 1


def test_what_was_turned_away_never_serves(careful: Served) -> None:
    trained(careful)
    assert approval(careful, 1, "reject").status_code == 202
    careful.work()
    assert approval(careful, 1, "approve").status_code == 409
    assert careful.get("/v1/models/line/history")["history"] == []
    assert approval(careful, 7, "approve").status_code == 404


def test_the_very_bytes_are_promoted(served: Served) -> None:
    trained(served)
    assert served.post("/v1/models/line/versions/1/promote", {"environment": "live"}).status_code == 202
    assert [run.version for run in served.work()] == [1]
    assert served.get("/endpoint-status?environment=live")["version"] == 1
    assert served.post("/v1/models/line/versions/9/promote", {"environment": "live"}).status_code == 404
    assert served.post("/v1/models/line/versions/1/promote", {"environment": "production"}).status_code == 409


def rolled_back(served: Served, **given: Any) -> Any:
    return served.post("/v1/models/line/rollback", {"environment": "production", "reason": "it is worse"}, **given)


def test_a_rollback_goes_to_the_last_good_version(served: Served) -> None:
    assert rolled_back(served).status_code == 409
    trained(served, 2)
    answer = rolled_back(served)
    assert (answer.status_code, answer.json()["to"]) == (200, 1)
    assert served.get("/endpoint-status?environment=production")["version"] == 1
    newest = served.get("/v1/models/line/history")["history"][0]
    assert (newest["actor"], newest["reason"]) == ("ada", "it is worse")


def test_a_rollback_that_is_asked_for_twice_goes_back_once(served: Served) -> None:
    trained(served, 3)
    key = {"Idempotency-Key": "oops"}
    answers = [rolled_back(served, headers=key) for _ in range(3)]
    assert [answer.json()["to"] for answer in answers] == [2, 2, 2]
    assert served.get("/endpoint-status?environment=production")["version"] == 2


def test_a_rollback_whose_answer_was_lost_goes_back_once(served: Served) -> None:
    """A crash between doing and answering."""
    trained(served, 3)
    key = {"Idempotency-Key": "oops"}
    served.replies.lost = True
    assert rolled_back(served, headers=key).status_code == 500
    served.replies.lost = False
    assert rolled_back(served, headers=key).json()["to"] == 2
    assert served.get("/endpoint-status?environment=production")["version"] == 2
