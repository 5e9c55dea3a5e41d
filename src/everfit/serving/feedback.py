"""Late labels as the front takes them: handed to a process that answers when they are on the disk."""

import json
from asyncio import TimerHandle, get_running_loop
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from everfit.serving.companion import Companion
from everfit.serving.label_writer import Answer, refusal

PATIENCE = 30.0
MOST_HELD = 128 * 1024 * 1024

Taken = Callable[[int, dict[str, Any]], None]
"""Is called exactly once with an HTTP status and what the answer says."""


@dataclass(slots=True, eq=False, kw_only=True)
class _Asked:
    done: Taken
    timer: TimerHandle | None = None
    is_over: bool = False


class Feedback:
    """Takes labels for all endpoints of a host.

    Args:
        folder: of the host.
    """

    def __init__(self, folder: Path) -> None:
        self._loop = get_running_loop()
        self._writer: Companion[_Asked] = Companion(
            "everfit.serving.label_writer", folder, self._answered, self._unknown
        )

    @property
    def process(self) -> int | None:
        """The id of the process that writes; None while there is none."""
        return self._writer.process

    def take(self, endpoint: str, body: bytes, content_type: str, done: Taken) -> None:
        """Keep labels; *done* hears 202 when they are on the disk, else what is wrong.

        Args:
            endpoint: one that is known.
        """
        if self._writer.held + len(body) > MOST_HELD:
            done(*refusal("ServiceUnavailable", 503, "Too many labels wait to be written already; send them later."))
            return
        asked = _Asked(done=done)
        asked.timer = self._loop.call_later(PATIENCE, self._unknown, asked)
        self._writer.say(f"{endpoint}\n{content_type}", body, asked)

    async def end(self) -> None:
        """Have what was taken written, and let the process end."""
        await self._writer.end()

    def _answered(self, asked: _Asked, head: str, body: bytes) -> None:
        self._tell(asked, (int(head), json.loads(body)))

    def _unknown(self, asked: _Asked) -> None:
        words = "It is not known whether the labels were kept; send them again, the same label twice counts once."
        self._tell(asked, refusal("ServiceUnavailable", 503, words))

    def _tell(self, asked: _Asked, answer: Answer) -> None:
        if not asked.is_over:
            asked.is_over = True
            if asked.timer is not None:
                asked.timer.cancel()
            asked.done(*answer)
