"""What a storm consists of, decided by chance before it begins."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random  # noqa: TID251 - a storm is drawn by chance that its seed repeats
from typing import Final

MOST_DELIVERIES: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How large a storm is."""

    events: int
    models: int
    kills: int
    seed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One event as its sender delivers it once; the same event may be delivered several times.

    Args:
        model: counted from 0.
    """

    event: str
    model: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """Every delivery in its order.

    Args:
        kills: before which delivery the service is killed, rising; one after the last comes when all are delivered.
        news: before which delivery which model gets new data.
    """

    deliveries: Sequence[Delivery]
    kills: Sequence[int]
    news: Sequence[tuple[int, int]]


def storm_of(scale: Scale, chance: Random) -> Storm:
    """Return a storm in which each event is delivered 1 to 10 times, all in random order."""
    events = [Delivery(event=f"event-{number}", model=number % scale.models) for number in range(scale.events)]
    deliveries = [event for event in events for _ in range(chance.randint(1, MOST_DELIVERIES))]
    chance.shuffle(deliveries)
    # A fifth of the kills come when everything is delivered, while the last runs are under way.
    last = len(deliveries) + max(1, len(deliveries) // 4)
    news = [(chance.randrange(len(deliveries)), model) for model in range(scale.models)]
    return Storm(
        deliveries=deliveries,
        kills=sorted(chance.sample(range(last), min(scale.kills, last))),
        news=sorted(news),
    )
