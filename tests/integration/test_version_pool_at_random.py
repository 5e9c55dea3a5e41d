"""Whatever is asked together and whatever dies meanwhile, each request is answered once, and as it deserves."""

import asyncio
import os
import signal
from collections.abc import Iterator

import pytest
import uvloop
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from everfit.serving.frames import Reply, Trouble
from tests.integration.pools import Asking, serving

MOST = 12
FATAL = ("crash", "garbage")
REQUESTS = st.sampled_from(["good", "good", "good", "raise", "leave", "crash", "garbage", "pid"])
STEPS = st.lists(
    st.one_of(
        st.lists(REQUESTS, min_size=1, max_size=MOST),
        st.sampled_from(["kill", "wait for answers", "let the loop turn"]),
    ),
    min_size=1,
    max_size=6,
)


@pytest.fixture(scope="module")
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = uvloop.new_event_loop()
    yield loop
    loop.close()


@pytest.fixture(scope="module")
def asking(loop: asyncio.AbstractEventLoop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asking]:
    async def enter() -> Asking:
        return await context.__aenter__()

    async def leave() -> None:
        await context.__aexit__(None, None, None)

    context = serving(tmp_path_factory.mktemp("pool"), workers=2, queue=10_000)
    yield loop.run_until_complete(enter())
    loop.run_until_complete(leave())


def is_deserved(body: str, reply: Reply) -> bool:
    """Whether the answer is what the request gets when it is alone."""
    what = body.partition(" ")[0]
    if what in FATAL:
        return reply.trouble is Trouble.MODEL and b"twice" in reply.body
    if what in ("raise", "leave"):
        return reply.trouble is Trouble.MODEL and b"twice" not in reply.body
    return reply.is_answer and (what == "pid" or reply.body.decode() == f"<{body}>")


async def tell(asking: Asking, steps: list[list[str] | str]) -> None:
    # Deaths without an answer between them add up to a loop, in which everybody is turned away: each begins anew.
    asking.send(f"good {len(asking.all)}")
    await asking.replies(asking.all[-1:])
    first = len(asking.all)
    # Who loses its process twice is told so, and it does not matter to whom: one death may meet each request.
    may_kill = not any(what in FATAL for step in steps if isinstance(step, list) for what in step)
    for step in steps:
        if isinstance(step, list):
            # Each has a number of its own, so that an answer cannot be mistaken for another's.
            asking.send(
                *(f"{what} {len(asking.all) + place}" if what == "good" else what for place, what in enumerate(step))
            )
        elif step == "kill" and may_kill:
            may_kill = False
            for process in asking.pool.processes[:1]:
                os.kill(process, signal.SIGKILL)
        elif step == "wait for answers":
            await asking.replies(asking.all[first:])
        else:
            await asyncio.sleep(0)
    asked = asking.all[first:]
    replies = await asking.replies(asked)
    assert [
        (each.body, reply) for each, reply in zip(asked, replies, strict=True) if not is_deserved(each.body, reply)
    ] == []
    assert (asking.pool.queue, asking.pool.under_way) == (0, 0)


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(steps=STEPS)
def test_each_request_is_answered_once_and_as_it_deserves(
    asking: Asking, loop: asyncio.AbstractEventLoop, steps: list[list[str] | str]
) -> None:
    loop.run_until_complete(tell(asking, steps))
