"""The three promises at random once more, over the database that an installation has."""

from pathlib import Path
from typing import Any

from hypothesis import settings

from everfit.adapters.local.sqlite_database import SqliteDatabase
from everfit.adapters.sql.inbox import SqlInbox
from everfit.adapters.sql.outbox import SqlOutbox
from everfit.adapters.sql.registry import SqlRegistry
from everfit.adapters.sql.rollouts import SqlRollouts
from everfit.adapters.sql.run_store import SqlRunStore
from tests.fakes import AT_ONCE, World
from tests.stored import quick_folder
from tests.unit.application.test_promises_at_random import Promises as Machine
from tests.unit.application.test_rollouts_at_random import RolloutPromises as RolloutMachine


class SqlWorld(World):
    """A world that a database remembers."""

    def __init__(self, approval: str = "automatic", rollout: str = AT_ONCE) -> None:
        super().__init__(approval, rollout)
        self.folder = quick_folder()
        self.database = SqliteDatabase(Path(self.folder.name, "state.db"))
        parts: dict[str, Any] = {
            "store": SqlRunStore(
                self.database, self.clock, is_dead=lambda owner: owner not in {self.owner, *self.stopped}
            ),
            "inbox": SqlInbox(self.database, self.clock),
            "outbox": SqlOutbox(self.database, self.clock),
            "registry": SqlRegistry(self.database, self.clock),
            "rollouts": SqlRollouts(self.database),
        }
        for name, part in parts.items():
            setattr(self, name, part)

    def close(self) -> None:
        """Let go of the database."""
        self.database.close()
        self.folder.cleanup()


class PromisesInSql(Machine):
    """A service, a command line and an API beside each other, on one database."""

    def a_world(self, approval: str) -> World:
        return SqlWorld(approval)

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            if isinstance(self.world, SqlWorld):
                self.world.close()


TestPromisesInSql = PromisesInSql.TestCase
TestPromisesInSql.settings = settings(max_examples=10, stateful_step_count=12, deadline=None)


class RolloutPromisesInSql(RolloutMachine):
    """The same while versions take traffic step by step."""

    def a_world(self, approval: str) -> World:
        return SqlWorld(approval, self.rollout)

    def teardown(self) -> None:
        try:
            super().teardown()
        finally:
            if isinstance(self.world, SqlWorld):
                self.world.close()


TestRolloutPromisesInSql = RolloutPromisesInSql.TestCase
TestRolloutPromisesInSql.settings = settings(max_examples=5, stateful_step_count=10, deadline=None)
