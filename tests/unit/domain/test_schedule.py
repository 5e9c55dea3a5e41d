import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from everfit.domain.errors import RuleError
from everfit.domain.schedule import check_schedule


@pytest.mark.parametrize(
    "text",
    [
        "0 0 * * SAT",
        "*/15 8-18 * * MON-FRI",
        "0 0 1,15 JAN-MAR *",
        "5/10 * * * 7",
        "0 0 31 * *",
        "0 0 29 2 *",
        "0 0 30 2 MON",
        "cron(0 0 ? * SAT *)",
        "cron(0/5 8 L * ? 2030-2040)",
        "cron(0 0 ? * 6#3 *)",
        "rate(1 hour)",
        "rate(5 minutes)",
    ],
)
def test_a_schedule_that_can_fire_is_taken(text: str) -> None:
    assert check_schedule(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0 0 * *",
        "0 0 * * * *",
        "60 0 * * *",
        "0 24 * * *",
        "0 0 0 * *",
        "0 0 * 13 *",
        "0 0 * * 8",
        "0 0 31 2 *",
        "0 0 31 4,6 *",
        "*/0 * * * *",
        "5-1 * * * *",
        "0 0 * * SAT,",
        "0 0 * * ?",
        "@daily",
        "rate(1 hours)",
        "rate(2 hour)",
        "rate(0 hours)",
        "cron(0 0 * * SAT *)",
        "cron(0 0 ? * ? *)",
        "cron(0 0 ? * SAT)",
    ],
)
def test_a_schedule_that_cannot_fire_is_refused(text: str) -> None:
    with pytest.raises(RuleError):
        check_schedule(text)


def test_a_mistyped_day_names_the_right_one() -> None:
    with pytest.raises(RuleError) as refused:
        check_schedule("0 0 * * SATT")
    assert refused.value.nearest == "SAT"


@given(st.text(alphabet="0123456789*/-,? LW#SATcronrate()", max_size=30))
def test_any_text_is_a_schedule_or_a_rule_error(text: str) -> None:
    with contextlib.suppress(RuleError):
        assert check_schedule(text) == text.strip()
