"""Tells people, through the channels of the projects, that a part of the service is in trouble or well again."""

from everfit.application.ports import Catalog, Ports
from everfit.domain.errors import EverfitError
from everfit.domain.notice import Notice, NoticeKind
from everfit.interfaces.service.log import LOG


class Troubles:
    """Writes a notice for one model of each channel, so that everybody hears of it and nobody a thousand times."""

    def __init__(self, catalog: Catalog, ports: Ports) -> None:
        self._catalog, self._ports = catalog, ports
        self._told: set[str] = set()

    def tell(self, part: str, words: str | None) -> None:
        """Note the trouble; None notes that it is over, where the trouble was noted before."""
        if words is None and part not in self._told:
            return
        kind = NoticeKind.RECOVERED if words is None else NoticeKind.TROUBLE
        try:
            for model in self._models():
                self._ports.outbox.note(self._notice(kind, model, part, words))
        except EverfitError as error:
            # Where nothing can be written nobody can be told; the log and /readyz say it.
            LOG.warning("the trouble with %s is told to nobody: %s", part, error)
            return
        (self._told.discard if words is None else self._told.add)(part)

    def _models(self) -> set[str]:
        first: dict[str, str] = {}
        for model, workspace in sorted(self._catalog.workspaces().items()):
            for channel in workspace.project.alerts:
                first.setdefault(channel.address, model)
        return set(first.values())

    def _notice(self, kind: NoticeKind, model: str, part: str, words: str | None) -> Notice:
        now = self._ports.clock.now()
        return Notice(
            id=f"{kind.value}:service:{part}:{now.isoformat()}",
            kind=kind,
            model=model,
            environment=None,
            run=None,
            cause=f"service:{part}:{kind.value}",
            at=now,
            facts={"part": f"the service's {part}", "reason": words or "It is well again."},
        )
