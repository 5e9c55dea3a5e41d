"""What a Lambda function that serves promises, against the bench."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.function_package import function_package
from everfit.adapters.aws.functions import FunctionEndpoints
from everfit.adapters.aws.pace import Pace
from everfit.domain.endpoint import ServedVersion
from everfit.domain.errors import FencedError, RefusedError, RunFailedError
from everfit.domain.project import Environment, Hosting
from tests.aws.bench.client import Bench
from tests.aws.hosted import Hosted, environment, restored, shifted
from tests.aws.killing import Death, Killed, dying
from tests.integration.served_models import Models, proof

BAKE = timedelta(minutes=10)
THEIR_CODE = "def handler(event, context):\n    import os\n    return {'model': os.environ['MODEL_VERSION']}\n"


@dataclass
class Watch:
    """A clock that a test sets."""

    seconds: float = 1_000.0

    def now(self) -> float:
        return self.seconds


@pytest.fixture
def hosted(bench: Bench, aws_clients: Clients, tmp_path: Path) -> Hosted:
    return Hosted(bench=bench, clients=aws_clients, models=Models(home=tmp_path))


@pytest.fixture
def watch() -> Watch:
    return Watch()


def canary(*steps: float, bake: timedelta = BAKE) -> Environment:
    rollout = {"strategy": "canary", "steps": steps, "bake": bake}
    return environment(hosting=Hosting.FUNCTION, rollout=rollout)


def functions(hosted: Hosted, watch: Watch, of: Environment) -> FunctionEndpoints:
    pace = Pace(interval=timedelta(milliseconds=5), now=watch.now)
    return hosted.functions(of, pace=pace)


def step(endpoints: FunctionEndpoints, version: ServedVersion, fence: int = 1) -> bool:
    """Take the step of a deployment that can be taken now."""
    endpoints.stage("solar", version, fence=fence)
    return endpoints.shift("solar", {version.version: 1.0}, [proof(version)], fence=fence)


def weights(endpoints: FunctionEndpoints) -> dict[int, float]:
    state = endpoints.describe("solar")
    assert state is not None
    return dict(state.weights)


@pytest.fixture
def quick(hosted: Hosted) -> Hosted:
    """A function of one's own that starts at once, where what it runs does not matter."""
    hosted.own_function()
    return hosted


def variables(hosted: Hosted) -> Mapping[str, str]:
    found: dict[str, Any] = hosted.clients("lambda").get_function_configuration(FunctionName="solar")
    kept: Mapping[str, str] = found["Environment"]["Variables"]
    return kept


def their_function(hosted: Hosted, tags: Mapping[str, str] | None = None) -> None:
    """Make a function as its owner did before Everfit came."""
    hosted.own_function(
        code=THEIR_CODE,
        Environment={"Variables": {"STORE": "prices", "MODEL_URL": "s3://elsewhere/model.pkl"}},
        MemorySize=2048,
        Tags=dict(tags or {}),
    )


def alarm(version: int, number: int) -> str:
    return f"solar-rollout-v{version}-{number}-5xx"


def test_traffic_moves_step_by_step_and_bakes_after_each(hosted: Hosted, watch: Watch) -> None:
    endpoints = functions(hosted, watch, canary(0.1, 0.5))
    shifted(endpoints, hosted.version(1))
    new = hosted.version(2)
    seen = []
    for _ in range(3):
        assert not step(endpoints, new)
        seen.append(weights(endpoints))
        watch.seconds += BAKE.total_seconds()
    assert seen == [{1: 0.9, 2: 0.1}, {1: 0.5, 2: 0.5}, {2: 1.0}]
    assert step(endpoints, new)


def test_an_alarm_between_two_steps_gives_all_traffic_back(quick: Hosted, watch: Watch) -> None:
    endpoints = functions(quick, watch, canary(0.1))
    shifted(endpoints, quick.version(1))
    assert not step(endpoints, quick.version(2))
    quick.bench.alarm(alarm(2, 2))
    with pytest.raises(RunFailedError, match=r"solar-rollout-v2-2-5xx rings\. What served before serves"):
        step(endpoints, quick.version(2))
    assert weights(endpoints) == {1: 1.0}
    with pytest.raises(RunFailedError, match="rings"):
        step(functions(quick, watch, canary(0.1)), quick.version(2), fence=2)
    assert weights(endpoints) == {1: 1.0}


