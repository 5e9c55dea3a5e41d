"""What jobs leave in S3: what was asked for, that it was started, how it ended, what it made; below ``runs/<run>/``.

A job is found by its name alone, which begins with its run. Each of these records is written once and never changed.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, cast

from everfit.adapters.aws.clients import Clients
from everfit.adapters.aws.errors import explained
from everfit.adapters.aws.s3_objects import NOTHING, Content, Put, S3Objects
from everfit.adapters.aws.submission import Submission, encoded, read_status, read_submission, status_to_json
from everfit.domain.aws import AwsPlace, split_url
from everfit.domain.errors import NotFoundError, RunFailedError
from everfit.domain.job import JobStatus

SPEC: Final = "spec.json"
STARTED: Final = "started"
STOPPED: Final = "stopped"
END: Final = "end.json"
REMEMBERED: Final = 256
BATCH: Final = 1000
"""Most objects of one DeleteObjects (API reference)."""


class JobFiles:
    """The files of the jobs of one environment."""

    def __init__(self, clients: Clients, place: AwsPlace) -> None:
        self._clients = clients
        self._place = place
        self._objects = S3Objects(clients, place)
        # Written once and never changed, so they are worth remembering.
        self._submissions: dict[str, Submission] = {}
        self._ends: dict[str, JobStatus] = {}

    def url(self, key: str) -> str:
        """Return the URL of a key below ``runs/``."""
        return f"{self._place.home}/runs/{key}"

    def submit(self, submission: Mapping[str, object]) -> Submission:
        """Keep what was asked for; return that, or what somebody has asked for under that name before."""
        name, run = str(submission["name"]), str(submission["run"])
        data, place = encoded(submission), f"{run}/{name}/{SPEC}"
        if self._put(place, data, is_new=True):
            return self._remember(name, read_submission(data, self.url(place)))
        return self._remember(name, read_submission(self._content(place).data, self.url(place)))

    def submission(self, name: str) -> Submission | None:
        """Return what was asked for under a name."""
        known = self._submissions.get(name)
        if known is not None:
            return known
        for run in _possible_runs(name):
            place = f"{run}/{name}/{SPEC}"
            try:
                return self._remember(name, read_submission(self._content(place).data, self.url(place)))
            except NotFoundError:
                continue
        return None

    def _remember(self, name: str, submission: Submission) -> Submission:
        self._submissions[name] = submission
        if len(self._submissions) > REMEMBERED:
            oldest = next(iter(self._submissions))
            del self._submissions[oldest]
            self._ends.pop(oldest, None)
        return submission

    def end(self, submission: Submission) -> JobStatus | None:
        """Return how the job ended, when that was kept."""
        name = submission.spec.name
        known = self._ends.get(name)
        if known is None:
            place = f"{self.folder(submission)}/{END}"
            try:
                known = read_status(self._content(place).data, self.url(place))
            except NotFoundError:
                return None
            self._ends[name] = known
        return known

    def keep_end(self, submission: Submission, status: JobStatus) -> JobStatus:
        """Keep how the job ended; the first one who saw it is right."""
        if not self._put(f"{self.folder(submission)}/{END}", encoded(status_to_json(status)), is_new=True):
            return self.end(submission) or status
        self._ends[submission.spec.name] = status
        return status

    def folder(self, submission: Submission) -> str:
        """Return the job's own folder below ``runs/``."""
        return f"{submission.spec.run}/{submission.spec.name}"

    def mark(self, submission: Submission, mark: str) -> None:
        """Note that something has happened to the job."""
        self._put(f"{self.folder(submission)}/{mark}", b"1", is_new=True)

    def is_marked(self, submission: Submission, mark: str) -> bool:
        """Tell whether that was noted."""
        return self.exists(self.url(f"{self.folder(submission)}/{mark}"))

    def write(self, place: str, body: bytes | Path) -> str:
        """Write a file below ``runs/``, the same one as often as it is written; return its URL."""
        self._put(place, body, is_new=False)
        return self.url(place)

    def write_once(self, url: str, body: bytes | Path) -> None:
        """Write an object of the installation that is named by its content, unless it is there."""
        self._objects.put(Put(key=split_url(url)[1], body=body, replaces=NOTHING))

    def replace(self, url: str, body: bytes) -> None:
        """Write an object of the installation, whatever was there."""
        self._objects.put(Put(key=split_url(url)[1], body=body))

    def exists(self, url: str) -> bool:
        """Tell whether an object is there."""
        try:
            self._in(url).look(split_url(url)[1])
        except NotFoundError:
            return False
        return True

    def has_files(self, url: str) -> bool:
        """Tell whether anything lies in a folder."""
        return next(iter(self._keys(f"{url.rstrip('/')}/", most=1)), None) is not None

    def read(self, url: str) -> bytes:
        """Return an object, or raise ``NotFoundError``."""
        found = self._in(url).get(split_url(url)[1])
        assert found is not None  # noqa: S101 - None is the answer to a condition alone, and there is none
        return found.data

    def fetch(self, url: str, target: Path) -> None:
        """Write an object into a file."""
        with target.open("wb") as file:
            self._in(url).fetch(split_url(url)[1], file)

    def size(self, url: str) -> int | None:
        """Return how large an object is; None when there is none."""
        try:
            return self._in(url).look(split_url(url)[1]).size
        except NotFoundError:
            return None

    def report(self, submission: Submission, file: str) -> Mapping[str, object]:
        """Return the JSON file that the job wrote below its ``output/``."""
        name = submission.spec.name
        try:
            data = self._content(f"{self.folder(submission)}/output/{file}").data
        except NotFoundError:
            raise NotFoundError(f"The job {name} has no report {file}.") from None
        try:
            content: object = json.loads(data)
        except ValueError as error:
            raise RunFailedError(f"The report {file} of job {name} is not JSON: {error}.") from error
        if not isinstance(content, dict):
            raise RunFailedError(f"The report {file} of job {name} is not a JSON object.")
        return cast("dict[str, object]", content)

    def names(self, run: str) -> Iterator[str]:
        """Yield the names of the jobs that were asked for in a run."""
        for key in self._keys(self.url(f"{run}/")):
            parts = key.rsplit("/", 2)
            if parts[-1] == SPEC:
                yield parts[-2]

    def trim(self, run: str) -> None:
        """Delete all but what was asked for, how it ended, and the JSON files of ``output/``."""
        top = split_url(self.url(f"{run}/"))[1]
        self._delete(key for key in self._keys(self.url(f"{run}/")) if not _is_kept(key.removeprefix(top)))

    def forget(self, run: str) -> None:
        """Delete everything of a run."""
        self._delete(self._keys(self.url(f"{run}/")))
        for known in [name for name in self._submissions if name.startswith(f"{run}-")]:
            del self._submissions[known]
            self._ends.pop(known, None)

    def _in(self, url: str) -> S3Objects:
        bucket, _ = split_url(url)
        return self._objects if bucket == self._place.bucket else S3Objects(self._clients, self._place, bucket)

    def _content(self, place: str) -> Content:
        found = self._objects.get(self._key(place))
        assert found is not None  # noqa: S101 - None is the answer to a condition alone, and there is none
        return found

    def _put(self, place: str, body: bytes | Path, *, is_new: bool) -> bool:
        put = Put(key=self._key(place), body=body, replaces=NOTHING if is_new else None)
        return self._objects.put(put) is not None

    def _key(self, place: str) -> str:
        return split_url(self.url(place))[1]

    def _keys(self, url: str, most: int = BATCH) -> Iterator[str]:
        bucket, prefix = split_url(url)
        with explained(f"list {url}"):
            pages = self._clients("s3").get_paginator("list_objects_v2")
            for page in pages.paginate(Bucket=bucket, Prefix=prefix, PaginationConfig={"PageSize": most}):
                found: list[dict[str, Any]] = page.get("Contents", [])
                for each in found:
                    yield str(each["Key"])

    def _delete(self, keys: Iterator[str]) -> None:
        # One by one would be slow, but a role needs s3:DeleteObject for either (API reference, DeleteObjects).
        batch: list[str] = []
        for key in keys:
            batch.append(key)
            if len(batch) == BATCH:
                self._delete_batch(batch)
                batch = []
        if batch:
            self._delete_batch(batch)

    def _delete_batch(self, keys: list[str]) -> None:
        with explained(f"remove files of a run in {self._place.bucket}"):
            listed = {"Objects": [{"Key": key} for key in keys], "Quiet": True}
            self._clients("s3").delete_objects(Bucket=self._place.bucket, Delete=listed)


def _possible_runs(name: str) -> Iterator[str]:
    """Yield what the name of a job may begin with, the longest first: mostly the run is all but the last part."""
    parts = name.split("-")
    for count in range(len(parts) - 1, 0, -1):
        yield "-".join(parts[:count])


def _is_kept(place: str) -> bool:
    """Tell whether a file of a run, given below the run's folder, stays when the run is trimmed."""
    _, _, rest = place.partition("/")
    if rest in (SPEC, STARTED, STOPPED, END):
        return True
    folder, _, file = rest.rpartition("/")
    return folder == "output" and file.endswith(".json")
