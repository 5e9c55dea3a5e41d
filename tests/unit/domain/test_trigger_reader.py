"""What the triggers of a project file mean."""

from datetime import timedelta
from typing import Any

import pytest

from everfit.domain.errors import ProjectError
from everfit.domain.trigger import Amount, TriggerKind
from everfit.domain.triggers import Api, NewData, Pace, Push, Schedule, Tag, Trigger, kind_of
from tests.project_example import EXAMPLE, node_of, read_text, read_tree, with_keys

BOTH = {"staging": {}, "production": {"promote_from": "staging"}}


def triggers(*written: dict[str, Any], **keys: Any) -> tuple[Trigger, ...]:
    return read_tree(node_of(with_keys(triggers=list(written), **keys))).triggers


def refused(*written: dict[str, Any], **keys: Any) -> list[str]:
    with pytest.raises(ProjectError) as error:
        triggers(*written, **keys)
    return [str(problem) for problem in error.value.problems]


def test_the_example_waits_for_all_that_it_names() -> None:
    assert {trigger.key: kind_of(trigger) for trigger in read_text(EXAMPLE).triggers} == {
        "schedule:0 0 * * SAT@America/New_York": TriggerKind.SCHEDULE,
        "data": TriggerKind.DATA,
        "push:main:train.py:src/**": TriggerKind.PUSH,
        "drift": TriggerKind.DRIFT,
        "tag:staging-solar-v*": TriggerKind.TAG,
        "tag:production-solar-v*": TriggerKind.TAG,
    }


def test_a_schedule_is_of_universal_time_unless_it_names_a_zone() -> None:
    (trigger,) = triggers({"schedule": "0 0 * * SAT"})
    assert isinstance(trigger, Schedule)
    assert (trigger.timezone, trigger.pace) == ("UTC", Pace(at_most=timedelta(0)))


def test_a_trigger_starts_runs_where_a_model_is_trained() -> None:
    (trigger,) = triggers({"data": {}}, environments=BOTH)
    assert trigger.environments == ("staging",)


def test_where_versions_are_promoted_only_a_trigger_that_names_the_environment_starts_runs() -> None:
    (trigger,) = triggers({"schedule": "0 0 * * SAT", "environments": ["production"]}, environments=BOTH)
    assert trigger.environments == ("production",)


def test_a_tag_of_an_environment_is_a_trigger_of_it_alone() -> None:
    environments = {"staging": {"tag": "staging-v*"}, "production": {"tag": "production-v*", "promote_from": "staging"}}
    found = triggers(environments=environments)
    assert [(trigger.key, trigger.environments) for trigger in found] == [
        ("tag:staging-v*", ("staging",)),
        ("tag:production-v*", ("production",)),
    ]
    assert all(isinstance(trigger, Tag) for trigger in found)


def test_keys_do_not_depend_on_the_order_of_the_file() -> None:
    written: list[dict[str, Any]] = [
        {"schedule": "0 0 * * SAT"},
        {"data": {"quiet_for": "1m"}},
        {"push": {"branch": "main"}},
        {"event": {"source": "shop", "type": "order"}},
    ]
    keys = {trigger.key for trigger in triggers(*written)}
    assert keys == {trigger.key for trigger in triggers(*reversed(written))}
    assert keys == {"schedule:0 0 * * SAT@UTC", "data", "push:main", "event:shop:order"}


def test_a_change_of_pace_leaves_the_key() -> None:
    assert triggers({"data": {"at_least": "5 rows"}})[0].key == triggers({"data": {}, "cooldown": "1h"})[0].key


@pytest.mark.parametrize(
    ("written", "pace"),
    [
        ({"data": {}}, Pace(quiet_for=timedelta(minutes=5), at_most=timedelta(hours=1))),
        ({"data": {"quiet_for": "1m"}}, Pace(quiet_for=timedelta(minutes=1), at_most=timedelta(minutes=12))),
        (
            {"data": {"quiet_for": "0s", "at_most": "5m", "at_least": "500 rows"}, "cooldown": "2h"},
            Pace(at_most=timedelta(minutes=5), at_least=Amount(rows=500), cooldown=timedelta(hours=2)),
        ),
        ({"push": {}}, Pace(at_most=timedelta(0))),
        ({"drift": {}}, Pace(at_most=timedelta(0), cooldown=timedelta(days=1))),
        ({"drift": {"cooldown": "6h"}}, Pace(at_most=timedelta(0), cooldown=timedelta(hours=6))),
        ({"drift": {}, "cooldown": "6h"}, Pace(at_most=timedelta(0), cooldown=timedelta(hours=6))),
    ],
)
def test_a_pace_is_what_the_file_says_or_the_default(written: dict[str, Any], pace: Pace) -> None:
    assert triggers(written)[0].pace == pace


def test_other_defaults() -> None:
    data, push, api = triggers({"data": {}}, {"push": {}}, {"api": False})
    assert isinstance(data, NewData)
    assert isinstance(push, Push)
    assert isinstance(api, Api)
    assert (data.every, push.branch, push.paths, api.is_allowed) == (timedelta(minutes=10), "main", (), False)


def test_an_environment_that_is_not_there_is_refused_with_the_nearest() -> None:
    (problem,) = refused({"data": {}, "environments": ["stagign"]}, environments=BOTH)
    assert "triggers[0].environments: there is no environment stagign" in problem
    assert problem.endswith("expected staging or production; did you mean staging?")


def test_without_environments_only_production_can_be_named() -> None:
    assert triggers({"data": {}, "environments": ["production"]})[0].environments == ("production",)
    assert "expected production" in refused({"data": {}, "environments": ["live"]})[0]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"schedule": "0 0 * * SAT"}, {"schedule": "0 0 * * SAT", "timezone": "UTC"}),
        ({"data": {}}, {"data": {"at_least": "5 rows"}}),
        ({"push": {}}, {"push": {"branch": "main"}}),
        ({"drift": {}}, {"drift": {}, "environments": ["staging"]}),
    ],
)
def test_two_triggers_that_wait_for_the_same_are_refused(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert "triggers[1] waits for the same as triggers[0]" in refused(one, other, environments=BOTH)[0]


def test_a_trigger_that_repeats_the_tag_of_an_environment_is_refused() -> None:
    problems = refused({"tag": "v*"}, environments={"staging": {"tag": "v*"}})
    assert "triggers[0] waits for the same as environments.staging.tag" in problems[0]


def test_the_same_trigger_may_have_another_pace_in_another_environment() -> None:
    found = triggers(
        {"data": {"at_least": "5 rows"}, "environments": ["staging"]},
        {"data": {"at_least": "500 rows"}, "environments": ["production"]},
        environments={"staging": {}, "production": {}},
    )
    assert [trigger.pace.at_least.rows for trigger in found] == [5, 500]


def test_a_trigger_that_cannot_be_read_is_one_problem() -> None:
    assert len(refused({"event": {}}, {"schedule": "x"})) == 2
