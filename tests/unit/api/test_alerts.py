from datetime import timedelta

import pytest

from everfit.domain.notice import Notice, NoticeKind
from tests.served import Served
from tests.stored import START
from tests.unit.application.test_alerting import Told


@pytest.fixture
def served() -> Served:
    world = Told()
    for number in range(3):
        notice = Notice(
            id=f"notice-{number}",
            kind=NoticeKind.FAILED,
            model="line",
            environment="production",
            run=None,
            cause=f"cause-{number}",
            at=START,
        )
        world.outbox.note(notice)
        world.outbox.address(notice, {"slack": timedelta(0)})
    return Served(world)


def test_alerts_are_listed_a_page_at_a_time_newest_first(served: Served) -> None:
    first = served.get("/v1/alerts?limit=2")
    second = served.get(f"/v1/alerts?limit=2&before={first['next']}")
    notices = [row["notice"] for row in (*first["alerts"], *second["alerts"])]
    assert (notices, second["next"]) == (["notice-2", "notice-1", "notice-0"], None)
    for query in ("model=other", "state=delivered"):
        assert served.get(f"/v1/alerts?{query}") == {"alerts": [], "next": None}
    assert served.client.get("/v1/alerts?state=lost").status_code == 422


def test_an_alert_that_has_not_arrived_is_tried_again(served: Served) -> None:
    alert = served.get("/v1/alerts")["alerts"][0]["id"]
    (delivery,) = (each for each in served.world.outbox.deliveries() if each.id == alert)
    served.world.outbox.give_up(delivery, "the address is wrong")
    answer = served.post(f"/v1/alerts/{alert}/retry")
    assert (answer.status_code, answer.json()["state"]) == (202, "waiting")
    served.world.outbox.delivered(delivery)
    assert served.post(f"/v1/alerts/{alert}/retry").status_code == 409
    assert served.post("/v1/alerts/99/retry").status_code == 404


def test_a_test_goes_through_the_channels_of_the_model(served: Served) -> None:
    found = served.post("/v1/models/line/alerts/test")
    assert (found.status_code, found.json()["ok"]) == (200, True)
    assert [row["channel"] for row in found.json()["channels"]] == ["slack"]
    assert served.post("/v1/models/line/alerts/test?channel=slak").status_code == 404
    assert Served().post("/v1/models/line/alerts/test").status_code == 404
