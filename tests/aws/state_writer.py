"""Writes into a state from a process of its own: ``python -m tests.aws.state_writer BUCKET NAME COUNT PREFIX…``.

Each prefix is written to by a thread of its own, so that one process can be killed at many calls at once.
"""

import sys
from collections.abc import Sequence
from datetime import timedelta
from threading import Thread

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.database import S3Database
from everfit.adapters.sql.database import Database
from everfit.domain.aws import AwsPlace, aws_place

REGION = "us-east-1"


def place_of(bucket: str, prefix: str) -> AwsPlace:
    return aws_place("churn", "production", {"region": REGION, "bucket": bucket, "prefix": prefix}, {})


def keep(database: Database, key: str, body: str = "") -> None:
    """Write one row."""
    with database.transaction() as rows:
        rows.write(
            "insert into reply (caller, key, digest, owner, begun, body) values ('', :key, '', '', '2026', :body)",
            {"key": key, "body": body},
        )


def kept(database: Database) -> list[str]:
    """Return the rows that were written."""
    with database.reading() as rows:
        return [row["key"] for row in rows.all("select key from reply order by key", {})]


def _write(database: Database, name: str, count: int) -> None:
    for number in range(count):
        keep(database, f"{name}-{number:03}")


def main(words: Sequence[str]) -> None:
    """Write so many rows into each state."""
    bucket, name, count, *prefixes = words
    clients = Clients(REGION)
    databases = [S3Database(clients, place_of(bucket, each), patience=timedelta(minutes=5)) for each in prefixes]
    threads = [Thread(target=_write, args=(database, name, int(count))) for database in databases]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main(sys.argv[1:])
