from datetime import timedelta
from typing import Any

import pytest

from everfit.domain.access import Role
from everfit.domain.errors import StateError
from everfit.domain.rate import Rate
from everfit.interfaces.api.hub import Limits
from tests.served import Client, Served

BODY = {"model": "line", "environment": "production"}
READS = ("/v1/projects", "/v1/runs", "/v1/triggers", "/metrics", "/endpoint-status", "/v1/approvals")
ROUTES = {
    Role.TRIGGER: [("/v1/triggers", BODY), ("/bootstrap", None), ("/v1/models/line/pause", {"reason": "x"})],
    Role.APPROVE: [
        ("/v1/models/line/versions/1/approve", {"reason": "x"}),
        ("/v1/models/line/versions/1/reject", {"reason": "x"}),
        ("/v1/models/line/versions/1/promote", {"environment": "live"}),
        ("/v1/models/line/rollback", {"reason": "x"}),
        ("/v1/models/line/rollout", {"order": "pause", "reason": "x"}),
        ("/deploy/line.production.x", None),
    ],
}


@pytest.fixture
def served() -> Served:
    return Served()


@pytest.fixture
def closed() -> Served:
    """A service that can be reached from elsewhere."""
    return Served(is_tokenless=False)


@pytest.mark.parametrize("path", [*READS, "/v1/tokens", "/status/x"])
def test_nobody_reads_without_a_token(closed: Served, path: str) -> None:
    answer = closed.client.get(path)
    assert (answer.status_code, answer.headers["www-authenticate"]) == (401, 'Bearer realm="everfit"')


@pytest.mark.parametrize("role", list(Role))
def test_a_role_reaches_what_it_names_and_no_further(closed: Served, role: Role) -> None:
    headers = closed.token(role)
    assert {closed.client.get(path, headers=headers).status_code for path in READS[:4]} == {200}
    for needed, routes in ROUTES.items():
        statuses = {closed.post(path, body, headers=headers).status_code for path, body in routes}
        assert (403 in statuses) is not role.covers(needed)
        assert role.covers(needed) or statuses == {403}


@pytest.mark.parametrize(
    "shown",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic YTpi",
        "Bearer evf_000000000001_wrong-secret-that-is-long-enough",
        "Bearer evf_000000000009_secret-000000000000000000000000000000000001",
        "Bearer evf_x",
        "Bearer " + "x" * 5000,
    ],
)
def test_a_wrong_token_is_worse_than_none(served: Served, shown: str) -> None:
    """Whoever shows a token means it: it is not passed over because the caller is on this machine."""
    served.token(Role.READ)
    answer = served.client.get("/v1/runs", headers={"Authorization": shown})
    assert answer.status_code == 401


def test_a_token_is_refused_the_moment_it_is_revoked(closed: Served) -> None:
    headers = closed.token(Role.READ, "bot")
    assert closed.client.get("/v1/runs", headers=headers).status_code == 200
    closed.tokens.revoke("bot")
    assert closed.client.get("/v1/runs", headers=headers).status_code == 401


def test_a_token_holds_until_it_expires(closed: Served) -> None:
    _, text = closed.tokens.add("bot", Role.READ, timedelta(days=1))
    headers = {"Authorization": f"bearer {text}"}
    assert closed.client.get("/v1/runs", headers=headers).status_code == 200
    closed.world.clock.advance(timedelta(days=1))
    assert closed.client.get("/v1/runs", headers=headers).status_code == 401


def test_the_last_use_is_noted_once_an_hour(closed: Served) -> None:
    headers = closed.token(Role.READ)
    noted: list[object] = []
    closed.tokens.used = lambda token, at: noted.append((token, at))  # type: ignore[method-assign]
    closed.client.get("/v1/runs", headers=headers)
    assert len(noted) == 1


def test_a_state_that_cannot_be_written_is_still_read(closed: Served) -> None:
    headers = closed.token(Role.READ)

    def full(token: str, at: object) -> None:
        del token, at
        raise StateError("The disk is full.")

    closed.tokens.used = full  # type: ignore[method-assign]
    assert closed.client.get("/v1/runs", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"X-Forwarded-For": "203.0.113.7"},
        {"Forwarded": "for=203.0.113.7"},
        {"X-Forwarded-For": "127.0.0.1"},
    ],
)
def test_a_page_of_another_site_drives_nothing(served: Served, headers: dict[str, str]) -> None:
    assert served.client.get("/v1/runs", headers=headers).status_code == 401
    assert served.post("/bootstrap", headers=headers).status_code == 401
    assert served.get("/v1/triggers")["triggers"] == []


def test_a_page_of_another_site_with_a_token_is_a_caller_like_any_other(served: Served) -> None:
    headers = {**served.token(Role.READ), "Origin": "https://dashboard.example"}
    assert served.client.get("/v1/runs", headers=headers).status_code == 200


def limited(**changes: Any) -> Served:
    return Served(
        limits=Limits(rate=Rate(each_second=1, at_once=3), stranger=Rate(each_second=1, at_once=2)), **changes
    )


def test_who_is_too_fast_learns_when_to_come_back() -> None:
    served = limited()
    assert [served.client.get("/v1/runs").status_code for _ in range(4)] == [200, 200, 200, 429]
    answer = served.client.get("/v1/runs")
    assert (answer.headers["retry-after"], answer.headers["content-type"]) == ("1", "application/problem+json")
    served.seconds += 1
    assert served.client.get("/v1/runs").status_code == 200


def test_callers_do_not_slow_each_other_down() -> None:
    served = limited(is_tokenless=False)
    one, two = (served.token(Role.READ, name) for name in ("one", "two"))
    assert [served.client.get("/v1/runs", headers=one).status_code for _ in range(4)][-1] == 429
    assert served.client.get("/v1/runs", headers=two).status_code == 200


def test_guessing_tokens_is_slow() -> None:
    served = limited(is_tokenless=False)
    assert [served.client.get("/v1/runs").status_code for _ in range(3)] == [401, 401, 429]
    assert Client(served.app, "203.0.113.9").get("/v1/runs").status_code == 401
    assert served.client.get("/v1/runs", headers=served.token(Role.READ)).status_code == 200


def test_strangers_cannot_fill_the_memory(served: Served) -> None:
    pace = served.app.state.pace
    for number in range(20_000):
        pace.check(f"address:{number}", Rate(each_second=1, at_once=1), 0.0)
    assert len(pace._buckets) == 10_000
