"""The reference pages say what the code does."""

import re
from pathlib import Path

import pytest

from everfit.domain.gate import parse_rule
from everfit.domain.metric import METRICS, Direction

REFERENCE = Path(__file__).parents[3] / "docs/reference"


def test_every_metric_stands_in_its_table_with_its_direction() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \|.*?\| (higher|lower|closer to 0) \|", (REFERENCE / "metrics.md").read_text(), re.M
    )
    words = {Direction.HIGHER: "higher", Direction.LOWER: "lower", Direction.ZERO: "closer to 0"}
    assert dict(rows) == {name: words[metric.direction] for name, metric in METRICS.items()}


@pytest.mark.parametrize("text", re.findall(r"^  - (.+)$", (REFERENCE / "gate-rules.md").read_text(), re.M))
def test_every_rule_of_the_reference_page_is_read(text: str) -> None:
    assert parse_rule(text).text == text
