from everfit.application.evidence import evidence_of
from everfit.application.retraining import Request, retrain
from everfit.domain.told_figures import Evidence
from tests.fakes import World


def test_figures_are_those_of_the_run_that_the_notice_is_about() -> None:
    """Metrics belong to the run that made them."""
    world = World()
    run = retrain(Request(environment="production"), world.workspace, world.ports())
    world.mae = 4.0
    content = {"model": "line", "version": 1, "run": str(run.id)}
    found = evidence_of(content, world.registry, world.store)
    assert found.version == world.registry.version("line", 1)
    assert found.figures == {"mae": 1.0}


def test_what_no_run_has_measured_has_the_figures_that_it_was_made_with() -> None:
    world = World()
    retrain(Request(environment="production"), world.workspace, world.ports())
    for run in (None, "a-run-that-is-gone"):
        assert evidence_of({"model": "line", "version": 1, "run": run}, world.registry, world.store).figures == {
            "mae": 1.0
        }


def test_what_is_about_no_version_or_one_that_is_gone_has_no_evidence() -> None:
    world = World()
    for version in (None, 9, "1"):
        assert (
            evidence_of({"model": "line", "version": version, "run": None}, world.registry, world.store) == Evidence()
        )
