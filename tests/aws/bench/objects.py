"""Bring objects of S3 into a directory and back, as the platform does for a job, by the job's own role."""

import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tests.aws.bench.errors import AwsError


class TransferError(Exception):
    """What a job fails with when its data cannot be brought."""


def split(uri: str) -> tuple[str, str]:
    """Return bucket and key of an ``s3://`` address."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


def keys_below(client: Any, bucket: str, prefix: str) -> Iterator[str]:
    """Yield the keys that begin with *prefix*, page by page."""
    for page in client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for found in page.get("Contents", []):
            yield found["Key"]


def local_name(key: str, prefix: str) -> str:
    """Return the place of *key* below the directory: what follows the last slash of the prefix, or the whole folder."""
    if key == prefix:
        return key.rpartition("/")[2]
    rest = key[len(prefix) :]
    return rest.lstrip("/") if prefix.endswith("/") or rest.startswith("/") or not prefix else Path(key).name


def fetch(client: Any, uri: str, folder: Path, data_type: str = "S3Prefix") -> int:
    """Bring what *uri* stands for into *folder*; return the number of files.

    Args:
        data_type: ``ManifestFile`` is a JSON list of a prefix and names (API reference, S3DataSource).
    """
    bucket, prefix = split(uri)
    try:
        if data_type == "ManifestFile":
            return fetch_manifest(client, bucket, prefix, folder)
        keys = [key for key in keys_below(client, bucket, prefix) if not key.endswith("/")]
        for key in keys:
            fetch_file(client, bucket, key, folder / local_name(key, prefix))
    except ClientError as error:
        raise TransferError(f"ClientError: Data download failed: {error}") from error
    if not keys:
        raise TransferError(f"ClientError: Data download failed:No S3 objects found under S3 URL {uri!r} given")
    return len(keys)


def fetch_manifest(client: Any, bucket: str, key: str, folder: Path) -> int:
    head, *names = json.loads(client.get_object(Bucket=bucket, Key=key)["Body"].read())
    prefix_bucket, prefix = split(head["prefix"])
    for name in names:
        fetch_file(client, prefix_bucket, prefix + name, folder / name)
    return len(names)


def fetch_file(client: Any, bucket: str, key: str, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    body = client.get_object(Bucket=bucket, Key=key)["Body"]
    with path.open("wb") as file:
        for chunk in body.iter_chunks(1 << 20):
            file.write(chunk)


def fetch_archive(client: Any, uri: str, folder: Path) -> None:
    """Unpack the archive at *uri* into *folder*."""
    bucket, key = split(uri)
    folder.mkdir(parents=True, exist_ok=True)
    packed = folder.parent / f".{folder.name}.tar.gz"
    try:
        fetch_file(client, bucket, key, packed)
        with tarfile.open(packed) as archive:
            archive.extractall(folder, filter="data")
    except (ClientError, tarfile.TarError, OSError) as error:
        raise TransferError(f"ClientError: Could not read {uri}: {error}") from error
    finally:
        packed.unlink(missing_ok=True)


def store(client: Any, folder: Path, uri: str, given: dict[str, str] | None = None) -> int:
    """Put every file below *folder* under *uri*; return their number."""
    bucket, prefix = split(uri)
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()] if folder.is_dir() else []
    for path in paths:
        key = f"{prefix.rstrip('/')}/{path.relative_to(folder)}".lstrip("/")
        store_file(client, path, f"s3://{bucket}/{key}", given)
    return len(paths)


def store_file(client: Any, path: Path, uri: str, given: dict[str, str] | None = None) -> None:
    bucket, key = split(uri)
    try:
        with path.open("rb") as file:
            client.put_object(Bucket=bucket, Key=key, Body=file, **(given or {}))
    except ClientError as error:
        raise TransferError(f"ClientError: Data upload failed: {error}") from error


def store_archive(client: Any, folder: Path, uri: str, given: dict[str, str] | None = None) -> bool:
    """Put what is below *folder* as one archive at *uri*, if there is anything; return whether there was."""
    if not folder.is_dir() or not any(folder.iterdir()):
        return False
    packed = folder.parent / f".{folder.name}.packed.tar.gz"
    with tarfile.open(packed, "w:gz", compresslevel=1) as archive:
        for path in sorted(folder.iterdir()):
            archive.add(path, arcname=path.name)
    store_file(client, packed, uri, given)
    packed.unlink()
    return True


def encryption(key: str | None) -> dict[str, str]:
    """Return how an object is put that a KMS key encrypts."""
    return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key} if key else {}


def refused(error: ClientError) -> AwsError:
    """Return the error of a call that the bench made to itself as its own."""
    told = error.response["Error"]
    return AwsError(told["Code"], told["Message"], error.response["ResponseMetadata"]["HTTPStatusCode"])