def test_an_alarm_that_somebody_deletes_gives_all_traffic_back(quick: Hosted, watch: Watch) -> None:
    endpoints = functions(quick, watch, canary(0.1))
    shifted(endpoints, quick.version(1))
    assert not step(endpoints, quick.version(2))
    quick.clients("cloudwatch").delete_alarms(AlarmNames=[alarm(2, 2)])
    with pytest.raises(RunFailedError, match="is missing"):
        step(endpoints, quick.version(2))
    assert weights(endpoints) == {1: 1.0}


def test_an_alias_that_somebody_moves_is_left_to_them(quick: Hosted, watch: Watch) -> None:
    endpoints = functions(quick, watch, canary(0.1))
    shifted(endpoints, quick.version(1))
    assert not step(endpoints, quick.version(2))
    by_hand = {"AdditionalVersionWeights": {"2": 0.7}}
    quick.clients("lambda").update_alias(FunctionName="solar", Name="live", FunctionVersion="1", RoutingConfig=by_hand)
    with pytest.raises(RunFailedError, match="somebody else moved the alias"):
        step(endpoints, quick.version(2))
    assert weights(endpoints) == {1: 0.3, 2: 0.7}


def test_the_way_back_does_not_wait_for_a_rollout_that_is_under_way(quick: Hosted, watch: Watch) -> None:
    endpoints = functions(quick, watch, canary(0.1))
    shifted(endpoints, quick.version(1))
    assert not step(endpoints, quick.version(2))
    restored(endpoints, quick.version(1))
    assert weights(endpoints) == {1: 1.0}


def test_of_two_controllers_only_the_newer_one_moves_the_alias(quick: Hosted, watch: Watch) -> None:
    older, newer = (functions(quick, watch, canary(0.1)) for _ in range(2))
    shifted(older, quick.version(1))
    older.stage("solar", quick.version(2), fence=1)
    newer.stage("solar", quick.version(2), fence=2)
    with pytest.raises(FencedError):
        older.shift("solar", {2: 1.0}, [proof(quick.version(2))], fence=1)
    assert weights(newer) == {1: 1.0}


def test_a_function_of_ones_own_keeps_its_code_and_its_variables(hosted: Hosted, watch: Watch) -> None:
    their_function(hosted)
    endpoints = functions(hosted, watch, environment(hosting=Hosting.FUNCTION))
    version = replace(hosted.version(3), sample=None)
    shifted(endpoints, version)
    assert variables(hosted)["STORE"] == "prices"
    assert variables(hosted)["MODEL_URL"].endswith("/models/houses/3/model.tar.gz")
    found = hosted.clients("lambda").get_function(FunctionName="solar")
    assert found["Configuration"]["MemorySize"] == 2048
    assert found["Tags"]["everfit:model"] == "houses"
    assert json.loads(endpoints.invoke("solar", b"{}", "application/json", "*/*").body) == {"model": "3"}


def test_a_function_of_another_environment_is_left_alone(hosted: Hosted, watch: Watch) -> None:
    """`rollback` verifies that the old version exists, has the right digest and loads, before it moves anything; it
    restores all parts together and leaves other environments alone.
    """
    their_function(hosted, {"everfit:model": "houses", "everfit:environment": "staging"})
    endpoints = functions(hosted, watch, environment(hosting=Hosting.FUNCTION))
    with pytest.raises(RefusedError, match="belongs to houses in staging"):
        endpoints.stage("solar", hosted.version(1), fence=1)
    assert variables(hosted)["MODEL_URL"] == "s3://elsewhere/model.pkl"


def test_the_same_version_with_other_settings_is_published_anew(hosted: Hosted, watch: Watch) -> None:
    small = environment(hosting=Hosting.FUNCTION)
    large = replace(small, function=replace(small.function, memory=3008))
    shifted(functions(hosted, watch, small), hosted.version(1))
    shifted(functions(hosted, watch, large), hosted.version(1), fence=2)
    found = hosted.clients("lambda").get_function_configuration(FunctionName="solar", Qualifier="live")
    assert (found["Version"], found["MemorySize"]) == ("2", 3008)


