"""Kept answers in memory."""

from collections.abc import Callable
from dataclasses import replace

from everfit.application.ports import Clock
from everfit.domain.reply import KEPT_FOR, Asking, Reply, Turn, turn_of


def _nobody(owner: str) -> bool:
    return owner == ""


class MemoryReplies:
    """Implements ``Replies`` for tests."""

    def __init__(self, clock: Clock, is_dead: Callable[[str], bool] = _nobody) -> None:
        self._clock = clock
        self._is_dead = is_dead
        self._replies: dict[tuple[str, str], Reply] = {}

    def begin(self, asking: Asking, plan: Callable[[], str | None]) -> tuple[Turn, Reply]:
        now = self._clock.now()
        self._replies = {place: reply for place, reply in self._replies.items() if now - reply.begun < KEPT_FOR}
        before = self._replies.get((asking.caller, asking.key))
        turn = turn_of(before, asking, now, is_dead=before is not None and self._is_dead(before.asking.owner))
        if turn is Turn.DO or before is None:
            self._keep(Reply(asking=asking, begun=now, plan=plan()))
        elif turn is Turn.DO_AGAIN:
            self._keep(replace(before, asking=asking))
        return turn, self._replies[asking.caller, asking.key]

    def answer(self, asking: Asking, status: int, body: str) -> None:
        before = self._in_hand(asking)
        if before is not None:
            self._keep(replace(before, status=status, body=body))

    def forget(self, asking: Asking) -> None:
        if self._in_hand(asking) is not None:
            del self._replies[asking.caller, asking.key]

    def leave(self, asking: Asking) -> None:
        before = self._in_hand(asking)
        if before is not None:
            self._keep(replace(before, asking=replace(asking, owner="")))

    def _in_hand(self, asking: Asking) -> Reply | None:
        before = self._replies.get((asking.caller, asking.key))
        is_ours = before is not None and before.asking.owner == asking.owner and before.status is None
        return before if is_ours else None

    def _keep(self, reply: Reply) -> None:
        self._replies[reply.asking.caller, reply.asking.key] = reply
