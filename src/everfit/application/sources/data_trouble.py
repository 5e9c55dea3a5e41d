"""Tells people, once, that a data source cannot be looked at, and that it is well again.

Storage that cannot be reached is never taken for an absence of data, nor an empty folder for a wish to forget it all.
"""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from everfit.application.ports.outbox import Outbox
from everfit.application.sources.data_marks import Known, Marks
from everfit.application.sources.data_targets import Target, digest_of
from everfit.domain.errors import EverfitError
from everfit.domain.notice import Notice, NoticeKind
from everfit.domain.secret import hidden


class Troubles:
    """What is wrong with data sources.

    A mark is written before the notice that it names, and the notice again at every look: a kill in between costs none,
    and the notice's id keeps it from being told twice.
    """

    def __init__(self, marks: Marks, outbox: Outbox) -> None:
        self._marks = marks
        self._outbox = outbox

    def begin(self, targets: Iterable[Target], error: EverfitError, now: datetime) -> None:
        """Tell whom it concerns that the source cannot be looked at."""
        for target in targets:
            words = hidden(str(error), target.secrets)
            known, cause = self._marks.of(target), digest_of(words)
            if known.trouble != cause:
                known = replace(known, trouble=cause, since=known.since or now.isoformat())
                self._marks.write(target, known)
            self._outbox.note(_notice(target, known, NoticeKind.TROUBLE, words, now))

    def end(self, targets: Iterable[Target], now: datetime) -> None:
        """Tell those who were told of trouble that it is over."""
        for target in targets:
            known = self._marks.of(target)
            if known.trouble is not None:
                words = "The data can be looked at again."
                self._outbox.note(_notice(target, known, NoticeKind.RECOVERED, words, now))
                self._marks.write(target, replace(known, trouble=None, since=None))


def _notice(target: Target, known: Known, kind: NoticeKind, words: str, now: datetime) -> Notice:
    cause = known.trouble if kind is NoticeKind.TROUBLE else "well"
    return Notice(
        id=f"{kind.value}:{target.mark}:{known.since}:{cause}",
        kind=kind,
        model=target.model,
        environment=target.environment,
        run=None,
        cause=f"data source:{kind.value}:{target.source_digest}",
        at=now,
        facts={"reason": words, "part": "data"},
    )
