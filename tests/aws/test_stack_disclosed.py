"""What people should know before they apply is said: what is not protected, and who may do what."""

from collections.abc import Callable

import pytest

from everfit.adapters.aws.permissions import Role
from everfit.adapters.aws.stack.disclosures import ROLE_WORDS, rights, unprotected
from everfit.adapters.aws.stack.functions import log_days
from everfit.adapters.aws.stack.outside import BucketFacts
from everfit.adapters.aws.stack.patterns import patterns
from everfit.domain.units import duration
from tests.aws.bench.patterns import matches
from tests.aws.blueprints import ACCOUNT, FULL, FUNCTION, PLAIN, blueprint

GOOD = BucketFacts(keeps_versions=True, tells=True, has_policy=True)
WATCHED = PLAIN + "triggers: [{data: {quiet_for: 5m, every: 20m}}]\n"


def said(text: str, own: BucketFacts | None = None, *, tells: bool | None = True) -> str:
    return "\n".join(unprotected(blueprint(text), own, tells=tells))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("Alarms tell nobody", lambda: said(PLAIN)),
        ("keeps no versions", lambda: said(PLAIN, BucketFacts(keeps_versions=False, tells=True, has_policy=True))),
        ("answers without TLS", lambda: said(PLAIN, BucketFacts(keeps_versions=True, tells=True, has_policy=False))),
        ("does not tell EventBridge of new objects", lambda: said(WATCHED, tells=False)),
        ("may not tell EventBridge of new objects", lambda: said(WATCHED, tells=None)),
        ("at all of it every 0:20:00", lambda: said(WATCHED, tells=False)),
        ("must let CloudTrail write", lambda: said(FULL, GOOD)),
        ("not encrypted by aws.key", lambda: said(FULL)),
        ("everfit ci github", lambda: said(FULL)),
        ("tell nobody by email", lambda: said(PLAIN + "alerts: [{email: ml-team@example.com}]\n")),
    ],
)
def test_what_is_not_protected_is_said(words: str, told: Callable[[], str]) -> None:
    assert words in told()


def test_nothing_is_said_of_what_is_protected() -> None:
    text = WATCHED.replace("bucket: everfit-bench", "bucket: everfit-bench, names: {topic: t}")
    assert said(text, GOOD) == ""


def test_an_alert_for_another_environment_is_nothing_to_be_said_here() -> None:
    text = PLAIN.replace("environments:", "environments:\n  local: {endpoint: x}")
    assert "tell nobody by" not in said(text + "alerts: [{email: a@example.com, environments: [local]}]\n")


@pytest.mark.parametrize("text", [PLAIN, FULL, FUNCTION])
def test_every_role_of_the_stack_is_told_with_its_reasons_and_real_resources(text: str) -> None:
    found = rights(blueprint(text), ACCOUNT)
    assert {right.who for right in found} == {ROLE_WORDS[role] for role in blueprint(text).roles}
    assert all(right.why and right.actions and right.resources for right in found)
    assert not any("{" in each or "AWS::" in each for right in found for each in right.resources)


def test_a_role_that_is_given_is_not_made() -> None:
    text = PLAIN.replace("bucket: everfit-bench", f"bucket: everfit-bench, role: arn:aws:iam::{ACCOUNT}:role/mine")
    assert Role.JOB not in blueprint(text).roles
    assert blueprint(text).role_arn(Role.JOB) == f"arn:aws:iam::{ACCOUNT}:role/mine"


def created(key: str, bucket: str = "everfit-data") -> dict[str, object]:
    return {
        "source": "aws.s3",
        "detail-type": "Object Created",
        "detail": {"bucket": {"name": bucket}, "object": {"key": key}},
    }


@pytest.mark.parametrize(
    ("source", "key", "bucket", "is_taken"),
    [
        ("s3://everfit-data/raw/", "raw/2026.csv", "everfit-data", True),
        ("s3://everfit-data/raw/", "other/2026.csv", "everfit-data", False),
        ("s3://everfit-data/raw/", "raw/2026.csv", "somebody-elses", False),
        ("s3://everfit-data/raw/*.csv", "raw/2026.csv", "everfit-data", True),
        ("s3://everfit-bench/", "2026.csv", "everfit-bench", True),
        ("s3://everfit-bench/", "everfit/state.db", "everfit-bench", False),
        ("s3://everfit-bench/raw/", "everfit/runs/1/report.json", "everfit-bench", False),
    ],
)
def test_new_data_is_heard_of_and_what_everfit_writes_itself_is_not(
    source: str, key: str, bucket: str, *, is_taken: bool
) -> None:
    text = WATCHED.replace("s3://everfit-data/raw/", source)
    (_, pattern) = patterns(blueprint(text))["DataRule"]
    assert matches(pattern, created(key, bucket)) is is_taken


@pytest.mark.parametrize(
    ("wanted", "kept"), [("1d", 1), ("30d", 30), ("31d", 60), ("45d", 60), ("400d", 400), ("20000d", 3653)]
)
def test_logs_are_kept_for_the_next_time_that_cloudwatch_knows(wanted: str, kept: int) -> None:
    assert log_days(duration(wanted)) == kept
