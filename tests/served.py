"""The API over a world in memory, as a program that calls it sees it."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, cast

import httpx

from everfit.adapters.memory.figures import MemoryFigures
from everfit.adapters.memory.replies import MemoryReplies
from everfit.adapters.memory.tokens import MemoryTokens
from everfit.application.dispatch import dispatch
from everfit.application.journal import drive
from everfit.application.ports import Catalog, Ports
from everfit.application.ports.repositories import Repositories
from everfit.application.retraining import is_decided
from everfit.application.workspace import Workspace
from everfit.domain.access import Role
from everfit.domain.errors import NotFoundError, RefusedError
from everfit.domain.reply import Asking
from everfit.domain.run import Run
from everfit.domain.sns_message import SnsMessage
from everfit.interfaces.api.app import make_app
from everfit.interfaces.api.hub import Hub
from tests.fakes import World
from tests.git_projects import MadeUpRepository

MINUTE = timedelta(minutes=1)


@dataclass
class FixedCatalog:
    kept: dict[str, Workspace]
    wrong: dict[str, str] = field(default_factory=dict[str, str])

    def workspaces(self) -> Mapping[str, Workspace]:
        return self.kept

    def workspace(self, model: str) -> Workspace:
        if model not in self.kept:
            raise NotFoundError(f"There is no model {model!r}.")
        return self.kept[model]

    def is_elsewhere(self, model: str) -> bool:
        del model
        return False

    def troubles(self) -> Mapping[str, str]:
        return self.wrong

    def refresh(self) -> bool:
        return False


@dataclass
class FixedHealth:
    is_draining: bool = False
    troubles: tuple[tuple[str, str], ...] = ()


@dataclass
class FixedTopics:
    """Topics whose messages are right unless their signature says that they are not."""

    confirmed: list[str] = field(default_factory=list[str])
    allowed: tuple[str, ...] = ("arn:aws:sns:eu-west-1:123456789012:models",)

    def is_allowed(self, topic: str) -> bool:
        return topic in self.allowed

    def check(self, message: SnsMessage) -> None:
        if message.signature == "wrong":
            raise RefusedError("The message is not signed by SNS.")

    def confirm(self, message: SnsMessage) -> None:
        self.confirmed.append(message.topic)


class Client:
    """Sends requests to an app, each in a loop of its own."""

    def __init__(self, app: Any, address: str = "127.0.0.1") -> None:
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False, client=(address, 40_000))

    def request(self, method: str, path: str, **given: Any) -> httpx.Response:
        return asyncio.run(self._send(method, path, given))

    def get(self, path: str, **given: Any) -> httpx.Response:
        return self.request("GET", path, **given)

    def post(self, path: str, **given: Any) -> httpx.Response:
        return self.request("POST", path, **given)

    async def _send(self, method: str, path: str, given: dict[str, Any]) -> httpx.Response:
        async with httpx.AsyncClient(transport=self._transport, base_url="http://localhost") as client:
            return await client.request(method, path, **given)


class LosingReplies(MemoryReplies):
    """Answers that are lost on request, as by a crash; with ``keeps`` the request stays in the hands of its owner."""

    lost = False
    keeps = False

    def answer(self, asking: Asking, status: int, body: str) -> None:
        if not self.lost:
            super().answer(asking, status, body)
            return
        if not self.keeps:
            self.leave(asking)
        raise OSError("The power has gone.")


class Served:
    """A service without threads: what its dispatcher and workers would do is done by ``work``."""

    def __init__(self, world: World | None = None, **changes: Any) -> None:
        self.world = world or World()
        self.ports: Ports = replace(self.world.ports(), owner="process-http")
        self.catalog = FixedCatalog({self.world.workspace.model: self.world.workspace})
        self.tokens = MemoryTokens(self.world.clock)
        self.replies = LosingReplies(self.world.clock)
        self.figures = MemoryFigures(self.world.store)
        self.health = FixedHealth()
        self.topics = FixedTopics()
        self.wakes = 0
        self.seconds = 0.0
        given: dict[str, Any] = {
            "catalog": cast("Catalog", self.catalog),
            "ports": self.ports,
            "tokens": self.tokens,
            "replies": self.replies,
            "figures": self.figures,
            "repositories": cast("Repositories", MadeUpRepository()),
            "topics": self.topics,
            "wake": self._wake,
            "health": lambda: self.health,
            "actor": "ada",
            "is_tokenless": True,
            "webhook_secrets": ("it is secret",),
            "seconds": lambda: self.seconds,
            **changes,
        }
        self.hub = Hub(**given)
        self.app = make_app(self.hub)
        self.client = Client(self.app)

    def token(self, role: Role, name: str = "robot") -> dict[str, str]:
        """Return the headers of a caller with a new token of that role."""
        _, text = self.tokens.add(name, role, None)
        return {"Authorization": f"Bearer {text}"}

    def get(self, path: str, **given: Any) -> Any:
        answer = self.client.get(path, **given)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def post(self, path: str, body: object = None, **given: Any) -> Any:
        return self.client.post(path, json=body, **given) if body is not None else self.client.post(path, **given)

    def data_grows(self) -> None:
        """Have new rows to learn from."""
        self.world.data.rows += 100

    def work(self) -> list[Run]:
        """Start what may start and drive what can go on; return the runs as they stand then."""
        for waiting in self.world.inbox.all_waiting():
            workspace = self.catalog.kept[waiting.model]
            dispatch(waiting.model, waiting.environment, workspace, self.ports)
        going = [run for run in self.world.store.open() if run.outcome is None or is_decided(run, self.ports)]
        worker = replace(self.ports, owner=self.world.owner)
        return [drive(run.id, self.catalog.kept[run.model], worker) for run in going]

    def _wake(self) -> None:
        self.wakes += 1
