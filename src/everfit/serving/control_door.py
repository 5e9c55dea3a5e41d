"""The door by which Everfit's own commands on this machine tell the host what to do."""

import asyncio
import hmac
import json
import os
from collections.abc import Callable
from typing import Any

from everfit.serving.http_exchange import Exchange
from everfit.serving.live import LiveHost
from everfit.serving.version_pool import VersionPool

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
        self._is_stopping = asyncio.Event()

    def close(self) -> None:
        """Keep nobody waiting any more, as the host stops."""
        self._is_stopping.set()

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
        try:
            await self._act(action, exchange, json.loads(exchange.body or b"{}"))
        except (ValueError, TypeError, KeyError) as error:
            exchange.fail("ValidationError", 400, f"The action {action} does not understand this: {error!r}.")
        finally:
            # Whatever else went wrong, the command is not left waiting; a second answer is none.
            exchange.fail("InternalFailure", 500, "The endpoint host met an error that it did not expect.")

    async def _act(self, action: str, exchange: Exchange, body: dict[str, Any]) -> None:
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
        if not pools:
            return
        loaded = asyncio.create_task(all_settled(pools))
        stopping = asyncio.create_task(self._is_stopping.wait())
        _, late = await asyncio.wait([loaded, stopping], timeout=LONGEST_WAIT, return_when=asyncio.FIRST_COMPLETED)
        for wait in late:
            wait.cancel()


async def all_settled(pools: list[VersionPool]) -> bool:
    """Wait until each version is loaded or will not be."""
    for pool in pools:
        await pool.settled.wait()
    return True
