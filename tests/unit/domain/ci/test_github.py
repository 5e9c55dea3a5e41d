"""The workflows of GitHub say what the project says, and nothing that a stranger sends gets into a script."""

import re
from typing import Any

import pytest
import yaml

from everfit.domain.ci.github import github_workflows
from everfit.domain.ci.options import CiOptions, Credentials
from everfit.domain.errors import RequestError
from tests.unit.domain.ci.projects import AWS, MASK, ci

PACKAGE = "everfit[aws]==1.0.0"


def made(text: str = MASK, folder: str = "", **options: Any) -> dict[str, Any]:
    """Return each workflow by its path; the key ``on`` reads ``True`` in YAML 1.1."""
    files = github_workflows(ci(text, folder), CiOptions(package=PACKAGE, **options)).files
    return {file.path: yaml.safe_load(file.text) for file in files}


def staging(**options: Any) -> dict[Any, Any]:
    workflow: dict[Any, Any] = made(**options)[".github/workflows/retrain-staging.yml"]
    return workflow


def steps(workflow: dict[Any, Any]) -> dict[str, Any]:
    return {
        step.get("name", step.get("uses", "").partition("@")[0]): step for step in workflow["jobs"]["retrain"]["steps"]
    }


def test_each_environment_has_its_own_workflow_with_its_own_tags() -> None:
    workflows = made()
    assert {path: each[True]["push"].get("tags") for path, each in workflows.items()} == {
        ".github/workflows/retrain-staging.yml": ["staging-recommender-v*"],
        ".github/workflows/retrain-production.yml": ["production-recommender-v*"],
    }


def test_one_environment_alone_needs_no_name_in_the_file() -> None:
    assert list(made("model: m\nenvironments: {prod: {backend: sagemaker}}\n" + AWS)) == [
        ".github/workflows/retrain.yml"
    ]
    assert next(iter(made(name="retrain-model"))) == ".github/workflows/retrain-model-staging.yml"


def test_the_project_says_what_starts_a_run() -> None:
    workflows = made(folder="python/mask")
    (one, two) = workflows.values()
    assert one[True]["push"]["branches"] == ["main"]
    assert one[True]["push"]["paths"] == ["python/mask/train.py", "python/mask/src", "python/mask/src/**", "shared/**"]
    assert ("repository_dispatch" in one[True], two[True]["repository_dispatch"]) == (
        False,
        {"types": ["dataset-upload"]},
    )
    assert "workflow_dispatch" in one[True]
    assert steps(one)["Retrain"]["working-directory"] == "python/mask"


def test_a_push_trigger_without_paths_takes_every_path() -> None:
    text = MASK.replace("  - data:", "  - push: {branch: dev}\n    environments: [staging]\n  - data:")
    push = made(text)[".github/workflows/retrain-staging.yml"][True]["push"]
    assert (push["branches"], "paths" in push) == (["main", "dev"], False)


def test_saturday_midnight_in_new_york_stays_so_in_summer_and_in_winter() -> None:
    assert staging()[True]["schedule"] == [{"cron": "0 0 * * SAT", "timezone": "America/New_York"}]


def test_a_schedule_that_github_cannot_keep_is_left_out_and_named() -> None:
    text = MASK.replace('"0 0 * * SAT"\n    timezone: America/New_York', "rate(12 hours)")
    found = github_workflows(ci(text), CiOptions(package=PACKAGE))
    assert "schedule" not in yaml.safe_load(found.files[0].text)[True]
    assert [each.schedule for each in found.left["staging"]] == ["rate(12 hours)"]


def test_with_a_stack_data_and_clock_are_left_to_it() -> None:
    workflow = made(serverless=True)[".github/workflows/retrain-production.yml"]
    assert sorted(workflow[True]) == ["push", "workflow_dispatch"]
    script = steps(workflow)["Retrain"]["run"]
    assert "everfit apply --env production --yes" in script
    assert "everfit trigger --env production" in script
    assert "everfit run" not in script


