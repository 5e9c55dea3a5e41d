"""What the pages say is there, is there."""

import re
from pathlib import Path

import click
import pytest

from everfit.adapters.local.job_result import lose
from everfit.adapters.local.project_file import read_project
from everfit.domain.job import JobFailure
from everfit.domain.run import Outcome
from everfit.interfaces.cli import exit_codes
from everfit.interfaces.cli.main import COMMANDS, everfit
from everfit.jobs.supervision.ending import Facts, message_of
from tests.docs.pages import PAGES, ROOT, anchors, blocks, called_commands, links, name_of, spans

SOURCE = ROOT / "src" / "everfit"
PACKAGES = sorted(folder.name for folder in SOURCE.iterdir() if (folder / "__init__.py").exists())
CLI = ROOT / "docs" / "reference" / "cli.md"
FAILURES = ROOT / "docs" / "guides" / "when-something-fails.md"
VARIABLES = {
    "SLACK_WEBHOOK": "https://hooks.slack.example/T0/B1",
    "TEAMS_WORKFLOW": "https://teams.example/workflows/1",
    "PAGER": "ntfy://pager",
}
OF_A_SCRIPT = "--trees"
"""An argument of the training script that the guides speak of."""
PROJECTS = [(page, text) for page in PAGES for text in blocks(page, "yaml") if re.match(r"(#.*\n)*model:", text)]


def options_of(name: str) -> set[str]:
    command = everfit.get_command(click.Context(everfit), name)
    assert command is not None
    below = command.commands.values() if isinstance(command, click.Group) else ()
    return {option for each in (command, *below) for given in each.params for option in given.opts} | {"--help", "-h"}


@pytest.mark.parametrize("package", PACKAGES)
def test_the_architecture_names_every_package(package: str) -> None:
    assert f"`{package}/`" in (ROOT / "docs" / "concepts" / "architecture.md").read_text()


def test_the_architecture_names_every_folder_of_adapters() -> None:
    text = (ROOT / "docs" / "concepts" / "architecture.md").read_text()
    folders = {folder.name for folder in (SOURCE / "adapters").iterdir() if (folder / "__init__.py").exists()}
    assert all(f"`{folder}/`" in text for folder in folders)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_is_in_the_readme_and_in_the_reference(command: str) -> None:
    assert f"`everfit {command}" in (ROOT / "README.md").read_text()
    assert re.search(rf"^### everfit {command}( \w+)?$", CLI.read_text(), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page if not path else (page.parent / path).resolve()
        assert target.exists(), f"{name_of(page)} links {link}"
        assert not anchor or anchor in anchors(target), f"{name_of(page)} links {link}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_page_names_a_command_or_an_option_that_does_not_exist(page: Path) -> None:
    for words in called_commands(page):
        name = words[0]
        if name.startswith("-") or not name.isidentifier() or name.isupper():
            continue
        assert name in COMMANDS, f"{name_of(page)} calls everfit {' '.join(words)}"
        wanted = {word.split("=")[0].rstrip(".,;:") for word in words[1:] if re.match(r"--?[a-z]", word)}
        assert wanted <= options_of(name), f"{name_of(page)} calls everfit {' '.join(words)}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_page_names_an_option_that_no_command_has(page: Path) -> None:
    known = {option for name in COMMANDS for option in options_of(name)} | {"--version", OF_A_SCRIPT}
    named = {match[0] for span in spans(page) if (match := re.match(r"--[a-z-]+", span))}
    assert named <= known


@pytest.mark.parametrize("failure", JobFailure)
def test_every_way_a_job_can_fail_is_in_the_guide(failure: JobFailure, tmp_path: Path) -> None:
    quoted = [words.strip("…. ") for span in spans(FAILURES) for words in span.split("…")]
    facts = Facts("train.py", -9 if failure is JobFailure.KILLED else 1)
    message = str(lose(tmp_path)["message"]) if failure is JobFailure.LOST else message_of(facts, failure.value)
    assert any(words in message for words in quoted if " " in words), message


def test_every_exit_code_is_documented() -> None:
    text = CLI.read_text()
    codes = {exit_codes.OK, *exit_codes.BY_OUTCOME.values(), *(code for _, code in exit_codes.BY_ERROR)}
    documented = dict(re.findall(r"^\| (\d+) \| (.+) \|$", text, re.MULTILINE))
    assert {str(code) for code in codes} <= documented.keys()
    for outcome, code in exit_codes.BY_OUTCOME.items():
        words = documented[str(code)]
        assert (outcome.value if outcome is not Outcome.NEEDS_APPROVAL else "needs approval") in words


@pytest.mark.parametrize(
    ("page", "text"), PROJECTS, ids=[f"{name_of(page)} {number}" for number, (page, _) in enumerate(PROJECTS)]
)
def test_every_project_file_in_the_pages_is_a_right_one(page: Path, text: str, tmp_path: Path) -> None:
    (tmp_path / "everfit.yaml").write_text(text)
    assert read_project(tmp_path, VARIABLES).model


def test_every_decision_has_its_four_parts() -> None:
    for page in sorted((ROOT / "docs" / "decisions").glob("*.md")):
        text = page.read_text()
        parts = ("Status: ", "## Context", "## Decision", "## Consequences", "Good: ", "Bad: ")
        assert [part for part in parts if part not in text] == [], name_of(page)


def test_the_readme_links_every_page_of_the_documentation() -> None:
    linked = {(ROOT / link.partition("#")[0]).resolve() for link in links(ROOT / "README.md")}
    assert [name_of(page) for page in PAGES if page.is_relative_to(ROOT / "docs") and page not in linked] == []


def test_the_changelog_has_a_place_for_what_is_new() -> None:
    assert re.search(r"^## \[?Unreleased\]?$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_the_commands_of_the_readme_for_make_are_there() -> None:
    targets = set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    wanted = set(re.findall(r"^make (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE))
    assert wanted == {"demo", "test"}
    assert wanted <= targets
