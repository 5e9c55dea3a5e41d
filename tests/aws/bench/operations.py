"""The operations that the bench answers itself, and what it does after operations that moto answers."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.aws.bench.call import Call, Document

if TYPE_CHECKING:
    from tests.aws.bench.world import World

Handler = Callable[["World", Call], Document | None]
OPERATIONS: dict[tuple[str, str], Handler] = {}
AFTER: dict[tuple[str, str], list[Callable[["World", Call], Any]]] = {}
BEFORE: dict[tuple[str, str], list[Callable[["World", Call], None]]] = {}
UNLOCKED: set[tuple[str, str]] = set()


def operation(service: str, *names: str, is_locked: bool = True) -> Callable[[Handler], Handler]:
    """Answer the operations *names* of *service* by the decorated function.

    Args:
        is_locked: one at a time with all other locked ones; what calls the bench again must not be.
    """

    def register(handler: Handler) -> Handler:
        for name in names:
            OPERATIONS[service, name] = handler
            if not is_locked:
                UNLOCKED.add((service, name))
        return handler

    return register


def after(service: str, *names: str) -> Callable[[Handler], Handler]:
    """Call the decorated function when moto has answered one of *names* with success."""

    def register(handler: Handler) -> Handler:
        for name in names:
            AFTER.setdefault((service, name), []).append(handler)
        return handler

    return register


def before(service: str, *names: str) -> Callable[[Callable[["World", Call], None]], Callable[["World", Call], None]]:
    """Have the decorated function check calls of *names* before moto answers them."""

    def register(handler: Callable[["World", Call], None]) -> Callable[["World", Call], None]:
        for name in names:
            BEFORE.setdefault((service, name), []).append(handler)
        return handler

    return register
