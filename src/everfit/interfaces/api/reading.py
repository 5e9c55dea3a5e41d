"""Routes that read: what there is, what serves, what happened and why."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from everfit.application.inventory import (
    approval_rows,
    endpoint_rows,
    pause_row,
    project_row,
    run_rows,
    token_row,
    trigger_row,
    trouble_rows,
    version_row,
)
from everfit.application.overview import explain_version, history_rows, run_report, status
from everfit.application.retraining import environment_of
from everfit.domain.access import Role
from everfit.domain.errors import NotFoundError, RequestError
from everfit.domain.run import Run, RunId
from everfit.domain.trigger import EventEnd
from everfit.interfaces.api import examples, requested, shapes
from everfit.interfaces.api.callers import Call, Reads, needs
from everfit.interfaces.api.described import problems, shown
from everfit.interfaces.api.problems import answer

ROUTES = APIRouter()


@ROUTES.get(
    "/v1/projects", tags=["projects"], responses={**problems(), **shown("Found.", shapes.Projects, examples.PROJECTS)}
)
def projects(call: Reads) -> Response:
    """Return every project, and what is wrong with project files now."""
    catalog = call.hub.catalog
    rows = [project_row(workspace) for _, workspace in sorted(catalog.workspaces().items())]
    return answer({"projects": rows, "troubles": trouble_rows(catalog)})


@ROUTES.get(
    "/v1/models/{model}",
    tags=["projects"],
    responses={**problems(404), **shown("Found.", shapes.Status, examples.STATUS)},
)
def model_status(model: requested.ModelPath, call: Reads) -> Response:
    """Return what serves in each environment of a model, what waits, and what was interrupted."""
    found = status(call.hub.catalog.workspace(model), call.hub.ports)
    pauses = [pause_row(pause) for pause in call.hub.ports.inbox.pauses() if pause.model == model]
    return answer({**found, "pauses": pauses})


@ROUTES.get(
    "/v1/triggers", tags=["triggers"], responses={**problems(404), **shown("Found.", shapes.Triggers, examples.EVENTS)}
)
def triggers(  # noqa: PLR0913, PLR0917 - one argument a filter
    call: Reads,
    model: requested.ModelQuery = None,
    environment: requested.EnvironmentQuery = None,
    end: Annotated[EventEnd | None, Query(description="Only those that ended so.")] = None,
    run: Annotated[str | None, Query(max_length=200, description="Only those that joined this run.")] = None,
    before: requested.BeforePlace = None,
    limit: requested.Limit = 100,
) -> Response:
    """Return trigger events, newest first, each with its end."""
    check_filters(model, environment)
    found = call.hub.ports.inbox.events(
        model=model, environment=environment, end=end, run=run, before=before, limit=limit
    )
    rows = [trigger_row(record) for record in found]
    return answer({"triggers": rows, "next": found[-1].place if len(found) == limit else None})


@ROUTES.get(
    "/v1/triggers/{model}/{environment}/{event:path}",
    tags=["triggers"],
    responses={**problems(404), **shown("Found.", shapes.TriggerRow, examples.EVENT)},
)
def trigger(model: requested.ModelPath, environment: str, event: requested.EventPath, call: Reads) -> Response:
    """Return one trigger event and its end."""
    return answer(trigger_row(call.hub.ports.inbox.event(model, environment, event)))


@ROUTES.get("/v1/runs", tags=["runs"], responses={**problems(404), **shown("Found.", shapes.Runs, examples.RUNS)})
def runs(
    call: Reads,
    model: requested.ModelQuery = None,
    environment: requested.EnvironmentQuery = None,
    before: Annotated[
        str | None,
        Query(
            max_length=200,
            description="Only runs that started before this one: `next` of the page before.",
            examples=["20261121-110229-30bc18da"],
        ),
    ] = None,
    limit: requested.Limit = 100,
) -> Response:
    """Return runs, newest first."""
    check_filters(model, environment)
    found = call.hub.ports.store.runs(model, environment, before=None if before is None else RunId(before), limit=limit)
    return answer({"runs": run_rows(found), "next": found[-1].id if len(found) == limit else None})


@ROUTES.get(
    "/v1/runs/{run}", tags=["runs"], responses={**problems(404), **shown("Found.", shapes.RunReport, examples.REPORT)}
)
def run(run: requested.RunPath, call: Reads) -> Response:
    """Return everything about a run: its steps, the rules with their numbers, what it changed."""
    found = run_of(run, call)
    return answer(run_report(found, call.hub.catalog.workspace(found.model), call.hub.ports))


@ROUTES.get(
    "/v1/runs/{run}/steps", tags=["runs"], responses={**problems(404), **shown("Found.", shapes.Steps, examples.STEPS)}
)
def steps(run: requested.RunPath, call: Reads) -> Response:
    """Return the steps of a run, in the order in which they first started."""
    found = run_of(run, call)
    report = run_report(found, call.hub.catalog.workspace(found.model), call.hub.ports)
    return answer({"steps": report["steps"]})


@ROUTES.get(
    "/v1/models/{model}/versions",
    tags=["versions"],
    responses={**problems(404), **shown("Found.", shapes.Versions, examples.VERSIONS)},
)
def versions(
    model: requested.ModelPath,
    call: Reads,
    before: Annotated[int | None, Query(ge=1, le=2**31 - 1, description="Only older ones.")] = None,
    limit: requested.Limit = 100,
) -> Response:
    """Return the versions of a model, newest first."""
    name = call.hub.catalog.workspace(model).model
    page = call.hub.ports.registry.newest_versions(name, before=before, limit=limit)
    return answer({"versions": [version_row(v) for v in page], "next": page[-1].number if len(page) == limit else None})


@ROUTES.get(
    "/v1/models/{model}/versions/{version}",
    tags=["versions"],
    responses={**problems(404), **shown("Found.", dict, examples.VERSION)},
)
def version(model: requested.ModelPath, version: requested.VersionPath, call: Reads) -> Response:
    """Return why a version stands where it stands: verdicts, evidence, approvals, and when it served."""
    return answer(explain_version(version, call.hub.catalog.workspace(model), call.hub.ports))


@ROUTES.get(
    "/v1/models/{model}/history",
    tags=["versions"],
    responses={**problems(404), **shown("Found.", shapes.History, examples.HISTORY)},
)
def history(
    model: requested.ModelPath,
    call: Reads,
    environment: requested.EnvironmentQuery = None,
    limit: requested.Limit = 100,
) -> Response:
    """Return every version that ever took traffic, newest first: when, why, who."""
    workspace = call.hub.catalog.workspace(model)
    place = None if environment is None else environment_of(workspace, environment).name
    return answer({"history": history_rows(call.hub.ports.registry.history(workspace.model, place, limit=limit))})


@ROUTES.get(
    "/v1/approvals", tags=["approvals"], responses={**problems(), **shown("Found.", shapes.Approvals, examples.WAITING)}
)
def approvals(call: Reads) -> Response:
    """Return what waits for people, of all models, oldest first."""
    return answer({"approvals": approval_rows(call.hub.catalog, call.hub.ports)})


@ROUTES.get(
    "/v1/models/{model}/endpoints",
    tags=["endpoints"],
    responses={**problems(404), **shown("Found.", shapes.Endpoints, examples.ENDPOINTS)},
)
def endpoints(model: requested.ModelPath, call: Reads) -> Response:
    """Return what the endpoints of a model serve, and since when."""
    return answer({"endpoints": endpoint_rows(call.hub.catalog.workspace(model), call.hub.ports)})


@ROUTES.get("/v1/pauses", tags=["pauses"], responses={**problems(), **shown("Found.", shapes.Pauses, examples.PAUSES)})
def pauses(call: Reads) -> Response:
    """Return every pause that holds."""
    return answer({"pauses": [pause_row(pause) for pause in call.hub.ports.inbox.pauses()]})


@ROUTES.get("/v1/tokens", tags=["tokens"], responses={**problems(), **shown("Found.", shapes.Tokens, examples.TOKENS)})
def tokens(call: Annotated[Call, Depends(needs(Role.APPROVE))]) -> Response:
    """Return every token, without its secret; only the command line makes and revokes them."""
    return answer({"tokens": [token_row(token) for token in call.hub.tokens.tokens()]})


def check_filters(model: str | None, environment: str | None) -> None:
    """Raise ``RequestError`` for a filter that no index serves, whose answer would take longer year by year."""
    if environment is not None and model is None:
        raise RequestError("Name the model as well: an environment belongs to one.")


def run_of(run: str, call: Call) -> Run:
    """Return the run, or raise ``NotFoundError`` when there is none or its project is gone."""
    found = call.hub.ports.store.run(RunId(run))
    if found.model not in call.hub.catalog.workspaces():
        raise NotFoundError(f"The run {run} is of the model {found.model}, which this service does not keep.")
    return found
