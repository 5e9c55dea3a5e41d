"""The process of ``everfit up``: the lock, the address, one ready line, signals, and the way down."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from everfit.application.ports import Catalog
from everfit.bootstrap_service import keeping, open_installation, service_home
from everfit.domain.access import check_exposure
from everfit.domain.project import Backend
from everfit.interfaces.service.http_app import app_of
from everfit.interfaces.service.log import LOG, open_log
from everfit.interfaces.service.notify import notify
from everfit.interfaces.service.service import Service
from everfit.interfaces.service.serving import HttpServer, taken_address, url_of
from everfit.interfaces.service.signals import CUT, Asked, Signals
from everfit.interfaces.service.worker import LoggedProgress
from everfit.settings import read_settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """What is said when the service is up."""

    url: str
    home: Path
    models: tuple[str, ...]
    workers: int


def serve(
    folders: Sequence[Path],
    address: tuple[str, int],
    *,
    backend: Backend,
    workers: int,
    grace: float,
    said: Callable[[Ready], None],
) -> int:
    """Serve the projects below the folders until a signal asks for the end; return the exit code.

    Args:
        address: to answer at.
        backend: whose environments are served.
        grace: seconds for what is under way at the end.
        said: is told when the service is up.
    """
    settings = read_settings()
    home = service_home(folders, settings)
    with keeping(home, settings, backend) as note, ExitStack() as ending:
        installation = open_installation(home, folders, settings, LoggedProgress("everfit"), backend)
        check_exposure(address[0], installation.access.tokens.tokens())
        listening = ending.enter_context(taken_address(*address))
        url = url_of(listening)
        note(url)
        open_log(home, lambda: secrets_of(installation.catalog))
        service, signals = Service(installation, workers), Signals()
        server = HttpServer(app_of(service, installation, settings, address[0]), listening, signals.broken)
        with signals.heard():
            service.start()
            server.start()
            notify(settings.notify, "READY=1")
            models = tuple(sorted(installation.catalog.workspaces()))
            said(Ready(url=url, home=home, models=models, workers=workers))
            while (asked := signals.wait()) is Asked.RELOAD:
                LOG.info("SIGHUP: the project files are read anew")
                service.reload()
            notify(settings.notify, "STOPPING=1")
            return _down(service, server, grace, is_asked=asked is Asked.END)


def secrets_of(catalog: Catalog) -> frozenset[str]:
    """Return the values that no project wants to be shown."""
    return frozenset[str]().union(*(workspace.project.secrets for workspace in catalog.workspaces().values()))


def _down(service: Service, server: HttpServer, grace: float, *, is_asked: bool) -> int:
    if not is_asked:
        LOG.error("the HTTP side has ended by itself, so the service ends too")
    LOG.info("ending: no new work is started; what is under way gets %g s", grace)
    is_whole = service.drain(grace)
    server.stop()
    if not is_whole:
        LOG.warning("a step is still under way; the next start goes on with its run")
    LOG.info("ended")
    return 0 if is_asked else CUT
