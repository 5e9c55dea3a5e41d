"""A real service: killed, ended, started again, beside others, with broken files."""

import signal
import socket
import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from everfit.application.loop import LOOP
from tests.projects import LineProject
from tests.service import RunningService, until
from tests.small_disk import mounted

STEPS = [step.name for step in LOOP]
DEAREST = ("train", "deploy", "record")
"""The steps that must not be done twice, and the last one."""
SLOW_TRAIN = """\
import pathlib, time
folder = pathlib.Path(FOLDER)
with (folder / "trainings").open("a") as file:
    file.write("one\\n")
while not (folder / "go").exists():
    time.sleep(0.02)
"""


@pytest.fixture
def project(tmp_path: Path) -> Iterator[LineProject]:
    made = LineProject(tmp_path / "line")
    made.add_rows("one.csv")
    yield made
    made.down()


def rows(project: LineProject, sql: str) -> list[tuple[Any, ...]]:
    """Return what the database of the service says, by SQL of the test's own."""
    database = project.folder / ".everfit" / "state.db"
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        return connection.execute(sql).fetchall()


def trigger(project: LineProject) -> None:
    asked = project.everfit("trigger")
    assert asked.code == 0, asked.err


def outcomes(project: LineProject) -> list[str]:
    return [outcome for (outcome,) in rows(project, "select outcome from run where state = 'ended' order by place")]


def is_settled(project: LineProject) -> bool:
    (pending,) = rows(project, "select count(*) from event where state = 'pending'")
    return pending == (0,)


def deployments(project: LineProject) -> int:
    return len(rows(project, "select 1 from served"))


def waiting_training(project: LineProject) -> None:
    """Have the training wait for the file ``go``, and count itself."""
    text = (project.folder / "train.py").read_text()
    project.write("train.py", SLOW_TRAIN.replace("FOLDER", repr(str(project.folder))) + text)


def trainings(project: LineProject) -> int:
    file = project.folder / "trainings"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_a_service_that_is_killed_in_a_training_deploys_once(project: LineProject) -> None:
    """The sentiment scenario: the service restarts between training and completion."""
    waiting_training(project)
    with RunningService(project.folder) as service:
        job = service.post("/bootstrap?auto_deploy=true")
        assert job.status == 202
        name = job.json["training_job_name"]
        until(lambda: trainings(project))
        assert service.get(f"/status/{name}")["status"] == "InProgress"
        service.kill()
        (project.folder / "go").touch()
        service.start()
        until(lambda: service.get(f"/status/{name}")["status"] == "Completed")
        until(lambda: is_settled(project))
        assert service.get("/endpoint-status")["last_modified_time"]
    assert (trainings(project), deployments(project), outcomes(project)) == (1, 1, ["deployed"])


def test_new_data_in_the_folder_is_deployed(project: LineProject) -> None:
    text = (project.folder / "everfit.yaml").read_text()
    project.write("everfit.yaml", text + "triggers:\n  - data: {quiet_for: 0s}\n")
    with RunningService(project.folder):
        until(lambda: outcomes(project) == ["deployed"])
        project.add_rows("two.csv", first=60)
        until(lambda: outcomes(project) == ["deployed", "deployed"])


@pytest.mark.parametrize(
    "step", [pytest.param(step, marks=[] if step in DEAREST else [pytest.mark.soak]) for step in STEPS]
)
def test_an_end_asked_for_during_any_step_leaves_one_deployment(project: LineProject, step: str) -> None:
    before = "starts" if step == STEPS[0] else f"{STEPS[STEPS.index(step) - 1]} done"
    with RunningService(project.folder) as service:
        trigger(project)
        until(lambda: before in service.log)
        assert service.end() == 0
        service.start()
        until(lambda: is_settled(project))
    assert (deployments(project), outcomes(project)) == (1, ["deployed"])
    assert rows(project, "select state from event") == [("ran",)]


def test_ctrl_c_ends_the_service_in_good_order_and_the_model_goes_on_answering(project: LineProject) -> None:
    with RunningService(project.folder) as service:
        trigger(project)
        until(lambda: is_settled(project))
        assert service.end(signal.SIGINT) == 0
        assert project.predict(3.0)["version"] == 1


