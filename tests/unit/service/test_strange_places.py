"""What waits in an environment that the project file, as it was read last, does not have."""

from dataclasses import replace
from datetime import timedelta

from everfit.domain.run import Outcome, RunId
from everfit.domain.trigger import EventEnd
from everfit.interfaces.service.gone import PATIENCE
from tests.stored import a_run
from tests.unit.service.test_dispatcher import PLACE, Bench


def without_production(bench: Bench) -> None:
    """Have the file that was read last know nothing of the environment that somebody has just written into it."""
    workspace = bench.projects.kept["line"]
    live = {"live": workspace.project.environments["live"]}
    bench.projects.kept = {"line": replace(workspace, project=replace(workspace.project, environments=live))}


def test_an_event_for_an_environment_that_was_written_just_now_waits_until_the_file_is_read_again() -> None:
    bench = Bench()
    whole = dict(bench.projects.kept)
    without_production(bench)
    bench.event("one")
    assert (bench.go(), bench.ends()) == (None, [EventEnd.PENDING])
    bench.projects.kept = whole
    bench.dispatcher.forget()
    run = bench.go()
    assert run is not None
    assert (run.outcome, bench.ends()) == (Outcome.DEPLOYED, [EventEnd.RAN])


def test_a_run_in_an_environment_that_was_written_just_now_is_not_failed() -> None:
    bench = Bench()
    bench.event("one")
    bench.world.inbox.start(a_run("run-of-another", "line"))
    without_production(bench)
    bench.go()
    assert bench.world.store.run(RunId("run-of-another")).outcome is None


def test_what_waits_for_a_project_of_the_installation_that_is_not_served_here_is_left_alone() -> None:
    bench = Bench()
    bench.event("one")
    bench.world.inbox.start(a_run("run-of-another", "line"))
    bench.event("two")
    bench.projects.kept = {}
    bench.projects.elsewhere = {"line"}
    for _ in range(3):
        bench.dispatcher.turn()
        bench.pass_time(timedelta(days=1))
    assert bench.ends() == [EventEnd.PENDING, EventEnd.PENDING]
    bench.projects.elsewhere = set()
    for _ in range(3):
        bench.dispatcher.turn()
        bench.pass_time(timedelta(days=1))
    assert bench.ends() == [EventEnd.FAILED, EventEnd.SKIPPED]


def test_what_waits_in_an_environment_that_stays_away_ends_with_the_reason() -> None:
    bench = Bench()
    bench.event("one")
    bench.world.inbox.start(a_run("run-of-another", "line"))
    bench.event("two")
    without_production(bench)
    bench.go()
    bench.pass_time(timedelta(seconds=PATIENCE))
    bench.go()
    bench.go()
    assert bench.ends() == [EventEnd.FAILED, EventEnd.SKIPPED]
    reasons = {record.reason for record in bench.world.inbox.events(model="line")}
    assert reasons == {"everfit.yaml has no environment 'production' any more"}
    assert bench.world.store.unfinished(*PLACE) is None
