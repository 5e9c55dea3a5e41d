from dataclasses import replace

import pytest

from everfit.domain.access import Role
from everfit.domain.reply import KEPT_FOR
from tests.served import Served

KEY = {"Idempotency-Key": "key-1"}
BODY = {"model": "line", "environment": "production"}


@pytest.fixture
def served() -> Served:
    return Served()


def test_the_same_key_gets_the_same_answer(served: Served) -> None:
    first, again = (served.post("/v1/triggers", BODY, headers=KEY) for _ in range(2))
    assert (first.status_code, first.content) == (again.status_code, again.content)
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert len(served.get("/v1/triggers")["triggers"]) == 1


def test_the_answer_stays_the_same_when_the_world_has_moved_on(served: Served) -> None:
    first = served.post("/v1/triggers", BODY, headers=KEY)
    served.work()
    assert served.post("/v1/triggers", BODY, headers=KEY).json() == first.json()


@pytest.mark.parametrize("path", ["/v1/triggers", "/bootstrap?environment=live", "/v1/models/line/pause"])
def test_the_same_key_for_something_else_is_refused(served: Served, path: str) -> None:
    served.post("/bootstrap?environment=production", headers=KEY)
    body = {"/v1/triggers": BODY, "/v1/models/line/pause": {"reason": "x"}}.get(path)
    assert served.post(path, body, headers=KEY).status_code == 422


def test_a_request_under_way_elsewhere_is_not_done_twice(served: Served) -> None:
    served.replies.lost = served.replies.keeps = True
    served.post("/v1/triggers", BODY, headers=KEY)
    other = Served(served.world, replies=served.replies, ports=replace(served.ports, owner="another"))
    answer = other.post("/v1/triggers", BODY, headers=KEY)
    assert (answer.status_code, answer.headers["retry-after"]) == (409, "1")


def test_a_request_under_way_here_is_not_done_twice(served: Served) -> None:
    served.app.state.flying.add(("local", "key-1"))
    assert served.post("/v1/triggers", BODY, headers=KEY).status_code == 409


def test_what_could_not_even_be_left_is_done_again(served: Served) -> None:
    """The database was gone for a minute, between doing and answering."""
    served.replies.lost = served.replies.keeps = True
    assert served.post("/v1/triggers", BODY, headers=KEY).status_code == 500
    served.replies.lost = False
    assert served.post("/v1/triggers", BODY, headers=KEY).status_code == 202
    assert len(served.get("/v1/triggers")["triggers"]) == 1


def test_a_key_that_is_used_again_after_two_days_asks_anew(served: Served) -> None:
    served.post("/v1/triggers", BODY, headers=KEY)
    served.world.clock.advance(KEPT_FOR)
    served.post("/v1/triggers", BODY, headers=KEY)
    assert len(served.get("/v1/triggers")["triggers"]) == 2


def test_a_request_whose_answer_was_lost_is_one_event(served: Served) -> None:
    """A crash between doing and answering: the id of the event is made from the key, so nothing doubles."""
    served.replies.lost = True
    assert served.post("/bootstrap?environment=production", headers=KEY).status_code == 500
    served.replies.lost = False
    job = served.post("/bootstrap?environment=production", headers=KEY).json()["training_job_name"]
    (event,) = served.get("/v1/triggers")["triggers"]
    assert event["id"].removeprefix("api:") in job


def test_a_refusal_leaves_the_key_free(served: Served) -> None:
    assert served.post("/v1/triggers", {**BODY, "model": "other"}, headers=KEY).status_code == 404
    assert served.post("/v1/runs/run-9/cancel", {"reason": "x"}, headers=KEY).status_code == 404
    assert served.post("/v1/triggers", BODY, headers=KEY).status_code == 202


def test_callers_share_no_keys(served: Served) -> None:
    for name in ("one", "two"):
        headers = {**served.token(Role.TRIGGER, name), **KEY}
        assert served.post("/v1/triggers", BODY, headers=headers).status_code == 202
    assert len(served.get("/v1/triggers")["triggers"]) == 2


@pytest.mark.parametrize("key", ["", "x" * 256])
def test_a_key_has_a_length_that_can_be_kept(served: Served, key: str) -> None:
    assert served.post("/v1/triggers", BODY, headers={"Idempotency-Key": key}).status_code == 422
