"""The pipeline of GitLab says what the project says."""

from typing import Any

import pytest
import yaml

from everfit.domain.ci.gitlab import gitlab_pipeline
from everfit.domain.ci.options import CiOptions, Credentials
from everfit.domain.errors import RequestError
from tests.unit.domain.ci.projects import MASK, ci


def jobs(text: str = MASK, folder: str = "", **options: Any) -> dict[str, Any]:
    file = gitlab_pipeline(ci(text, folder), CiOptions(package="everfit[aws]==1.0.0", **options))
    found: dict[str, Any] = yaml.safe_load(file.text)
    return found


def conditions(job: dict[str, Any]) -> str:
    return "\n".join(rule["if"] for rule in job["rules"])


def test_each_environment_has_a_job_of_its_own_with_its_own_tags() -> None:
    found = jobs()
    assert list(found) == ["retrain-staging", "retrain-production"]
    assert "staging-recommender-v" in conditions(found["retrain-staging"])
    assert "staging-recommender-v" not in conditions(found["retrain-production"])


def test_jobs_of_an_environment_follow_each_other() -> None:
    found = jobs()["retrain-staging"]
    assert (found["resource_group"], found["interruptible"]) == ("everfit-mask-recommender-staging", False)


def test_pushes_schedules_uploads_and_people_start_a_job() -> None:
    found = jobs(folder="python/mask")
    staging, production = conditions(found["retrain-staging"]), conditions(found["retrain-production"])
    assert '$CI_COMMIT_BRANCH == "main"' in staging
    assert all(f'$CI_PIPELINE_SOURCE == "{each}"' in staging for each in ("schedule", "web"))
    assert ('== "trigger"' in staging, '== "trigger"' in production) == (False, True)
    assert found["retrain-staging"]["rules"][0]["changes"] == [
        "python/mask/train.py",
        "python/mask/src",
        "python/mask/src/**/*",
        "shared/**/*",
    ]


def test_the_records_say_what_started_a_job() -> None:
    found = jobs()
    kinds = {name: [rule["variables"]["BECAUSE"] for rule in job["rules"]] for name, job in found.items()}
    assert kinds == {
        "retrain-staging": ["push", "tag", "schedule", "api"],
        "retrain-production": ["tag", "schedule", "data", "api"],
    }
    assert found["retrain-staging"]["script"][-1] == 'everfit run --env staging --because "$BECAUSE"'


def test_a_token_of_gitlab_takes_the_place_of_keys() -> None:
    found = jobs(audience="https://gitlab.example.com")["retrain-staging"]
    assert found["id_tokens"] == {"AWS_ID_TOKEN": {"aud": "https://gitlab.example.com"}}
    assert found["variables"]["AWS_WEB_IDENTITY_TOKEN_FILE"] in found["script"][1]
    keys = jobs(credentials=Credentials.KEYS)["retrain-staging"]
    assert ("id_tokens" in keys, "AWS_WEB_IDENTITY_TOKEN_FILE" in keys["variables"]) == (False, False)


def test_waiting_for_a_person_is_a_warning_and_rejected_is_a_failure() -> None:
    assert jobs()["retrain-staging"]["allow_failure"] == {"exit_codes": [4]}


def test_with_a_stack_data_and_clock_are_left_to_it() -> None:
    found = jobs(serverless=True)["retrain-production"]
    assert [each in conditions(found) for each in ("schedule", "trigger", "web")] == [False, False, True]
    assert found["script"][-2:] == [
        "everfit apply --env production --yes",
        'everfit trigger --env production --id "gitlab-$CI_JOB_ID" --because "$BECAUSE"',
    ]


def test_a_folder_with_odd_letters_is_quoted() -> None:
    assert "cd 'it'\"'\"'s $(here)'" in jobs(folder="it's $(here)")["retrain-staging"]["script"]


def test_a_branch_that_no_rule_can_name_is_refused() -> None:
    with pytest.raises(RequestError, match="no rule of GitLab can name the branch"):
        jobs(MASK.replace("branch: main", "branch: 'x\"y'"))
