"""Routes for programs that know training jobs: start one, ask how it stands, deploy what it made."""

from typing import Annotated

from fastapi import APIRouter, Query, Response

from everfit.application.inventory import endpoint_row, job_row
from everfit.application.retraining import environment_of
from everfit.application.training_jobs import deploy, job_name, only_workspace, training_job
from everfit.application.triggering import Demand, request
from everfit.domain.run import Outcome
from everfit.domain.trigger import Wish
from everfit.interfaces.api import examples, requested, shapes
from everfit.interfaces.api.callers import Approves, Reads, Triggers
from everfit.interfaces.api.changing import allowed_workspace
from everfit.interfaces.api.described import problems, shown
from everfit.interfaces.api.once import Change, Key, once
from everfit.interfaces.api.problems import answer

ROUTES = APIRouter(tags=["training jobs"])

Model = Annotated[
    str | None, Query(max_length=100, description="Default: the only one that there is.", examples=["solar"])
]
Place = Annotated[
    str | None, Query(max_length=100, description="Default: the only one, or production.", examples=["production"])
]


@ROUTES.post(
    "/bootstrap",
    status_code=202,
    responses={**problems(404, 409), **shown("Accepted.", shapes.JobRow, examples.JOB, 202)},
)
def bootstrap(
    call: Triggers,
    auto_deploy: Annotated[
        bool, Query(description="Deploy by itself what passes; without it, that waits for POST /deploy.")
    ] = False,
    model: Model = None,
    environment: Place = None,
) -> Response:
    """Ask for a training; the answer names the job and does not wait for it."""
    hub = call.hub
    workspace = allowed_workspace(only_workspace(model, hub.catalog).model, call)

    def act(key: Key) -> Change:
        demand = Demand(
            actor=call.caller.name,
            id=key.id,
            environment=environment,
            reason="asked for by POST /bootstrap",
            wish=Wish(hold=not auto_deploy),
        )
        record = request(demand, workspace, hub.ports)
        return Change(status=202, content=job_row(training_job(job_name(record), hub.ports)))

    return once(call, act)


@ROUTES.get("/status/{job}", responses={**problems(404), **shown("Found.", shapes.JobRow, examples.JOB)})
def job_status(job: requested.JobPath, call: Reads) -> Response:
    """Return how a training job stands: InProgress, Completed, Failed or Stopped, with the run's own outcome."""
    return answer(job_row(training_job(job, call.hub.ports)))


@ROUTES.post(
    "/deploy/{job}",
    responses={
        **problems(404, 409),
        **shown("It is deployed.", shapes.JobRow, {**examples.JOB, "status": "Completed", "outcome": "deployed"}),
        **shown("It will be.", shapes.JobRow, {**examples.JOB, "status": "Completed"}, 202),
    },
)
def deploy_job(job: requested.JobPath, call: Approves) -> Response:
    """Let what a training job made take the traffic; asked for twice, it is deployed once."""

    def act(key: Key) -> Change:
        del key
        found = deploy(job, call.caller.name, call.hub.catalog, call.hub.ports)
        call.hub.wake()
        is_done = found.run is not None and found.run.outcome in (Outcome.DEPLOYED, Outcome.APPROVED)
        return Change(status=200 if is_done else 202, content=job_row(found))

    return once(call, act)


@ROUTES.get("/endpoint-status", responses={**problems(404), **shown("Found.", shapes.EndpointRow, examples.ENDPOINT)})
def endpoint_status(call: Reads, model: Model = None, environment: Place = None) -> Response:
    """Return what the endpoint serves and when that changed last; before the first deployment it says so."""
    workspace = only_workspace(model, call.hub.catalog)
    return answer(endpoint_row(environment_of(workspace, environment), workspace, call.hub.ports))
