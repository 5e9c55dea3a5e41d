"""What the HTTP side of the service is made of."""

from fastapi import FastAPI, Response

from everfit.bootstrap import Installation
from everfit.interfaces.service.service import Service


def app_of(service: Service, installation: Installation) -> FastAPI:
    """Return the application that answers for the service."""
    app = FastAPI(openapi_url=None)

    def ready(response: Response) -> dict[str, object]:
        health = service.health.now()
        response.status_code = 200 if health.is_ready else 503
        models = len(installation.catalog.workspaces())
        return {"ready": health.is_ready, "troubles": dict(health.troubles), "models": models}

    app.get("/readyz")(ready)
    return app
