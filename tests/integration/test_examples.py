"""The five example projects: on this machine each does what it is there to show, and for AWS each says it right."""

import ast
import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from everfit.adapters.local.project_file import read_ci_project, read_project
from everfit.domain.ci.github import github_workflows
from everfit.domain.ci.options import CiOptions, Credentials
from everfit.domain.project import Environment, Hosting, Project
from everfit.domain.release_name import tag_name
from everfit.domain.triggers import Schedule, Tag
from tests.listening import Heard, web_server
from tests.projects import LineProject, Result
from tests.service import RunningService, until

EXAMPLES = Path(__file__).parents[2] / "examples"


class Example(LineProject):
    """A copy of an example, with its variables."""

    def __init__(self, name: str, folder: Path) -> None:
        self.folder = folder / name
        self._started = []
        kept_out = shutil.ignore_patterns("data", ".everfit", "__pycache__")
        shutil.copytree(EXAMPLES / name, self.folder, ignore=kept_out)
        self.variables = variables_of(name)

    def environment(self, **variables: str) -> dict[str, str]:
        return super().environment(**self.variables, **variables)

    def data(self, *arguments: str) -> None:
        """Make up data, as a person would who follows the README."""
        subprocess.run([sys.executable, "data.py", *arguments], cwd=self.folder, check=True)

    def run(self, environment: str = "local") -> Result:
        return self.everfit("run", "--env", environment, "--json")

    def served(self, environment: str = "local") -> list[int]:
        rows = self.everfit("history", "--env", environment, "--json").json
        return [row["version"] for row in rows][::-1]

    def tells(self, port: int, **channel: object) -> None:
        """Add a channel that the runs on this machine tell."""
        told = json.dumps({"webhook": f"http://127.0.0.1:{port}/", "environments": ["local"], **channel})
        text = (self.folder / "everfit.yaml").read_text()
        self.write("everfit.yaml", re.sub(r"^alerts:.*$", f"alerts:\n  - {told}", text, flags=re.MULTILINE))


def variables_of(name: str) -> Mapping[str, str]:
    path = EXAMPLES / name / "settings.env"
    lines = path.read_text().splitlines() if path.exists() else []
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


@contextmanager
def example(name: str, folder: Path) -> Iterator[Example]:
    made = Example(name, folder)
    try:
        yield made
    finally:
        made.down()


def project(name: str) -> Project:
    return read_project(EXAMPLES / name, variables_of(name))


def on_aws(name: str, environment: str = "production") -> Environment:
    found = project(name).environments[environment]
    assert found.aws is not None
    return found


def told(heard: Heard) -> list[tuple[str, str]]:
    """Return kind and body of what a channel was told."""
    messages: list[dict[str, Any]] = [json.loads(body) for body in heard.bodies]
    return [(each["kind"], each["body"]) for each in messages]


def test_leaves_are_learnt_and_a_new_class_is_caught_before_it_is_trained(tmp_path: Path) -> None:
    with example("plant-doctor", tmp_path) as plants:
        plants.data()
        assert plants.everfit("check", "--env", "local").code == 0
        first = plants.run()
        assert (first.code, first.json["outcome"], first.json["version"]) == (0, "deployed", 1)
        leaf = plants.folder / "data" / "late_blight" / "late_blight-0003.png"
        answer = plants.everfit("predict", "--env", "local", "--json", str(leaf)).json
        assert answer["body"]["predictions"] == ["late_blight"]
        plants.data("--class", "mosaic_virus", "--count", "15")
        caught = plants.run()
        assert (caught.code, caught.json["outcome"], caught.json["version"]) == (3, "rejected", None)
        assert "The class mosaic_virus is new" in caught.json["reason"]
        assert plants.served() == [1]


def test_a_solar_model_below_its_threshold_is_rejected_and_nobody_hears_of_success(tmp_path: Path) -> None:
    with example("solar-power", tmp_path) as solar, web_server() as good, web_server() as bad:
        solar.tells(good.port, on=["deployed"])
        solar.tells(bad.port, on=["rejected"])
        solar.data()
        assert solar.run().json["outcome"] == "deployed"
        solar.data("--until", "2024-09", "--broken", "2024-09")
        worse = solar.run()
        assert (worse.code, worse.json["outcome"], worse.json["champion_after"]) == (3, "rejected", 1)
        assert ([kind for kind, _ in told(good)], [kind for kind, _ in told(bad)]) == (["deployed"], ["rejected"])
        assert "r2 >= 0.95" in told(bad)[0][1]


