"""What the HTTP side of the service is made of."""

from dataclasses import replace

from fastapi import FastAPI

from everfit.bootstrap_service import Installation
from everfit.domain.access import is_loopback
from everfit.interfaces.api.app import make_app
from everfit.interfaces.api.hub import Hub
from everfit.interfaces.service.service import Service
from everfit.settings import Settings


def app_of(service: Service, installation: Installation, settings: Settings, host: str) -> FastAPI:
    """Return the application that answers for the service.

    Args:
        host: that it answers at; only where nobody else can reach it, callers need no token.
    """
    access = installation.access
    hub = Hub(
        catalog=installation.catalog,
        # What a caller does at once is no work of a worker, which a kill would leave to be taken over.
        ports=replace(service.ports, owner=f"{service.ports.owner}#http"),
        tokens=access.tokens,
        replies=access.replies,
        figures=access.figures,
        repositories=access.repositories,
        topics=access.topics,
        wake=service.wake,
        health=service.health.now,
        actor=settings.actor,
        is_tokenless=is_loopback(host) and not settings.needs_token,
        webhook_secrets=settings.webhook_secrets,
        places=(str(installation.home),),
    )
    return make_app(hub)
