"""Routes that tell how the service is: for who restarts it, who sends it work, and who watches it."""

from fastapi import APIRouter, Request, Response

from everfit.domain.errors import BackendError, StateError
from everfit.interfaces.api import shapes
from everfit.interfaces.api.callers import Reads, check_pace, check_parameters, hub_of
from everfit.interfaces.api.described import problems, shown
from everfit.interfaces.api.metrics import Metrics
from everfit.interfaces.api.problems import answer

ROUTES = APIRouter(tags=["health"])


@ROUTES.get("/healthz", responses=shown("It lives.", shapes.Alive, {"status": "ok"}))
async def healthz() -> Response:
    """Tell that the process lives; this needs no token and touches no database."""
    return answer({"status": "ok"})


@ROUTES.get(
    "/readyz",
    responses={
        **problems(),
        **shown("Ready.", shapes.Ready, {"ready": True, "draining": False, "troubles": {}}),
        **shown("Not ready.", shapes.Ready, {"ready": False, "draining": True, "troubles": {}}, 503),
    },
)
def readyz(request: Request) -> Response:
    """Tell whether new work is taken: state can be written, every part is well, nothing drains. It needs no token."""
    check_pace(request)
    check_parameters(request)
    hub = hub_of(request)
    health = hub.health()
    # Words of a part may name places on this machine, and whoever asks here has shown no token.
    troubles = {part: "in trouble; the service's log says why" for part, _ in health.troubles}
    try:
        hub.figures.check_writable()
    except (StateError, BackendError):
        troubles["state"] = "cannot be written now"
    is_ready = not troubles and not health.is_draining
    content = {"ready": is_ready, "draining": health.is_draining, "troubles": troubles}
    return answer(content, 200 if is_ready else 503)


@ROUTES.get(
    "/metrics",
    response_class=Response,
    responses={
        **problems(),
        200: {"description": "For Prometheus.", "content": {"text/plain": {"example": "everfit_leases 1.0\n"}}},
    },
)
def metrics(call: Reads) -> Response:
    """Return figures for Prometheus."""
    found: Metrics = call.request.app.state.metrics
    return Response(found.text(call.hub), media_type="text/plain; version=0.0.4")