def test_a_forecast_over_its_threshold_asks_a_person_in_the_words_that_were_promised(tmp_path: Path) -> None:
    with example("ticket-forecast", tmp_path) as tickets, web_server() as heard:
        tickets.tells(heard.port, on=["needs approval"], template="threshold")
        tickets.data()
        assert tickets.run().json["outcome"] == "deployed"
        assert tickets.run().json["outcome"] == "skipped"
        tickets.data("--until", "2024-05-31", "--unruly-from", "2024-02-01")
        waiting = tickets.run()
        assert (waiting.code, waiting.json["outcome"], waiting.json["champion_after"]) == (4, "needs approval", 1)
        mape = waiting.json["metrics"]["challenger"]["mape"]
        assert 20 <= mape < 100
        words = f"New model exceeded MAPE threshold. MAPE: {mape:.1f}%, Threshold: 20.0%. "
        (message,) = [json.loads(body) for body in heard.bodies]
        assert message["subject"] == "Model Needs Manual Approval"
        assert message["body"] == f"{words}Please review and approve manually."
        approved = tickets.everfit("approve", "2", "--env", "local", "--reason", "the flood is real")
        assert (approved.code, tickets.served()) == (0, [1, 2])


def test_staging_and_production_of_the_masks_leave_each_other_alone(tmp_path: Path) -> None:
    with example("mask-recommender", tmp_path) as masks:
        masks.data()
        assert masks.run("local-staging").json["outcome"] == "deployed"
        assert masks.served("local") == []
        masks.data("--more", "1")
        assert masks.run("local-staging").json["outcome"] == "deployed"
        assert masks.everfit("rollback", "--env", "local-staging").code == 0
        assert (masks.served("local-staging"), masks.served("local")) == ([1, 2, 1], [])
        masks.edit("everfit.yaml", "  local:\n", "  local:\n    promote_from: local-staging\n")
        promoted = masks.everfit("promote", "--to", "local", "--json")
        assert (promoted.code, promoted.json["version"], masks.served("local")) == (0, 1, [1])


def test_a_model_is_deployed_once_when_its_training_is_done_also_after_a_kill(tmp_path: Path) -> None:
    folder = tmp_path / "sentiment"
    with example("sentiment", tmp_path) as reviews:
        reviews.data()
        reviews.edit("train.py", "    texts, labels = read(arguments.train)", SLOWLY)
        with RunningService(folder) as service:
            asked = service.post("/bootstrap?auto_deploy=true&environment=local")
            job = asked.json["training_job_name"]
            assert (asked.status, job.startswith("ml-sentiment.local.")) == (202, True)
            until((folder / "training").exists)
            service.kill()
            service.start()
            (folder / "go-on").touch()
            until(lambda: service.get(f"/status/{job}")["status"] == "Completed")
            until(lambda: reviews.served() == [1])
            before = service.get("/endpoint-status?environment=local")["last_modified_time"]
            assert service.post(f"/deploy/{job}").status < 300
            assert service.get("/endpoint-status?environment=local")["last_modified_time"] == before
            assert service.end() == 0
        assert reviews.served() == [1]


SLOWLY = """\
    import time

    Path(__file__).parents[6].joinpath("training").touch()
    while not Path(__file__).parents[6].joinpath("go-on").exists():
        time.sleep(0.05)
    texts, labels = read(arguments.train)"""
"""The code of a job lies in .everfit/runs/<run>/<job>/ml/code of the project folder."""


def test_the_leaves_take_every_setting_of_their_table_from_a_variable() -> None:
    settings = variables_of("plant-doctor")
    found = on_aws("plant-doctor")
    assert found.aws is not None
    assert found.data is not None
    assert (found.endpoint, found.data.source) == ("plant-doctor-endpoint", "s3://plant-doctor-photos/leaves/")
    assert (found.aws.bucket, found.aws.prefix, found.aws.region) == (
        "plant-doctor-models",
        "plant-doctor",
        "us-east-1",
    )
    assert found.aws.role == settings["SAGEMAKER_EXECUTION_ROLE"]
    training = project("plant-doctor").train
    assert training.hyperparameters == {"epochs": 200}
    assert (training.sagemaker["instance"], training.sagemaker["count"]) == ("ml.m5.xlarge", 1)
    assert str(training.sagemaker["image"]).endswith("/tensorflow-training:2.12-cpu-py39")
    text = (EXAMPLES / "plant-doctor" / "everfit.yaml").read_text()
    assert set(re.findall(r"\$\{(\w+)\}", text)) == settings.keys()


TABLE = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "SAGEMAKER_EXECUTION_ROLE",
    "TRAINING_DATA_BUCKET",
    "TRAINING_DATA_PREFIX",
    "MODEL_ARTIFACT_BUCKET",
    "MODEL_ARTIFACT_PREFIX",
    "SAGEMAKER_ENDPOINT",
    "TRAIN_INSTANCE_TYPE",
    "TRAIN_INSTANCE_COUNT",
    "ENDPOINT_INSTANCE_TYPE",
    "ENDPOINT_INSTANCE_COUNT",
    "TRAIN_EPOCHS",
    "TENSORFLOW_FRAMEWORK_VERSION",
    "TENSORFLOW_PY_VERSION",
}


