"""Who may decide, and until when."""

from datetime import timedelta

import pytest

from everfit.domain.approval import Pending, check_decider, deadline, expired_words
from everfit.domain.errors import RefusedError
from everfit.domain.gate import ApprovalPolicy
from tests.stored import START

PENDING = Pending(version=7, environment="production", since=START, starters=frozenset({"Ada", "bot"}))


def test_without_a_policy_everybody_may_decide() -> None:
    check_decider(PENDING, ApprovalPolicy(), "anybody", approved=True)


@pytest.mark.parametrize("approved", [True, False])
def test_only_approvers_may_decide(approved: bool) -> None:
    policy = ApprovalPolicy(approvers=("Grace", "Alan"))
    check_decider(PENDING, policy, " grace ", approved=approved)
    with pytest.raises(RefusedError, match="Grace or Alan may"):
        check_decider(PENDING, policy, "ada", approved=approved)


@pytest.mark.parametrize("name", ["Ada", "ada ", "BOT"])
def test_whoever_started_the_run_may_turn_it_away_and_not_approve_it(name: str) -> None:
    policy = ApprovalPolicy(four_eyes=True)
    check_decider(PENDING, policy, name, approved=False)
    with pytest.raises(RefusedError, match="somebody else"):
        check_decider(PENDING, policy, name, approved=True)


def test_the_time_to_decide_counts_from_when_the_version_was_there() -> None:
    policy = ApprovalPolicy(expires=timedelta(days=14))
    assert (deadline(PENDING, policy), deadline(PENDING, ApprovalPolicy())) == (START + timedelta(days=14), None)
    assert expired_words(policy) == "expired: nobody decided within 14 days"
