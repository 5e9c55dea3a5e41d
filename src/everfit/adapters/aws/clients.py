"""Makes the clients of AWS: one a service, with the same retries, time-outs and name for all of them.

boto3 has no types of its own, so this is the one place where its clients are ``Any``.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from threading import Lock
from typing import Any, Final

import boto3
import botocore.session
from botocore.config import Config
from botocore.utils import parse_timestamp

from everfit import __version__

Client = Any
"""A client of boto3."""

CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 60


class Clients:
    """The clients of one region, made when they are first asked for.

    Args:
        profile: of the shared credentials; None takes the usual chain of boto3.
        prepare: is given each new client, as to check what is sent with it.
    """

    def __init__(
        self, region: str, *, profile: str | None = None, prepare: Callable[[Client], None] | None = None
    ) -> None:
        self.region = region
        self._profile = profile
        self._prepare = prepare
        self._made: dict[str, Client] = {}
        # A session is not safe for threads while it makes a client; a client is, once it is made (guide "Clients").
        self._making = Lock()
        self._session: Any = None

    def __call__(self, service: str) -> Client:
        """Return the client of a service such as ``s3``."""
        with self._making:
            if service not in self._made:
                self._made[service] = self._new(service)
            return self._made[service]

    def account(self) -> str:
        """Return the account of the credentials."""
        return str(self("sts").get_caller_identity()["Account"])

    def _new(self, service: str) -> Client:
        if self._session is None:
            self._session = boto3.Session(profile_name=self._profile, region_name=self.region, botocore_session=_core())
        config = Config(
            # "standard" retries throttling, 5xx and lost connections, with growing pauses and a quota of retries.
            retries={"mode": "standard", "total_max_attempts": 5},
            connect_timeout=CONNECT_SECONDS,
            read_timeout=READ_SECONDS,
            user_agent_extra=f"everfit/{__version__}",
        )
        client = self._session.client(service, config=config)
        if self._prepare is not None:
            self._prepare(client)
        return client


def _core() -> Any:
    """Return a session of botocore that reads times quickly: else they are most of the work of listing many objects."""
    core: Any = botocore.session.get_session()
    core.get_component("response_parser_factory").set_parser_defaults(timestamp_parser=_moment)
    return core


def _moment(written: Any) -> datetime:
    if not isinstance(written, str) or written[10:11] != "T":
        return parse_timestamp(written)  # Some services write seconds, some as e-mail does.
    found = datetime.fromisoformat(written)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
