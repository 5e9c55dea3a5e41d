"""Requests that arrived together, answered by as few calls of the model as their data allow.

Each request is read, and its answer written, by itself. Only the call in between is shared, and when that call fails it
is made again for halves, so that one bad row costs its neighbours time and nothing else.
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from everfit.serving.frames import Reply, Request
from everfit.serving.handlers import LoadedModel, plain_type
from everfit.serving.joining import joined, kind_of, parts, size_of
from everfit.serving.probing import PATIENCE, why_one_by_one
from everfit.serving.replies import reply_for, reply_to

MOST_ROWS: Final = 4096
"""In one call; more would gain nothing and make small requests wait for large ones."""

Named = tuple[int, Request]
Answers = list[tuple[int, Reply]]


class Asked(NamedTuple):
    """A request that was read."""

    name: int
    request: Request
    data: Any


class Group:
    """Requests that can share a call; ``sizes`` are the rows of each, ``size`` those of all."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.sizes: list[int] = []
        self.size = 0

    def add(self, asked: Asked, size: int) -> None:
        """Take in a request."""
        self.asked.append(asked)
        self.sizes.append(size)
        self.size += size


class Batcher:
    """Answers batches; until it has learnt of the model at a sample, one request at a time.

    ``joins`` is whether requests share calls, and ``message`` why they do not; None while that is not known.
    """

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded
        self._content_type: str | None = None
        self.joins = False
        self.message = loaded.one_by_one

    @property
    def has_learnt(self) -> bool:
        """Whether it is known if requests can be joined."""
        return self.joins or self.message is not None

    def learn(self, request: Request, patience: float = PATIENCE) -> None:
        """Find out within so many seconds whether the model answers row by row."""
        self.message = why_one_by_one(self._loaded, request, patience)
        self.joins = self.message is None
        if self._loaded.has("input_fn"):
            # What the user's code makes of another content type may be one thing and no rows.
            self._content_type = plain_type(request.content_type)

    def answers(self, requests: Sequence[Named]) -> Iterator[Answers]:
        """Return the replies, each as soon as it is there, in any order."""
        if not self.joins or len(requests) == 1:
            for name, request in requests:
                yield [(name, reply_to(self._loaded, request))]
            return
        groups, failures = self._groups(requests)
        if failures:
            yield failures
        for group in sorted(groups, key=lambda group: group.size):
            yield from self._together(group)

    def _groups(self, requests: Sequence[Named]) -> tuple[list[Group], Answers]:
        """Read the requests; return those that can share a call, and the replies to those that cannot be read."""
        groups: list[Group] = []
        open_groups: dict[Hashable, Group] = {}
        failures: Answers = []
        for name, request in requests:
            try:
                data = self._loaded.parse(request.body, request.content_type)
                kind = self._kind(request, data)
                size = 0 if kind is None else size_of(data)
            except BaseException as error:  # noqa: BLE001 - whatever the user's code does, the others are answered
                failures.append((name, reply_for(error)))
                continue
            group = open_groups.get(kind)
            if group is None or kind is None or group.size + size > MOST_ROWS:
                group = open_groups[kind] = Group()
                groups.append(group)
            group.add(Asked(name, request, data), size)
        return groups, failures

    def _kind(self, request: Request, data: Any) -> Hashable | None:
        if self._content_type is not None and self._content_type != plain_type(request.content_type):
            return None
        return kind_of(data)

    def _together(self, group: Group) -> Iterator[Answers]:
        if len(group.asked) == 1:
            yield [(group.asked[0].name, self._alone(group.asked[0]))]
            return
        try:
            result = self._loaded.ask(self._loaded.finished(joined([asked.data for asked in group.asked])))
            answers = parts(result, group.sizes)
        except BaseException:  # noqa: BLE001 - a smaller call will tell whose it is
            answers = None
        if answers is None:
            yield from self._in_halves([(asked.name, asked.request) for asked in group.asked])
        else:
            yield [(asked.name, self._written(asked, part)) for asked, part in zip(group.asked, answers, strict=True)]

    def _in_halves(self, requests: Sequence[Named]) -> Iterator[Answers]:
        # They are read again, since the call that failed may have changed what it was given.
        middle = len(requests) // 2
        yield from self.answers(requests[:middle])
        yield from self.answers(requests[middle:])

    def _alone(self, asked: Asked) -> Reply:
        try:
            prediction = self._loaded.ask(self._loaded.finished(asked.data))
            content, content_type = self._loaded.write(prediction, asked.request.accept)
        except BaseException as error:  # noqa: BLE001 - whatever the user's code does, the next request is answered
            return reply_for(error)
        return Reply(status=200, body=content, content_type=content_type)

    def _written(self, asked: Asked, part: Any) -> Reply:
        try:
            content, content_type = self._loaded.write(part, asked.request.accept)
        except BaseException:  # noqa: BLE001 - what is wrong with it is told by the request alone
            return reply_to(self._loaded, asked.request)
        return Reply(status=200, body=content, content_type=content_type)