def test_a_version_that_waits_for_a_person_waits_through_a_restart(project: LineProject) -> None:
    text = (project.folder / "everfit.yaml").read_text()
    project.write("everfit.yaml", text + "environments:\n  production: {approval: manual}\n")
    with RunningService(project.folder) as service:
        trigger(project)
        until(lambda: rows(project, "select 1 from run where outcome = 'needs approval'"))
        service.kill()
        service.start()
        assert deployments(project) == 0
        approved = service.post("/v1/models/line/versions/1/approve", {"reason": "Looks right."})
        assert approved.status in (200, 202), approved
        until(lambda: is_settled(project))
    assert (deployments(project), outcomes(project)) == (1, ["deployed"])


def test_a_broken_project_file_leaves_the_last_good_one_in_force(project: LineProject) -> None:
    good = (project.folder / "everfit.yaml").read_text()
    with RunningService(project.folder) as service:
        project.write("everfit.yaml", "model: [")
        until(lambda: "everfit.yaml" in service.log)
        assert service.post("/v1/triggers", {"model": "line"}).status == 202
        until(lambda: outcomes(project) == ["deployed"])
        project.write("everfit.yaml", good)
        until(lambda: "well again" in service.log)


def test_the_second_service_on_a_state_folder_says_who_has_it(project: LineProject) -> None:
    with RunningService(project.folder) as service:
        code, words = RunningService(project.folder).refused()
        assert code == 1
        assert f"process {service.process.pid}" in words
        assert service.url in words


def test_a_command_beside_the_service_keeps_its_run(project: LineProject) -> None:
    with RunningService(project.folder):
        done = project.everfit("run", "--json")
        assert done.code == 0
        assert done.json["outcome"] == "deployed"
    assert outcomes(project) == ["deployed"]


def test_a_command_that_was_killed_has_its_run_taken_up_by_the_service(project: LineProject) -> None:
    waiting_training(project)
    with RunningService(project.folder):
        command = project.start("run")
        until(lambda: trainings(project))
        command.kill()
        command.communicate()
        (project.folder / "go").touch()
        until(lambda: is_settled(project))
    assert (trainings(project), outcomes(project)) == (1, ["deployed"])


def test_a_service_brings_back_what_was_deployed(project: LineProject) -> None:
    assert project.everfit("run").code == 0
    project.everfit("down")
    with RunningService(project.folder) as service:
        until(lambda: "the endpoint host starts" in service.log)
        until(lambda: project.everfit("status", "--json").json["environments"][0]["endpoint"]["weights"] == {"1": 1.0})


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--host", "0.0.0.0"), "token"),
        (("--workers", "0"), "workers"),
    ],
)
def test_what_cannot_be_served_is_refused_in_a_sentence(
    project: LineProject, options: tuple[str, ...], words: str
) -> None:
    code, said = RunningService(project.folder).given(*options).refused()
    assert code in (1, 2)
    assert words in said


def test_an_address_that_is_taken_is_refused_in_a_sentence(project: LineProject) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, words = RunningService(project.folder).given("--port", str(port)).refused()
    assert code == 1
    assert f"cannot answer at 127.0.0.1:{port} (Address already in use)" in words


def test_a_folder_that_is_not_there_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    code, words = RunningService(tmp_path / "here", tmp_path / "nowhere").refused()
    assert (code, words.partition(" /")[0]) == (2, "There is no folder")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 40 MB."""
    with mounted(tmp_path / "small", "40m") as place:
        yield place


def test_a_full_disk_stops_new_work_and_fails_no_run(project: LineProject, small_disk: Path) -> None:
    text = (project.folder / "everfit.yaml").read_text()
    project.write("everfit.yaml", text + "triggers:\n  - event: {source: shop, quiet_for: 3s}\n")
    home = small_disk / "state"
    with RunningService(project.folder, EVERFIT_HOME=str(home)) as service:
        event = {"specversion": "1.0", "source": "shop", "type": "sold", "data": {}}
        assert service.post("/events", {**event, "id": "1"}, Content_Type="application/cloudevents+json").status == 202
        fill(small_disk)
        refused = service.post("/events", {**event, "id": "2"}, Content_Type="application/cloudevents+json")
        assert refused.status >= 500
        until(lambda: "dispatcher: " in service.log)
        assert service.ask("GET", "/readyz").status == 503
        (small_disk / "filler").unlink()
        until(lambda: service.ask("GET", "/readyz").status == 200)
        until(lambda: [run["outcome"] for run in service.get("/v1/runs")["runs"]] == ["deployed"])
    project.everfit("down", EVERFIT_HOME=str(home))


def fill(disk: Path) -> None:
    """Leave not a byte."""
    with (disk / "filler").open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(b"0" * 4096)
