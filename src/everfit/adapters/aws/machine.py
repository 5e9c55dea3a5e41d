"""What can be said of where the work is done on AWS, without examining the account; ``doctor`` does that."""

import platform
import sys
from collections.abc import Sequence

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import explained
from everfit.adapters.sql.database import Database
from everfit.domain.aws import AwsPlace
from everfit.domain.errors import EverfitError


class AwsMachine:
    """Implements ``Machine``: the work is done by jobs, and the state lies in S3."""

    def __init__(self, clients: Clients, place: AwsPlace, database: Database) -> None:
        self._clients = clients
        self._place = place
        self._database = database

    def free_bytes(self) -> int:
        """Return the disk of each of Everfit's own jobs: S3 has no limit, and this machine keeps nothing."""
        return self._place.volume

    def findings(self) -> Sequence[tuple[str, bool, str]]:
        """Examine Python, the credentials and the state."""
        return (
            ("python", sys.version_info >= (3, 11), f"{platform.python_version()} at {sys.executable}"),
            self._account(),
            self._state(),
        )

    def _account(self) -> tuple[str, bool, str]:
        try:
            with explained("find out whose credentials these are"):
                return ("account", True, f"{self._clients.account()} in {self._place.region}")
        except EverfitError as error:
            return ("account", False, str(error))

    def _state(self) -> tuple[str, bool, str]:
        try:
            return ("database", True, self._database.examined())
        except EverfitError as error:
            return ("database", False, str(error))