def test_the_workflow_of_the_leaves_takes_every_secret_of_the_table() -> None:
    options = CiOptions(package="everfit[aws]", credentials=Credentials.KEYS, defaults={"TRAIN_EPOCHS": "200"})
    (file,) = github_workflows(read_ci_project(EXAMPLES / "plant-doctor"), options).files
    assert file.path == ".github/workflows/retrain.yml"
    assert set(re.findall(r"secrets\.(\w+)", file.text)) == TABLE
    events = yaml.safe_load(file.text)[True]
    assert (events["push"]["branches"], events["repository_dispatch"]["types"]) == (["main"], ["dataset-upload"])


def test_the_masks_keep_the_names_of_their_workflows() -> None:
    made = github_workflows(
        read_ci_project(EXAMPLES / "mask-recommender"), CiOptions(package="everfit[aws]", name="retrain-model")
    )
    triggers = {Path(file.path).name: yaml.safe_load(file.text)[True] for file in made.files}
    assert {name: events["push"]["tags"] for name, events in triggers.items()} == {
        "retrain-model-staging.yml": ["staging-recommender-v*"],
        "retrain-model-production.yml": ["production-recommender-v*"],
    }
    weekly = [{"cron": "0 0 * * SAT", "timezone": "America/New_York"}]
    assert [events["schedule"] for events in triggers.values()] == [weekly, weekly]


def test_solar_has_the_threshold_and_names_that_were_promised() -> None:
    solar, found = project("solar-power"), on_aws("solar-power").aws
    assert found is not None
    assert "r2 >= 0.95" in [rule.text for rule in solar.gate]
    assert solar.train.hyperparameters == {"model_type": "neural_network"}
    assert (solar.train.sagemaker["instance"], solar.train.sagemaker["spot"]) == ("ml.m5.large", True)
    assert (found.names.pipeline, found.audit) == ("solar-power-retraining-pipeline", True)
    alerts = yaml.safe_load((EXAMPLES / "solar-power" / "everfit.yaml").read_text())["alerts"]
    # To this reader "on" is a truth; Everfit reads it as the word.
    assert [each[True][0] for each in alerts] == ["deployed", "rejected", "failed"]


def test_the_forecast_has_the_names_that_others_know() -> None:
    found = on_aws("ticket-forecast")
    assert found.aws is not None
    (weekly,) = [each for each in project("ticket-forecast").triggers if isinstance(each, Schedule)]
    assert (weekly.expression, weekly.timezone) == ("cron(0 9 ? * SUN *)", "UTC")
    assert (found.endpoint, found.aws.namespace) == ("prophet-fastapi-endpoint-latest", "MLOps/Forecasting")
    assert found.aws.last_trained == "s3://ticket-forecasting-lake/Model/last_trained.json"
    assert (found.aws.names.trigger, found.aws.names.schedule) == ("prophet-retrain-trigger", "weekly-prophet-retrain")


def test_each_tag_of_the_masks_leads_to_one_environment_and_saturday_stays_saturday() -> None:
    masks = project("mask-recommender")
    patterns = {each.pattern: each.environments for each in masks.triggers if isinstance(each, Tag)}
    for tag, environment in (
        ("staging-recommender-v0.1.2", "staging"),
        ("production-recommender-v0.1.2", "production"),
        ("local-staging-recommender-v0.1.2", "local-staging"),
        ("local-recommender-v0.1.2", "local"),
    ):
        assert [places for pattern, places in patterns.items() if tag_name(pattern, tag)] == [(environment,)]
    (weekly,) = [each for each in masks.triggers if isinstance(each, Schedule)]
    assert (weekly.expression, weekly.timezone) == ("0 0 * * SAT", "America/New_York")
    functions = {name: each.endpoint for name, each in masks.environments.items() if each.hosting is Hosting.FUNCTION}
    assert functions == {
        "staging": "mask-recommender-inference-staging",
        "production": "mask-recommender-inference",
    }


@pytest.mark.parametrize("name", ["plant-doctor", "solar-power", "ticket-forecast", "mask-recommender", "sentiment"])
def test_every_file_that_a_container_runs_is_python_of_its_image(name: str) -> None:
    """The scikit-learn image has Python 3.9 or 3.10, as its version may be."""
    for path in sorted((EXAMPLES / name).glob("*.py")):
        tree = ast.parse(path.read_text(), feature_version=(3, 9))
        younger = [node for node in ast.walk(tree) if isinstance(node, ast.keyword) and node.arg == "strict"]
        assert younger == [], f"{path.name}: zip(strict=…) needs Python 3.10"