def test_a_version_that_another_alias_uses_outlives_the_cleaning(quick: Hosted, watch: Watch) -> None:
    endpoints = functions(quick, watch, environment(hosting=Hosting.FUNCTION))
    shifted(endpoints, quick.version(1))
    quick.clients("lambda").create_alias(FunctionName="solar", Name="audit", FunctionVersion="1")
    for number in (2, 3):
        shifted(endpoints, quick.version(number))
    endpoints.settle("solar", [], fence=1)
    left = quick.clients("lambda").list_versions_by_function(FunctionName="solar")["Versions"]
    assert [each["Version"] for each in left] == ["$LATEST", "1", "3"]


WRITES = (
    "PutObject",
    "UpdateFunctionConfiguration",
    "PublishVersion",
    "UpdateAlias",
    "PutMetricAlarm",
)


def test_a_kill_after_any_write_ends_with_the_version_that_was_owed(quick: Hosted, watch: Watch) -> None:
    """Killing the service at any moment, then starting it again: the deployment that was owed happens, once."""
    of = environment(hosting=Hosting.FUNCTION)
    shifted(functions(quick, watch, of), quick.version(1))
    number, is_over = 1, False
    while not is_over:
        number += 1
        version, death = replace(quick.version(number), sample=None), Death(number - 1, "after", WRITES)
        try:
            with dying(quick.clients, ("s3", "lambda", "cloudwatch"), death):
                shifted(functions(quick, watch, of), version, fence=2 * number)
            is_over = True
        except Killed:
            shifted(functions(quick, watch, of), version, fence=2 * number + 1)
        assert weights(functions(quick, watch, of)) == {number: 1.0}
    listed = quick.clients("lambda").list_versions_by_function(FunctionName="solar")["Versions"]
    assert [each["Version"] for each in listed][1:] == [str(each) for each in range(1, number + 1)]


@pytest.mark.parametrize(
    "operation", ["CreateFunction", "PublishVersion", "UpdateFunctionConfiguration", "CreateAlias"]
)
def test_an_answer_that_is_lost_is_settled_by_looking(hosted: Hosted, watch: Watch, operation: str) -> None:
    if operation != "CreateFunction":
        hosted.own_function()
    endpoints = functions(hosted, watch, environment(hosting=Hosting.FUNCTION))
    hosted.bench.lose_answer("lambda", operation)
    for number in (1, 2):
        shifted(endpoints, hosted.version(number))
    assert weights(endpoints) == {2: 1.0}
    listed = hosted.clients("lambda").list_versions_by_function(FunctionName="solar")["Versions"]
    assert len(listed) == 3


def test_a_role_that_lambda_cannot_take_is_told_in_one_sentence(hosted: Hosted, watch: Watch) -> None:
    hosted.function_role = hosted.role
    endpoints = functions(hosted, watch, environment(hosting=Hosting.FUNCTION))
    with pytest.raises(RunFailedError, match=r"cannot be assumed by Lambda\. Nothing was shifted"):
        endpoints.stage("solar", hosted.version(1), fence=1)


def test_a_model_whose_bytes_were_changed_is_not_loaded(hosted: Hosted, watch: Watch) -> None:
    endpoints = functions(hosted, watch, environment(hosting=Hosting.FUNCTION))
    shifted(endpoints, hosted.version(1))
    hosted.bench.ask("cold")
    hosted.clients("s3").put_object(Bucket="everfit-bench", Key="everfit/models/houses/1/model.tar.gz", Body=b"other")
    answer = endpoints.invoke("solar", b"7", "text/csv", "text/plain")
    assert answer.status == 424
    assert b"holds other bytes" in answer.body


def test_a_direct_call_is_answered_without_the_form_of_http(hosted: Hosted, watch: Watch) -> None:
    shifted(functions(hosted, watch, environment(hosting=Hosting.FUNCTION)), hosted.version(1))
    called = hosted.clients("lambda").invoke(FunctionName="solar", Qualifier="live", Payload=b'{"rows": [1]}')
    assert json.loads(called["Payload"].read()) == '1:1:{"rows": [1]}'


def test_the_package_is_small_and_the_same_each_time() -> None:
    first = function_package()
    function_package.cache_clear()
    assert function_package() == first
    assert len(first.content) < 200_000
