"""Bring the frozen objects of a snapshot into the container, each in the version that was frozen.

Reads ``objects`` of ``input/config/parameters.json`` (the folder to fill) and ``index`` of ``input/config/job.json``: a
line of JSON for each path, with bucket, key, version and ETag. An object that changed since fails the job.
"""

import json
import os
import shutil
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from everfit.domain.amounts import sized
from everfit.domain.errors import BackendError, EverfitError, RunFailedError, StateError
from everfit.domain.snapshot import object_path

WORKERS: Final = 16
# Objects that wait for a worker; a snapshot of a million files must not become a million futures.
AHEAD: Final = 256
ATTEMPTS: Final = 5
FIRST_PAUSE: Final = 0.2
BLOCK: Final = 1 << 20
# GetObject answers 412 to If-Match when the ETag is another one, 404 when key or version are gone (API reference).
CHANGED: Final = frozenset({"PreconditionFailed", "412", "NoSuchKey", "NoSuchVersion", "404", "MethodNotAllowed"})
REFUSED: Final = frozenset({"AccessDenied", "403", "InvalidObjectState", "NoSuchBucket"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Frozen:
    """One object as it was frozen.

    Args:
        digest: names where it is kept below the folder ``objects``.
        version: None in a bucket that keeps no versions.
    """

    path: str
    digest: str
    size: int
    bucket: str
    key: str
    version: str | None
    etag: str

    @property
    def url(self) -> str:
        """Where it lies."""
        return f"s3://{self.bucket}/{self.key}"


def main() -> int:
    """Fetch the objects; return the exit code."""
    work = Path(os.environ["SAGEMAKER_BASE_DIR"])
    output = work / "output"
    output.mkdir(parents=True, exist_ok=True)
    parameters = json.loads((work / "input/config/parameters.json").read_bytes())
    job = json.loads((work / "input/config/job.json").read_bytes())
    try:
        fetch(Path(parameters["manifest"]), work / job["index"], Path(parameters["objects"]), client())
    except (EverfitError, OSError) as error:
        print(error, file=sys.stderr)
        (output / "failure").write_text(str(error), encoding="utf-8")
        return 1
    return 0


def client() -> Any:
    """Return the client that all workers share."""
    config = Config(retries={"mode": "standard", "total_max_attempts": 5}, max_pool_connections=WORKERS)
    # The type stubs know each service by a literal name; the programs of containers know no stubs.
    untyped: Any = boto3
    return untyped.client("s3", config=config)


def fetch(manifest: Path, index: Path, folder: Path, s3: Any) -> None:
    """Fill *folder* with every content of the manifest.

    Raises:
        RunFailedError: an object changed since it was frozen, or may not be read.
        BackendError: S3 does not answer.
    """
    entries = {str(entry["path"]): entry for entry in json.loads(manifest.read_bytes())["files"]}
    needed, free = sum(int(entry["size"]) for entry in entries.values()), shutil.disk_usage(manifest.parent).free
    if needed > free:
        raise RunFailedError(
            f"The data has {sized(needed)}, and the job's disk has room for {sized(free)}; give it more by aws.volume."
        )
    waiting: list[Future[None]] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        try:
            for frozen in _wanted(entries, index):
                target = folder / object_path(frozen.digest)
                target.parent.mkdir(parents=True, exist_ok=True)
                waiting.append(pool.submit(_keep, frozen, target, s3))
                if len(waiting) >= AHEAD:
                    waiting.pop(0).result()
            for each in waiting:
                each.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _wanted(entries: dict[str, Any], index: Path) -> Iterator[Frozen]:
    """Yield each content once, and see that every path of the manifest has one."""
    seen: set[str] = set()
    missing = set(entries)
    with index.open("rb") as lines:
        for line in lines:
            row = json.loads(line)
            entry = entries.get(str(row["path"]))
            if entry is None:
                continue
            missing.discard(str(row["path"]))
            if entry["digest"] not in seen:
                seen.add(entry["digest"])
                yield Frozen(
                    path=str(row["path"]),
                    digest=str(entry["digest"]),
                    size=int(entry["size"]),
                    bucket=str(row["bucket"]),
                    key=str(row["key"]),
                    version=row.get("version"),
                    etag=str(row["etag"]),
                )
    if missing:
        raise StateError(f"The index of the snapshot does not say where {min(missing)} lies. Freeze the data again.")


def _keep(frozen: Frozen, target: Path, s3: Any) -> None:
    """Download an object; what breaks off goes on where it was."""
    partial = target.with_name(f"{target.name}.part")
    for attempt in range(1, ATTEMPTS + 1):
        try:
            _append(frozen, partial, s3)
            break
        except ClientError as error:
            _raise_if_final(error, frozen)
            failure: Exception = error
        except BotoCoreError as error:
            failure = error
        if attempt == ATTEMPTS:
            raise BackendError(f"{frozen.url} could not be read: {failure}", retryable=True) from failure
        time.sleep(FIRST_PAUSE * 2**attempt)
    if partial.stat().st_size != frozen.size:
        raise RunFailedError(f"{frozen.url} is not as large as when it was frozen; run again to freeze it anew.")
    partial.replace(target)


def _append(frozen: Frozen, partial: Path, s3: Any) -> None:
    """Read on from what is there already."""
    have = partial.stat().st_size if partial.exists() else 0
    if frozen.size == have:
        partial.touch()
        return
    chosen = {"VersionId": frozen.version} if frozen.version else {}
    part = {"Range": f"bytes={have}-"} if have else {}
    answer = s3.get_object(Bucket=frozen.bucket, Key=frozen.key, IfMatch=frozen.etag, **chosen, **part)
    with partial.open("ab") as file:
        while block := answer["Body"].read(BLOCK):
            file.write(block)


def _raise_if_final(error: ClientError, frozen: Frozen) -> None:
    code = str(error.response.get("Error", {}).get("Code"))
    if code in CHANGED:
        raise RunFailedError(
            f"{frozen.url} was changed or removed after it was frozen, and the bucket keeps no older version; run "
            "again, which freezes the data anew."
        ) from error
    if code in REFUSED:
        raise RunFailedError(
            f"{frozen.url} may not be read by the role of the jobs ({code}); see `everfit doctor --aws`."
        ) from error


if __name__ == "__main__":
    sys.exit(main())
