"""Who calls: each role has an access key id of its own, so that a call tells the role that made it."""

import hashlib
from threading import Lock

from tests.aws.bench.errors import ACCOUNT

USER_KEY = "AKIABENCHUSER0000001"
SECRET = "bench-bench-bench-bench"


class Identities:
    """The access key ids that were given out, and whose they are."""

    def __init__(self) -> None:
        self._roles: dict[str, str] = {}
        self._lock = Lock()

    def key_of(self, role: str) -> str:
        """Return the access key id with which a process acts as *role*."""
        key = "ASIA" + hashlib.sha256(role.encode()).hexdigest()[:16].upper()
        self.learn(key, role)
        return key

    def learn(self, key: str, role: str) -> None:
        """Remember that *key* acts as *role*."""
        with self._lock:
            self._roles[key] = role

    def role_of(self, key: str) -> str | None:
        """Return the role behind *key*; None when a user calls."""
        with self._lock:
            return self._roles.get(key)

    def caller_of(self, key: str) -> str:
        """Return the ARN of who calls, as STS tells it."""
        role = self.role_of(key)
        if role is None:
            return f"arn:aws:iam::{ACCOUNT}:user/bench"
        return f"arn:aws:sts::{ACCOUNT}:assumed-role/{role.rpartition('/')[2]}/bench"