def test_runs_of_an_environment_follow_each_other_and_none_is_cut_short() -> None:
    assert staging()["concurrency"] == {"group": "everfit-mask-recommender-staging", "cancel-in-progress": False}


def test_a_workflow_may_do_no_more_than_it_must() -> None:
    workflow = staging()
    assert workflow["permissions"] == {}
    assert workflow["jobs"]["retrain"]["permissions"] == {"contents": "read", "id-token": "write"}
    keys = staging(credentials=Credentials.KEYS)
    assert keys["jobs"]["retrain"]["permissions"] == {"contents": "read"}
    assert steps(workflow)["actions/checkout"]["with"] == {"persist-credentials": False}


def test_every_action_is_pinned_to_a_commit_with_its_version_beside() -> None:
    (file, *_) = github_workflows(ci(MASK), CiOptions(package=PACKAGE)).files
    used = re.findall(r"uses: (.*)", file.text)
    assert len(used) == 3
    assert all(re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each) for each in used)


def test_no_expression_stands_in_a_script() -> None:
    scripts = [step["run"] for each in made().values() for step in steps(each).values() if "run" in step]
    assert scripts
    assert [script for script in scripts if "${{" in script] == []


def test_oidc_takes_a_role_and_no_key() -> None:
    text = github_workflows(ci(MASK), CiOptions(package=PACKAGE)).files[0].text
    assert "role-to-assume: ${{ secrets.AWS_ROLE_ARN || vars.AWS_ROLE_ARN }}" in text
    assert "AWS_SECRET_ACCESS_KEY" not in text


def test_keys_come_from_the_secrets_of_their_names_alone() -> None:
    environment = steps(staging(credentials=Credentials.KEYS))["Retrain"]["env"]
    names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
    assert {name: environment[name] for name in names} == {name: f"${{{{ secrets.{name} }}}}" for name in names}
    assert environment["AWS_REGION"] == "us-east-1"
    assert "Sign in to AWS" not in steps(staging(credentials=Credentials.KEYS))


def test_what_the_project_leaves_open_is_a_secret_or_a_variable_of_that_name() -> None:
    text = MASK.replace("us-east-1", "'${AWS_REGION}'") + "alerts: [{slack: '${SLACK}'}]\nbudget: ${RUNS}\n"
    workflow = made(text, defaults={"RUNS": "it's 5"})[".github/workflows/retrain-staging.yml"]
    environment = steps(workflow)["Retrain"]["env"]
    assert environment["SLACK"] == "${{ secrets.SLACK || vars.SLACK }}"
    assert environment["RUNS"] == "${{ secrets.RUNS || vars.RUNS || 'it''s 5' }}"
    assert steps(workflow)["Sign in to AWS"]["with"]["aws-region"] == "${{ secrets.AWS_REGION || vars.AWS_REGION }}"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"package": "everfit; rm -rf /\n"}, "nothing that pip could install"),
        ({"name": "../../etc/passwd"}, "a name of a file"),
        ({"defaults": {"NOPE": "1"}}, "has no \\${NOPE}"),
    ],
)
def test_a_wrong_option_is_told_in_a_sentence(options: dict[str, Any], words: str) -> None:
    with pytest.raises(RequestError, match=words):
        github_workflows(ci(MASK), CiOptions(**{"package": PACKAGE, **options}))


def test_a_default_cannot_break_out_of_its_expression() -> None:
    with pytest.raises(RequestError, match="no workflow can hold"):
        github_workflows(ci(MASK + "budget: ${RUNS}\n"), CiOptions(package=PACKAGE, defaults={"RUNS": "5' }} ${{ x"}))


def test_a_name_that_github_keeps_for_itself_is_refused() -> None:
    with pytest.raises(RequestError, match="GitHub keeps names"):
        github_workflows(ci(MASK + "budget: ${GITHUB_RUNS}\n"), CiOptions(package=PACKAGE))


def test_the_same_project_gives_the_same_text() -> None:
    first, second = (github_workflows(ci(MASK), CiOptions(package=PACKAGE)).files for _ in range(2))
    assert first == second
