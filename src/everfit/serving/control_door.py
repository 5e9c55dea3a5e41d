"""The door by which Everfit's own commands on this machine tell the host what to do."""

import asyncio
import hmac
import json
import os
from collections.abc import Callable
from typing import Any

from everfit.serving.http_exchange import Exchange
from everfit.serving.live import LiveHost

# A caller that waits longer asks again, so that a lost connection never leaves it waiting.
LONGEST_WAIT = 20.0


class ControlDoor:
    """Converges, stages, waits and stops.

    Args:
        secret: that only the owner of the state folder can read.
    """

    def __init__(self, host: LiveHost, secret: str, stop: Callable[[], None]) -> None:
        self._host = host
        self._secret = secret
        self._stop = stop
        self._tasks: set[asyncio.Task[None]] = set()

    def admit(self, exchange: Exchange) -> None:
        """Turn away whoever is elsewhere or has not got the secret."""
        given = (exchange.header(b"authorization") or "").encode()
        is_owner = hmac.compare_digest(given, f"Bearer {self._secret}".encode())
        if not (is_owner and exchange.owner.is_near()):
            exchange.fail("AccessDenied", 403, "This door is for Everfit's own commands on this machine.")

    def open(self, action: str, exchange: Exchange) -> None:
        """Do what the request says."""
        task = asyncio.create_task(self._do(action, exchange))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _do(self, action: str, exchange: Exchange) -> None:
        body: dict[str, Any] = json.loads(exchange.body or b"{}")
        if action == "stop":
            exchange.show({})
            self._stop()
            return
        if action not in ("converge", "stage", "await"):
            exchange.fail("NotFound", 404, f"There is no action {action}.")
            return
        self._host.converge()
        if action == "stage":
            self._host.load_again(**body)
        if action == "await":
            await self._settled(**body)
        reports = [live.report() for live in self._host.endpoints.values()]
        exchange.show({"pid": os.getpid(), "problem": self._host.problem, "endpoints": reports})

    async def _settled(self, endpoint: str, versions: list[int]) -> None:
        live = self._host.endpoints.get(endpoint)
        pools = [] if live is None else [live.pools[number] for number in versions if number in live.pools]
        waits = [asyncio.create_task(pool.settled.wait()) for pool in pools]
        if waits:
            _, late = await asyncio.wait(waits, timeout=LONGEST_WAIT)
            for wait in late:
                wait.cancel()
