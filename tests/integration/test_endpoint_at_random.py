"""A real host under whatever may come, in any order: changes, settlings, crashes, kills, and ways back by hand."""

import tempfile
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from everfit.adapters.local.endpoints import LocalEndpoints
from everfit.adapters.local.host_process import HostProcess
from everfit.adapters.local.offline import rolled_back_offline
from everfit.domain.endpoint import EndpointState
from everfit.domain.errors import BackendError, RefusedError, RunFailedError
from everfit.serving.limits import Limits
from tests.integration.host_client import Client, eventually, kill, workers
from tests.integration.served_models import Models, proof

GOOD, CRASHING, UNRELEASED = (1, 2), 3, 4
RELEASED = st.sampled_from([*GOOD, CRASHING])
ANY = st.integers(1, 4)
NOW = datetime(2026, 3, 1, tzinfo=UTC)
UNABLE = (RefusedError, RunFailedError, BackendError)
"""What a change may end with: it is not to be made, or it could not be made; then nothing was changed."""


class HostAtRandom(RuleBasedStateMachine):
    """Two good versions, one that crashes whatever it is asked, and one that nobody has released."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(prefix="everfit-random-")
        self.home = Path(self.folder.name)
        self.endpoints = LocalEndpoints(self.home, None)
        models = Models(home=self.home)
        crashing = replace(models.version(CRASHING, "exits_when_asked.py"), sample=None)
        self.versions = {
            number: crashing if number == CRASHING else models.version(number) for number in (*GOOD, 3, UNRELEASED)
        }
        self.fence = 1

    def teardown(self) -> None:
        self.endpoints.stop()
        self.folder.cleanup()

    @initialize()
    def deploy(self) -> None:
        self.endpoints.stage("solar", self.versions[1], fence=1)
        self.endpoints.shift("solar", {1: 1.0}, [proof(self.versions[1])], fence=1)
        self.client = Client(self.home)

    @property
    def state(self) -> EndpointState:
        state = self.endpoints.describe("solar")
        assert state is not None
        return state

    @rule(number=ANY, is_newer=st.booleans())
    def stage(self, number: int, is_newer: bool) -> None:
        self.fence += is_newer
        self.endpoints.stage("solar", self.versions[number], fence=self.fence)

    @rule(one=ANY, other=ANY, share=st.sampled_from([0.1, 0.5, 1.0]), shadow=st.none() | ANY)
    def split(self, one: int, other: int, share: float, shadow: int | None) -> None:
        weights = {other: 1 - share, one: share} if one != other else {one: 1.0}
        shadows = [] if shadow is None else [shadow]
        before = self.state.weights
        try:
            proofs = [proof(self.versions[number]) for number in (*GOOD, CRASHING)]
            self.endpoints.split("solar", weights, proofs, shadows=shadows, fence=self.fence)
        except UNABLE:
            # Only a version that crashes may have been left meanwhile.
            assert self.state.weights == before or CRASHING in {*before, *weights}
        else:
            assert UNRELEASED not in {number for number, weight in weights.items() if weight} | {*shadows}

    @rule(keep=st.lists(ANY, max_size=2), back=st.none() | ANY)
    def settle(self, keep: list[int], back: int | None) -> None:
        before = self.state.weights
        self.endpoints.settle("solar", keep, fence=self.fence, back=back)
        assert self.state.weights == before or CRASHING in before

    @rule(number=RELEASED)
    def restore(self, number: int) -> None:
        self.fence += 1
        version = self.versions[number]
        with suppress(*UNABLE):
            self.endpoints.restore("solar", version, proof(version), fence=self.fence)
            assert self.state.moved is None or number == CRASHING

    @rule()
    def go_back_offline(self) -> None:
        before = self.state.weights
        try:
            moved = rolled_back_offline(self.home, "solar", "ann", "nonsense", NOW)
        except UNABLE:
            assert self.state.weights == before or CRASHING in before
        else:
            assert moved.after in (*GOOD, CRASHING)
            assert self.state.moved is not None

    @rule()
    def kill_worker(self) -> None:
        for process in workers(self.client)[:1]:
            kill(process)

    @rule()
    def kill_front(self) -> None:
        kill(int(HostProcess(self.home / "host", None, Limits()).tell("converge")["pid"]))
        eventually(lambda: self.state.weights, "it serves again")
        self.client = Client(self.home)

    @rule()
    def ask_on(self) -> None:
        for number in range(4):
            self.client.ask(f"on and on {number}")

    @invariant()
    def only_released_versions_answer_and_one_always_does(self) -> None:
        """No unapproved version answers; while a good version has a share, it answers."""
        state = self.state
        assert set(state.weights) <= {*GOOD, CRASHING}
        assert abs(sum(state.weights.values()) - 1) < 1e-9
        for number in range(4):
            got = self.client.ask(str(number))
            version = got.headers.get("x-everfit-version")
            if got.status == 200:
                assert version in ("1", "2")
                assert got.body == f"{version}:{version}:{number}".encode()
            else:
                assert CRASHING in state.weights, got
            assert self.client.send(
                "POST", "/endpoints/solar/invocations", "7", x_amzn_sagemaker_target_variant=f"v{UNRELEASED}"
            ).status in (400, 503)


# What was found is told at once: with real processes, looking for the shortest way there takes minutes.
HostAtRandom.TestCase.settings = settings(
    max_examples=3,
    stateful_step_count=10,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate],
)
TestHostAtRandom = HostAtRandom.TestCase
