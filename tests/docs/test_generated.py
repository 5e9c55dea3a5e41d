"""What is made from the code is what the code gives now."""

import importlib.util
from types import ModuleType

import pytest

from everfit.domain import run, version
from tests.docs.pages import ROOT


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_generated_page_is_up_to_date(generator: ModuleType) -> None:
    late = [path for path, text in generator.generated().items() if path.read_text(encoding="utf-8") != text]
    assert late == [], "run: make docs"


def test_a_diagram_shows_every_state_and_every_move(generator: ModuleType) -> None:
    diagram = generator.state_diagram(version.TRANSITIONS, iter([version.Standing.APPROVED]))
    assert all(f'state "{standing.value}"' in diagram for standing in version.Standing)
    arrows = sum(line.count("-->") for line in diagram.splitlines() if "[*]" not in line)
    assert arrows == sum(len(moves) for moves in version.TRANSITIONS.values())
    assert "REJECTED --> [*]" in diagram


def test_the_diagram_of_a_run_begins_where_a_run_begins(generator: ModuleType) -> None:
    assert "[*] --> QUEUED" in (ROOT / "docs" / "concepts" / "runs.md").read_text()
    assert run.Run.__dataclass_fields__["state"].default is run.RunState.QUEUED
