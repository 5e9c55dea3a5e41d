"""The app: routes, errors, limits and the document that describes them."""

from fastapi import FastAPI

from everfit.interfaces.api import alerts, changing, delivering, health, jobs, logs, moving, reading
from everfit.interfaces.api.callers import Pace
from everfit.interfaces.api.described import describe
from everfit.interfaces.api.door import Door
from everfit.interfaces.api.hub import Hub
from everfit.interfaces.api.logs import Followers
from everfit.interfaces.api.metrics import Metrics
from everfit.interfaces.api.problems import handle_errors

PARTS = (health, reading, logs, changing, moving, jobs, delivering, alerts)


def make_app(hub: Hub) -> FastAPI:
    """Return the app that answers for the service behind *hub*."""
    # The framework's pages of documentation load scripts from elsewhere, so there are none.
    app = FastAPI(title="Everfit", docs_url=None, redoc_url=None, redirect_slashes=False)
    metrics = Metrics()
    app.state.hub, app.state.pace, app.state.metrics = hub, Pace(), metrics
    app.state.flying = set[tuple[str, str]]()
    app.state.followers = Followers(most=hub.limits.followers)
    for part in PARTS:
        app.include_router(part.ROUTES)
    handle_errors(app, hub)
    describe(app, [part.ROUTES for part in PARTS])
    app.add_middleware(Door, limits=hub.limits, seconds=hub.seconds, passed=metrics.passed)
    return app
