"""Events that ended long ago, as compressed JSON lines in the bucket of the installation."""

from collections.abc import Sequence

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import explained
from everfit.adapters.sql.archived_events import archived
from everfit.domain.aws import AwsPlace
from everfit.domain.trigger import EventRecord


class S3EventArchive:
    """Implements ``EventArchive``."""

    def __init__(self, clients: Clients, place: AwsPlace) -> None:
        self._clients, self._place = clients, place

    def keep(self, records: Sequence[EventRecord]) -> None:
        """Write the file anew; the same part again, after a kill, takes the place of the one before."""
        name, content = archived(records)
        key = f"{self._place.prefix}/archive/{name}"
        with explained(f"archive events in s3://{self._place.bucket}/{key}"):
            self._clients("s3").put_object(Bucket=self._place.bucket, Key=key, Body=content)
